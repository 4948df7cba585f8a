"""What the user sees."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Start
    from .kernel import Kernel

pytestmark = pytest.mark.cargo

WRONG = "#[pyfunction]\nfn wrong() -> i64 {\n    let größe = 1;\n    größe + missing\n}"
SLOW = """
#[pyfunction] fn slow_build() -> u64 {
    const fn spin(mut n: u64) -> u64 { let mut x = 0u64; while n > 0 { n -= 1; x = x.wrapping_mul(31).wrapping_add(n); } x }
    const X: u64 = spin(40_000_000);
    X
}
"""
SLOW_LINE = "#![allow(long_running_const_eval)]\n"


def test_a_compile_error_is_the_compilers_at_the_cells_place(kernel: Kernel) -> None:
    shown = kernel.rust(WRONG, expect="error")
    label = kernel.value("get_ipython().displayhook.prompt_count") - 1
    assert shown.ename == "CompileError"
    (display,) = shown.displays
    for text in (display["text/plain"], display["text/html"]):
        assert f"In[{label}]:5:13" in text
        assert "E0425" in text
        assert "src/lib.rs" not in text
    assert "\x1b" not in display["text/plain"]
    assert "https://doc.rust-lang.org/error_codes/E0425.html" in display["text/html"]
    assert "<span" in display["text/html"]
    assert "größe + missing" in display["text/plain"]
    assert "^^^^^^^" in display["text/plain"]


def test_pain_10_no_noise_around_a_compile_error(kernel: Kernel) -> None:
    """Elsewhere: internal Python frames, names like `_magic_1269dca7bc06ef09`, line numbers off by six."""
    shown = kernel.rust(WRONG, expect="error")
    assert "Traceback" not in shown.text
    assert "pyo3magic/" not in shown.text
    assert "cell_" not in shown.text
    assert "could not compile" not in shown.text
    assert "1 error in In[" in shown.traceback
    assert len(shown.traceback.splitlines()) == 1
    assert shown.text.count("cannot find value `missing` in this scope") == 1


def test_pain_5_a_failure_is_a_failure(kernel: Kernel) -> None:
    """Compile errors, panics and interrupts stop Run All, and no name has changed."""
    kernel.rust("#[pyfunction] fn steady() -> i64 { 1 }\n#[pyfunction] fn boom() { panic!() }")
    for failing in ("%%rust\n#[pyfunction] fn steady() -> i64 { true }", "boom()"):
        first = kernel.submit(failing)
        second = kernel.submit("went_on = True")
        assert kernel.result(first).status == "error"
        assert kernel.result(second).status == "aborted"
        assert kernel.value("'went_on' in globals(), steady()") == (False, 1)


def test_progress_is_one_line_with_cargos_count_that_goes_away(start: Start) -> None:
    kernel = start()
    kernel.run("%config PyO3Magic.progress_delay = 0.0")
    anew = f"---\n[profile.release.package.itoa]\ncodegen-units = {int.from_bytes(os.urandom(1), 'big') + 1}\n---\n"
    shown = kernel.rust(anew + "#[pyfunction] fn counted() -> i64 { 1 }", "-d itoa")
    assert any(" of " in text and "Compiling" in text for text in shown.seen), shown.seen
    assert not any("\n" in text for text in shown.seen)
    assert shown.text == ""
    assert shown.displays == []
    silent = kernel.rust(anew + "#[pyfunction] fn counted() -> i64 { 2 }", "-d itoa -q")
    assert silent.seen == []
    (kernel.folder / "counted.rs").write_text(anew + "#[pyfunction] fn counted() -> i64 { 3 }")
    more = kernel.run("print('kept')\n%rust --file counted.rs -d itoa\nprint(counted())")
    assert more.stdout == "kept\n3\n"
    assert "Compiling" in "".join(more.seen)
    assert "Compiling" not in more.text + more.html


def test_an_edit_shows_no_progress_before_half_a_second(kernel: Kernel) -> None:
    kernel.run("%config PyO3Magic.progress_delay")
    assert kernel.value("get_ipython().find_line_magic('config') is not None") is True
    kernel.run("%config PyO3Magic.progress_delay = 60.0")
    assert kernel.rust("#[pyfunction] fn fast() -> i64 { 1 }").seen == []
    kernel.run("%config PyO3Magic.progress_delay = 0.5")


def test_quiet_and_verbose(kernel: Kernel) -> None:
    cell = "#[pyfunction] fn talk() { let unused = 1; }"
    assert "unused" in kernel.rust(cell).text
    assert kernel.rust(cell, "-q").text == ""
    assert "from the store" in kernel.rust(cell, "-v").text
    assert "exports talk" in kernel.rust(cell, "-v").text


@pytest.mark.parametrize("option", ["", "--force"])
def test_interrupt_ends_the_build_and_all_its_children(start: Start, option: str) -> None:
    kernel = start()
    seed = os.urandom(4).hex()
    identity = kernel.submit(f"%%rust {option}\n{SLOW_LINE}{SLOW.strip()}\n// {seed}")
    kernel.while_running(identity, lambda: "rustc" in kernel.running())
    children = kernel.descendants()
    kernel.interrupt()
    shown = kernel.result(identity, timeout=20)
    assert shown.ename == "Interrupted"
    assert "Traceback" not in shown.text
    _, alive = psutil.wait_procs(children, timeout=1)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not {"cargo", "rustc", "ld", "cc"} & kernel.running()
    assert kernel.value("'slow_build' in globals()") is False
    kernel.rust(f"#[pyfunction] fn after_interrupt() -> i64 {{ 1 }} // {seed}")
    assert kernel.value("after_interrupt()") == 1


def test_output_to_a_plain_file_has_no_escapes(tmp_path: Path, environment: dict[str, str], store: Path) -> None:
    script = tmp_path / "script.ipy"
    script.write_text(
        "%load_ext pyo3magic\n"
        "get_ipython().run_cell_magic('rust', '', '#[pyfunction] fn f() { let unused = 1; }')\n"
        "print('built', f())\n"
        "get_ipython().run_cell_magic('rust', '', 'fn f( {')\n"
    )
    variables = {**environment, "PYO3MAGIC_STORE": str(store), "IPYTHONDIR": str(tmp_path), "TERM": "dumb"}
    with (tmp_path / "out").open("w") as out:
        subprocess.run(
            [sys.executable, "-m", "IPython", "--colors=NoColor", str(script)],
            env=variables, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False, timeout=120,
        )  # fmt: skip
    text = (tmp_path / "out").read_text()
    assert "unused variable" in text
    assert "built None" in text
    assert "In[0]" not in text
    assert "error: " in text
    assert "CompileError" in text
    assert "\x1b" not in text
    assert "Traceback" not in text
