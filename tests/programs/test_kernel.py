"""What a notebook shows of programs and tests, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.kernel import Kernel, wait_until

from .conftest import find_tools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cargo


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path) -> Iterator[Kernel]:
    variables = {**environment, **(find_tools() or {}), "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
    kernel = Kernel(tmp_path_factory.mktemp("kernel"), variables)
    yield kernel
    kernel.close()


def test_a_program(kernel: Kernel) -> None:
    shown = kernel.rust('fn main() { println!("{:?}", std::env::args().nth(1)); }', "--bin -- 'a b'")
    assert shown.stdout == 'Some("a b")\n'
    assert shown.text.splitlines()[1].startswith("exit status 0; built in ")
    assert "main" not in kernel.value("[name for name in globals() if name == 'main']")


def test_a_failing_program_fails_the_cell(kernel: Kernel) -> None:
    shown = kernel.rust("fn main() { std::process::exit(7) }", "--bin", expect="error")
    assert shown.ename == "ProgramFailed"
    assert "exit status 7" in shown.text
    assert ".py" not in shown.text


def test_failing_tests(kernel: Kernel) -> None:
    shown = kernel.rust("#[test] fn a() {}\n#[test] fn b() { assert!(1 > 2) }", "--test", expect="error")
    assert shown.ename == "TestsFailed"
    assert "1 of 2 tests failed: b" in shown.text
    assert "]:3:18:" in shown.stdout
    assert kernel.rust("#[test] fn a() {}\n#[test] fn b() { assert!(1 > 2) }", "--test a -q").text.count("ok") == 2


def test_output_comes_as_it_is_written_and_can_be_interrupted(kernel: Kernel) -> None:
    cell = kernel.submit('%%rust --bin\nfn main() { print!("begin "); println!("now"); loop { std::thread::park() } }')
    wait_until(lambda: "begin now" in kernel.partial(cell).stdout)
    kernel.interrupt()
    shown = kernel.result(cell)
    assert shown.ename == "Interrupted"
    assert "The program was interrupted after" in shown.text
    assert kernel.descendants() == []


def test_a_listing_is_folded(kernel: Kernel) -> None:
    body = "#[pyfunction] #[inline(never)]\nfn twice(x: i64) -> i64 { 2 * x }\n#[inline(never)] pub fn b(x: i64) -> i64 { x }"
    assert "<details>" in kernel.rust(body.replace("pub fn b", "#[pyfunction] fn b"), "--emit mir").html
    shown = kernel.rust(body, "--emit llvm-ir twice")
    assert "<details open><summary><code>twice</code>" in shown.html
    assert kernel.rust(body, "--emit asm --bin", expect="error").ename == "OptionError"


def test_the_tools_take_the_cell_below_or_the_last_one(kernel: Kernel) -> None:
    kernel.rust("#[pyfunction]\nfn tooled() -> i64 { 1 }")
    assert "__pyfunction_tooled" in kernel.run("%rust_expand").text
    assert (
        "impl ::core::marker::Copy for S"
        in kernel.run("%%rust_expand\n%%rust -m a\n#[derive(Clone, Copy)] struct S;").text
    )
    assert "moved elsewhere" in kernel.run("%rust_explain E0382").displays[0]["text/markdown"]
    assert "is not the number of a cell" in kernel.run("%rust_expand 999", expect="error").text


@pytest.mark.usefixtures("tools")
def test_a_cell_is_formatted_in_place(kernel: Kernel) -> None:
    """The front end gets what replaces the cell: its options as they are, the arguments after -- included."""
    shown = kernel.run("%%rust_fmt\n%%rust -m a  -d 'serde' --bin -- 1 'two words'\nfn  main( ) { }")
    text = "%%rust -m a  -d 'serde' --bin -- 1 'two words'\nfn main() {}"
    assert shown.inputs == [{"source": "set_next_input", "text": text, "replace": True}]
    assert shown.text == ""
    failed = kernel.run("%%rust_fmt\n%%rust\nfn  g( {", expect="error")
    assert failed.inputs == []
    assert "]:3:10\n" in failed.text
    assert "\n3 | fn  g( {" in failed.text


@pytest.mark.usefixtures("tools")
def test_clippy_counts_lines_as_the_editor_does(kernel: Kernel) -> None:
    cell = "%%rust --bin -- an argument\n#[pyfunction]\nfn f() -> i64 { return 1; }"
    shown = kernel.run(f"%%rust_clippy -- -W clippy::pedantic\n{cell}")
    assert "]:4:17" in shown.text
    assert "needless_return" in shown.text


@pytest.mark.usefixtures("tools")
def test_the_tools_take_a_file(kernel: Kernel) -> None:
    (kernel.folder / "area.rs").write_text("mod other;\n#[pyfunction]\nfn area() -> i64 { return other::side(); }\n")
    (kernel.folder / "other.rs").write_text("pub fn side() -> i64 { 3 }\n")
    assert kernel.run("%rust --file area.rs\narea()").value == "3"
    for line in ("%rust_clippy", "%rust_clippy --file=area.rs", "%%rust_clippy\n%rust --file area.rs"):
        assert "area.rs:3:20" in kernel.run(line).text
    assert "pub fn side()" in kernel.run("%rust_expand --file area.rs").text
    assert "formats cells, not files" in kernel.run("%rust_fmt --file area.rs", expect="error").text
    shown = kernel.run("%rust --file area.rs --bin", expect="error")
    assert "area.rs has no `fn main`" in shown.text
