"""``%%rust`` in an IPython shell of this process."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from typing import Any

import pytest

from pyo3magic.errors import CellError, CompileError, ImportConflictError, Interrupted, OptionError, PyO3MagicError
from tests.integration.kernel import wait_until


def run(shell: Any, cell: str) -> Any:
    """Run a cell; returns its error or None."""
    return shell.run_cell(cell, store_history=True).error_in_exec


@pytest.mark.parametrize(
    ("cell", "kind", "message", "advice"),
    [
        ("%%rust\n \n", CellError, "The cell is empty", ""),
        ("%%rust", CellError, "The cell is empty", ""),
        ("%%rust --debug\n", CellError, "The cell is empty", ""),
        ("%%rust --releas\nfn f() {}", OptionError, "There is no option '--releas'", "%rust? lists"),
        ("%%rust --edition\nfn f() {}", OptionError, "expected one argument", "lists the options"),
        ("%%rust --debgu\nfn f() {}", OptionError, "There is no option '--debgu'", "Did you mean --debug?"),
        ("%%rust stray\nfn f() {}", OptionError, "stray", "lists the options"),
        ("%%rust -m 'a\nfn f() {}", OptionError, "quotation", "lists the options"),
        ("%rust", CellError, "on a line of its own", "%%rust"),
        ("%%rust --parallel\npub fn f() {}", OptionError, "--parallel needs --ufunc", "--ufunc --parallel"),
        ("%%rust --ufunc '(n)'\npub fn f() {}", CellError, "'(n)' is not the signature", "'(n),(n)->()'"),
        ("%%rust --ufunc\n#[pyfunction] fn f() {}", CellError, "has PyO3's attributes", "a cell of their own"),
        ("%%rust --ufunc -m m\n\npub fn f(x: &str) -> f64 {}", CellError, "no function that can", "Line 3: `f` is not"),
        ("%%rust --ufunc\nfn f(x: f64) -> f64 { x }", CellError, "no function that can", "pub fn double"),
    ],
)
def test_wrong_use(plain: Any, cell: str, kind: type[PyO3MagicError], message: str, advice: str) -> None:
    error = run(plain, cell)
    assert type(error) is kind
    assert message in error.message
    assert advice in error.advice


@pytest.mark.cargo
def test_names_come_change_return_and_come_back(shell: Any) -> None:
    one, two = ("%%rust\n" + f"pub fn value() -> i32 {{ {number} }}" for number in (1, 2))

    def value() -> Any:
        return shell.user_ns["value"]()

    assert run(shell, one) is None
    first = shell.user_ns["value"]
    assert value() == 1
    assert run(shell, two) is None
    assert value() == 2
    assert run(shell, one) is None
    assert shell.user_ns["value"] is first
    run(shell, "del value")
    assert run(shell, one) is None
    assert value() == 1
    run(shell, "value = None")
    assert run(shell, one) is None
    assert value() == 1


@pytest.mark.cargo
def test_a_failed_cell_changes_no_name_and_stops(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shell, "%%rust\npub fn kept() -> i32 { 5 }") is None
    error = run(shell, "%%rust\npub fn kept() -> i32 { true }")
    assert type(error) is CompileError
    assert error.__traceback__ is None or "pyo3magic" not in error.__traceback__.tb_frame.f_code.co_filename
    assert shell.user_ns["kept"]() == 5
    assert "mismatched types" in capsys.readouterr().err


@pytest.mark.cargo
def test_a_named_cell_is_a_module(shell: Any) -> None:
    try:
        assert run(shell, "%%rust -m named_cell\npub fn six() -> i32 { 6 }") is None
        assert run(shell, "import named_cell as again; same = again is named_cell; n = again.six()") is None
        assert (shell.user_ns["same"], shell.user_ns["n"]) == (True, 6)
    finally:
        sys.modules.pop("named_cell", None)


@pytest.mark.cargo
def test_a_name_of_someone_else_is_refused_before_anything_is_built(shell: Any) -> None:
    error = run(shell, "%%rust -m json\npub fn six() -> i32 { 6 }")
    assert type(error) is ImportConflictError
    assert "six" not in shell.user_ns


@pytest.mark.cargo
def test_a_class_of_an_earlier_version_says_so(shell: Any) -> None:
    cell = (
        "%%rust\n#[pyclass] struct Spot {{ #[pyo3(get)] x: i32 }}\n#[pymethods] impl Spot {{ #[new] fn new() -> Self {{ Spot {{ x: {} }} }} }}\n"
        "#[pyfunction] fn read(spot: &Spot) -> i32 {{ spot.x }}"
    )
    assert run(shell, cell.format(1)) is None
    old = shell.user_ns["Spot"]()
    assert run(shell, cell.format(2)) is None
    with pytest.raises(TypeError, match=r"before it was replaced by In\[\d+\]"):
        shell.user_ns["read"](old)
    assert shell.user_ns["read"](shell.user_ns["Spot"]()) == 2
    assert old.x == 1


@pytest.mark.cargo
def test_a_panic_names_the_cells_line(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(shell, '%%rust\npub fn fail(x: i32) -> i32 {\n    if x > 0 { panic!("on purpose") }\n    x\n}') is None
    count = shell.execution_count - 1
    error = run(shell, "fail(1)")
    assert type(error).__name__ == "PanicException"
    notes = "\n".join((*getattr(error, "__notes__", ()), *map(str, error.args)))
    assert "on purpose" in notes
    assert f"In[{count}], line 3, column 16" in notes
    assert capfd.readouterr().err == "", "the exception has told of the panic"
    assert shell.user_ns["fail"](0) == 0


@pytest.mark.cargo
def test_a_panic_that_no_exception_tells_is_written(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    cell = """%%rust
pub fn in_a_thread() { std::thread::spawn(|| panic!("alone")).join().ok(); }
pub fn caught() { let _ = std::panic::catch_unwind(|| panic!("caught")); }
pub fn later() { std::thread::spawn(|| panic!("behind your back")); }
"""
    assert run(shell, cell) is None
    count = shell.execution_count - 1
    for function, line, text in (("in_a_thread", 2, "alone"), ("caught", 3, "caught")):
        assert run(shell, f"{function}()") is None
        said = capfd.readouterr().err
        assert said.count("panicked") == 1
        assert f"panicked in In[{count}], line {line}, column" in said
        assert said.endswith(f":\n{text}\n")
    shell.user_ns["later"]()
    wait_until(lambda: "behind your back" in capfd.readouterr().err)


@pytest.mark.cargo
@pytest.mark.parametrize(("value", "told"), [("1", False), ("full", True)])
def test_a_backtrace_ends_where_python_begins(
    shell: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str, told: bool
) -> None:
    cell = """%%rust --debug
#[inline(never)]
fn inner(values: &[i32]) -> i32 { values[values.len() + 1] }
pub fn outer() -> i32 { inner(&[]) }
"""
    assert run(shell, cell) is None
    count = shell.execution_count - 1
    monkeypatch.setenv("RUST_BACKTRACE", value)
    error = run(shell, "outer()")
    notes = "\n".join((*getattr(error, "__notes__", ()), *map(str, error.args)))
    said = capfd.readouterr().err
    if told:
        assert "PyObject_Vectorcall" in said
        assert "inner" in said
        return
    assert said == ""
    assert re.search(rf"0: inner\n +at In\[{count}\], line 3\n +1: outer\n +at In\[{count}\], line 4\b", notes)
    assert "Py" not in notes.partition("full shows all")[2]


@pytest.mark.cargo
def test_an_interrupted_build(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    cell = f"%%rust\n// {time.time_ns()}\npub fn slow() -> i32 {{ 9 }}"
    popen_started = threading.Event()
    import subprocess

    popen = subprocess.Popen

    def started(*arguments: Any, **options: Any) -> Any:
        child = popen(*arguments, **options)
        if not popen_started.is_set():
            popen_started.set()
            threading.Timer(0.05, _thread.interrupt_main).start()
        return child

    monkeypatch.setattr(subprocess, "Popen", started)
    error = run(shell, cell)
    assert type(error) is Interrupted
    assert "slow" not in shell.user_ns
    assert run(shell, cell) is None
    assert shell.user_ns["slow"]() == 9


@pytest.mark.cargo
def test_output_options(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cell = "%%rust {}\npub fn noisy() {{ let unused = 1; }}"
    for options, warned, verbose in (("", True, False), ("-q", False, False), ("-v", True, True)):
        assert run(shell, cell.format(options)) is None
        said = capsys.readouterr().err
        assert ("unused variable" in said) is warned
        assert ("exports noisy" in said) is verbose


@pytest.mark.cargo
def test_verbose_shows_the_log_and_only_then(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("pyo3magic")
    before = logger.level, list(logger.handlers)
    assert run(shell, f"%%rust -v\npub fn logged() -> u128 {{ {time.time_ns()} }}") is None
    said = capsys.readouterr().out
    assert "to be built" in said
    assert "--crate-type cdylib" in said
    assert "ended with status 0 after" in said
    assert (logger.level, logger.handlers) == before
    assert run(shell, f"%%rust\npub fn logged() -> u128 {{ {time.time_ns()} }}") is None
    assert capsys.readouterr().out == ""


@pytest.mark.cargo
def test_an_operator_can_turn_the_log_on(shell: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pyo3magic"):
        assert run(shell, f"%%rust\npub fn noted() -> u128 {{ {time.time_ns()} }}") is None
    assert {record.name for record in caplog.records} >= {"pyo3magic.session.session", "pyo3magic.process"}
