"""``%%rust --test``: tests, run for real."""

from __future__ import annotations

import threading
import time
from _thread import interrupt_main
from typing import TYPE_CHECKING

import pytest

from pyo3magic import errors
from pyo3magic.cell import Options
from pyo3magic.errors import CellError, CompileError, Interrupted
from pyo3magic.programs.cell_tests import read_report

if TYPE_CHECKING:
    from .conftest import Cells

Captured = pytest.CaptureFixture[str]

_CELL = """/// Doubles.
/// ```
/// use geometry::double;
/// assert_eq!(double(2), 4);
/// ```
#[pyfunction]
pub fn double(x: i64) -> i64 { 2 * x }
#[cfg(test)] mod tests { use super::*;
#[test] fn right() { assert_eq!(double(2), 4); }
#[test] fn python() { Python::attach(|py| assert_eq!(py.eval(c"6 * 7", None, None).unwrap().extract::<i32>().unwrap(), 42)) }
#[test] #[should_panic] fn overflow() { double(std::hint::black_box(i64::MAX)); }
#[test] #[ignore] fn slow() {}
"""


@pytest.mark.parametrize(
    ("lines", "outcomes", "counts"),
    [
        ([], {}, None),
        (["test a ... ok", "test b::c - should panic ... FAILED"], {"a": "ok", "b::c": "FAILED"}, None),
        (["test a ... ignored, slow"], {"a": "ignored"}, None),
        (
            ["test src/lib.rs - f (line 3) ... ok", "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured"],
            {"src/lib.rs - f (line 3)": "ok"},
            (1, 0),
        ),
        (["test a has been running for over 60 seconds"], {}, None),
    ],
)
def test_what_libtest_prints(lines: list[str], outcomes: dict[str, str], counts: tuple[int, int] | None) -> None:
    report = read_report(lines)
    assert (report.outcomes, report.counts) == (outcomes, counts)


@pytest.mark.cargo
def test_tests_run_with_python_and_with_checks(cells: Cells, capsys: Captured) -> None:
    answer = cells.test(_CELL + "}")
    assert "3 tests passed, 1 ignored" in answer.note
    assert "test tests::python ... ok" in capsys.readouterr().out
    assert cells.warnings == ""


@pytest.mark.cargo
def test_a_failing_test_fails_the_cell_and_is_shown_at_its_line(cells: Cells, capsys: Captured) -> None:
    with pytest.raises(errors.TestsFailed, match="1 of 4 tests failed: tests::wrong"):
        cells.test(_CELL + "#[test] fn wrong() { assert_eq!(double(2), 5); } }")
    assert "panicked at In[3]:14:22:" in capsys.readouterr().out


@pytest.mark.cargo
def test_filter_and_arguments(cells: Cells, capsys: Captured) -> None:
    answer = cells.test(_CELL + "}", "right")
    assert "1 test passed" in answer.note
    assert "No test was run; the filter left out 4;" in cells.test(_CELL + "}", "wrong").note
    with pytest.raises(errors.TestsFailed, match="ended with exit status 101 before"):
        cells.test(_CELL + "}", "", "--no-such-option")
    cells.test(_CELL + "}", "", "--list")
    assert "tests::slow: test" in capsys.readouterr().out


@pytest.mark.cargo
def test_examples_in_documentation(cells: Cells, capsys: Captured) -> None:
    answer = cells.test(_CELL + "}", doc=True, module="geometry")
    assert "Documentation: 1 test passed" in answer.note
    shown = capsys.readouterr()
    assert "test In[3] - double (line 3) ... ok" in shown.out
    assert shown.err == ""
    with pytest.raises(errors.TestsFailed, match=r"1 of 1 test failed: In\[3\] - double \(line 3\)"):
        cells.test(_CELL.replace("double(2), 4);\n/// `", "double(2), 5);\n/// `") + "}", doc=True, module="geometry")


@pytest.mark.cargo
def test_a_test_that_aborts_is_found(cells: Cells) -> None:
    body = "#[test] fn fine() {}\n#[test] fn aborts() { std::thread::sleep_ms(300); std::process::abort() }"
    with pytest.raises(errors.TestsFailed, match="was ended by SIGABRT") as caught:
        cells.test(f"#![allow(deprecated)]\n{body}", "", "--test-threads=2")
    assert "Not finished: aborts." in caught.value.advice
    assert "--nocapture" in caught.value.advice


@pytest.mark.cargo
def test_a_test_that_loops_can_be_interrupted(cells: Cells, capsys: Captured) -> None:
    def interrupt() -> None:
        shown = ""
        while "test fine ... ok" not in shown:
            shown += capsys.readouterr().out
            time.sleep(0.05)
        interrupt_main()

    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(Interrupted) as caught:
        cells.test("#[test] fn fine() {}\n#[test] fn endless() { loop { std::hint::spin_loop() } }")
    helper.join()
    assert caught.value.advice == "Not finished: endless."


@pytest.mark.cargo
def test_bad_cells(cells: Cells) -> None:
    with pytest.raises(CellError, match="has no tests"):
        cells.test("pub fn a() {}")
    with pytest.raises(CellError, match="Examples in a program's documentation"):
        cells.test("fn main() {}\n#[test] fn a() {}", doc=True)
    with pytest.raises(CompileError):
        cells.test("#[test] fn a() { nothing() }")


@pytest.mark.cargo
def test_a_program_can_have_tests(cells: Cells) -> None:
    assert "1 test passed" in cells.test("fn main() {}\n#[test] fn a() {}").note


@pytest.mark.cargo
def test_a_cell_that_uses_cells(cells: Cells, capsys: Captured) -> None:
    session = cells.session
    session.run(
        Options(module="geometry"),
        "#[pyclass] pub struct Point { pub x: f64 }\nimpl Point { pub fn at(x: f64) -> Self { Point { x } } }",
        label="In[1]",
    )
    session.run(
        Options(module="moves"),
        "use geometry::Point;\n#[pyfunction] pub fn shift(p: &Point) -> Point { Point::at(p.x + 1.0) }",
        label="In[2]",
    )
    body = 'use geometry::Point;\nuse moves::shift;\nfn main() { println!("{}", shift(&Point::at(2.0)).x); }'
    cells.bin(body)
    assert capsys.readouterr().out == "3\n"
    cells.test(body + "\n#[test] fn moved() { assert_eq!(shift(&Point::at(0.0)).x, 1.0); }")
