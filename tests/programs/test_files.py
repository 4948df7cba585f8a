"""A file, with the files that it names, where a cell's program, tests or listings are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic import errors
from pyo3magic.cell import Options
from pyo3magic.crate.existing_rust import bring
from pyo3magic.diagnostics import render_text
from pyo3magic.environment.context import gather
from pyo3magic.errors import CellError, CompileError, ProgramFailed
from pyo3magic.programs.request import Request
from pyo3magic.programs.run import perform
from pyo3magic.programs.task import Task
from pyo3magic.programs.tools import expand, lint

if TYPE_CHECKING:
    from pyo3magic.programs.run import Answer

    from .conftest import Cells

pytestmark = pytest.mark.cargo

Captured = pytest.CaptureFixture[str]

_FILES = {
    "main.rs": """mod shapes;
#[cfg(test)] mod tests;

fn main() {
    println!("{} {}", shapes::area(std::hint::black_box(3)), include_str!("note.txt"));
    std::thread::spawn(|| panic!("here")).join().unwrap_err();
    shapes::fail();
}
""",
    "shapes.rs": """
#[inline(never)]
pub fn area(side: i64) -> i64 { side * side }

pub fn fail() { panic!("there") }
""",
    "tests.rs": """
#[test] fn area() { assert_eq!(crate::shapes::area(2), 4); }
#[test] fn wrong() { assert_eq!(crate::shapes::area(2), 5); }
""",
    "note.txt": "noted",
}


@pytest.fixture(autouse=True)
def files(cells: Cells) -> None:
    for name, text in _FILES.items():
        path = Path("project") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ask(cells: Cells, request: Request, *, name: str = "project/main.rs") -> Answer:
    brought = bring(Options(), None, label="In[3]", file=name)
    return perform(cells.session, brought.options, brought.body, request, label=brought.label, built=cells._built)


def test_a_program(cells: Cells, capsys: Captured) -> None:
    with pytest.raises(ProgramFailed, match="panicked"):
        ask(cells, Request("bin"))
    shown = capsys.readouterr()
    assert shown.out == "9 noted\n"
    assert "panicked at project/main.rs:6:27:" in shown.err
    assert "panicked at project/shapes.rs:5:17:" in shown.err
    Path("project/note.txt").write_text("changed", encoding="utf-8")
    with pytest.raises(ProgramFailed):
        ask(cells, Request("bin"))
    assert capsys.readouterr().out == "9 changed\n"


def test_compile_errors_in_either_file(cells: Cells) -> None:
    Path("project/shapes.rs").write_text("pub fn area() -> u8 { true }\npub fn fail() {}", encoding="utf-8")
    with pytest.raises(CompileError) as caught:
        ask(cells, Request("bin"))
    said = render_text(caught.value.diagnostics, "project/main.rs")
    assert "--> project/shapes.rs:1:23" in said
    assert "--> project/main.rs:5:23" in said
    Path("project/shapes.rs").unlink()
    with pytest.raises(CellError, match="names the module `shapes`, but there is neither"):
        ask(cells, Request("bin"))


def test_tests_in_a_file_of_their_own(cells: Cells, capsys: Captured) -> None:
    with pytest.raises(errors.TestsFailed, match="1 of 2 tests failed: tests::wrong"):
        ask(cells, Request("test"))
    assert "panicked at project/tests.rs:3:22:" in capsys.readouterr().out
    assert "1 test passed" in ask(cells, Request("test", filter="area")).note


def test_examples_in_documentation_have_the_files_lines(cells: Cells, capsys: Captured) -> None:
    Path("lib.rs").write_text("mod note;\n/// ```\n/// cell::f();\n/// ```\npub fn f() { note::take() }\n", "utf-8")
    Path("note.rs").write_text("pub fn take() {}", encoding="utf-8")
    assert "Documentation: 1 test passed" in ask(cells, Request("test", doc=True), name="lib.rs").note
    assert "test lib.rs - f (line 2) ... ok" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["asm", "llvm-ir", "mir"])
def test_listings(cells: Cells, kind: str) -> None:
    text = ask(cells, Request("emit", kind=kind, function="area")).text
    assert text.startswith(f"{'' if kind == 'mir' else 'shapes::'}area (project/shapes.rs:3)\n")
    assert "main (project/main.rs:4)\n" in ask(cells, Request("emit", kind=kind)).text
    with pytest.raises(CellError, match=r"^project/main.rs has no function `nope`"):
        ask(cells, Request("emit", kind=kind, function="nope"))


def test_where_the_time_goes_and_what_the_tools_say(
    cells: Cells, tools: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "linking" in ask(cells, Request("timings")).text
    for name, value in tools.items():
        monkeypatch.setenv(name, value)
    brought = bring(Options(), None, label="In[3]", file="project/main.rs")
    task = Task(gather(cells.session.store), brought.options, brought.body, brought.label)
    assert "pub fn area(side: i64)" in expand(task)
    Path("project/shapes.rs").write_text("pub fn area(x: i64) -> i64 { return x; }\npub fn fail() {}", encoding="utf-8")
    said = render_text(lint(task), task.label)
    assert "needless_return" in said
    assert "--> project/shapes.rs:1:30" in said


def test_a_program_is_not_taken_for_another_one(cells: Cells, capsys: Captured) -> None:
    """cargo tells packages with the same name and dependencies apart by the times of their files."""
    Path("project/other.rs").write_text('mod shapes;\nfn main() { println!("other"); }', encoding="utf-8")
    Path("project/shapes.rs").write_text("// nothing", encoding="utf-8")
    for _ in range(2):
        ask(cells, Request("bin"), name="project/other.rs")
        cells.bin('fn main() { println!("cell"); }')
    assert capsys.readouterr().out == "other\ncell\n" * 2
