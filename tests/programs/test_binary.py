"""``%%rust --bin``: programs, run for real."""

from __future__ import annotations

import sys
import threading
import time
from _thread import interrupt_main
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from pyo3magic.errors import CellError, CompileError, Interrupted, ProgramFailed
from pyo3magic.programs import program_output as output_module
from pyo3magic.programs.binary import describe_status

if TYPE_CHECKING:
    from .conftest import Cells

pytestmark = pytest.mark.cargo

Captured = pytest.CaptureFixture[str]


def test_a_program_embeds_the_kernels_python(cells: Cells, capsys: Captured) -> None:
    answer = cells.bin(
        """
        fn main() -> PyResult<()> {
            Python::attach(|py| {
                py.import("IPython")?;
                println!("{}", py.import("sys")?.getattr("prefix")?);
                Ok(())
            })
        }
        """
    )
    assert capsys.readouterr().out == f"{sys.prefix}\n"
    assert cells.warnings == ""
    assert "exit status 0" in answer.note


def test_arguments_standard_input_and_both_outputs(cells: Cells, capsys: Captured) -> None:
    cells.bin(
        """
        fn main() {
            println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>());
            eprintln!("{}", std::io::stdin().lines().count());
            std::fs::write("made.txt", "here").unwrap();
        }
        """,
        "a b",
        "--c",
    )
    assert capsys.readouterr() == ('["a b", "--c"]\n', "0\n")
    assert Path("made.txt").read_text(encoding="utf-8") == "here"


@pytest.mark.parametrize(
    ("statement", "message", "shown"),
    [
        ("std::process::exit(3)", "ended with exit status 3 after", ""),
        ('panic!("oh")', r"panicked \(exit status 101\)", "panicked at In[3]:2:13:"),
        ("std::process::abort()", "was ended by SIGABRT", ""),
    ],
)
def test_how_a_program_failed(cells: Cells, capsys: Captured, statement: str, message: str, shown: str) -> None:
    with pytest.raises(ProgramFailed, match=message):
        cells.bin(f"fn main() {{ {statement} }}")
    assert shown in capsys.readouterr().err


def test_compile_errors_are_those_of_the_cell(cells: Cells) -> None:
    with pytest.raises(CompileError) as caught:
        cells.bin('fn main() {\n    let x: i32 = "a";\n}')
    (error,) = [item for item in caught.value.diagnostics if item.is_error]
    assert [(span.line, span.in_cell) for span in error.spans if span.is_primary] == [(3, True)]


def test_a_cell_without_main_is_no_program(cells: Cells) -> None:
    with pytest.raises(CellError, match="no `fn main`"):
        cells.bin("pub fn a() {}")


def test_a_flood_is_ended_when_it_is_more_than_can_be_kept(
    cells: Cells, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module.Output.__init__, "__kwdefaults__", {"limit": 2_000_000})
    with pytest.raises(ProgramFailed, match=r"wrote more than 2\.0 MB"):
        cells.bin('fn main() { loop { println!("again and again"); } }')
    assert len(capsys.readouterr().out) < 70_000
    (kept,) = cells.session.folder.glob("output-*.txt")
    assert kept.stat().st_size == 2_000_000


def test_an_interrupt_ends_the_program_and_what_it_started(cells: Cells, capsys: Captured) -> None:
    def interrupt() -> None:
        while "started" not in shown():
            time.sleep(0.05)
        interrupt_main()

    def shown() -> str:
        seen.append(capsys.readouterr().out)
        return "".join(seen)

    seen: list[str] = []
    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(Interrupted, match="was interrupted after"):
        cells.bin(
            """
            fn main() {
                let mut child = std::process::Command::new("sleep").arg("4711").spawn().unwrap();
                println!("started");
                child.wait().unwrap();
            }
            """
        )
    helper.join()
    _expect_gone(["sleep", "4711"])


def test_what_a_program_leaves_running_does_not_hold_up_the_cell(cells: Cells) -> None:
    started = time.monotonic()
    cells.bin('fn main() { std::process::Command::new("sleep").arg("4712").spawn().unwrap(); }')
    assert time.monotonic() - started < 20
    _expect_gone(["sleep", "4712"])


def test_an_unchanged_program_is_not_compiled_again(cells: Cells, capsys: Captured) -> None:
    body = 'fn main() { println!("{}", std::fs::metadata(std::env::current_exe().unwrap()).unwrap().len()); }'
    first, again = cells.bin(body), cells.bin(body)
    seconds = [float(answer.note.partition("built in ")[2].partition(" s")[0]) for answer in (first, again)]
    assert seconds[1] < 0.15 or seconds[1] < seconds[0]
    sizes = capsys.readouterr().out.split()
    assert sizes[0] == sizes[1]


def _expect_gone(command: list[str]) -> None:
    """A killed process takes a moment to go."""
    found = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == command]
    assert psutil.wait_procs(found, timeout=5)[1] == []


@pytest.mark.parametrize(
    ("status", "text"),
    [(2, "ended with exit status 2"), (101, "panicked (exit status 101)"), (-9, "was ended by SIGKILL")],
)
def test_statuses(status: int, text: str) -> None:
    assert describe_status(status) == text
