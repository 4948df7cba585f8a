"""What a notebook shows of programs and tests, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.kernel import Kernel, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cargo


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path) -> Iterator[Kernel]:
    variables = {**environment, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
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


def test_a_cell_is_formatted_in_place(kernel: Kernel) -> None:
    kernel.run("_payloads = []; _write = get_ipython().payload_manager.write_payload")
    kernel.run("get_ipython().payload_manager.write_payload = lambda data, **_: _payloads.append(data)")
    shown = kernel.result(kernel.submit("%%rust_fmt\n%%rust -m a  -d 'serde'\nfn  f( ) { }"))
    if "not installed" in shown.text:
        pytest.skip(shown.text)
    assert kernel.value("_payloads[-1]['text'], _payloads[-1]['replace']") == (
        "%%rust -m a  -d 'serde'\nfn f() {}",
        True,
    )
    kernel.run("get_ipython().payload_manager.write_payload = _write")


def test_clippy_counts_lines_as_the_editor_does(kernel: Kernel) -> None:
    shown = kernel.result(kernel.submit("%%rust_clippy\n%%rust\n#[pyfunction]\nfn f() -> i64 { return 1; }"))
    if "not installed" in shown.text:
        pytest.skip(shown.text)
    assert "]:4:17" in shown.text
    assert "needless_return" in shown.text
