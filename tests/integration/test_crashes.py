"""A crash in a cell's Rust: the next kernel of the notebook says where, and so does the kernel of a worker."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from .kernel import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Start
    from .kernel import Kernel

pytestmark = [
    pytest.mark.cargo,
    pytest.mark.kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="reports are read from ELF files"),
]

CELL = """
#[pyfunction]
fn deep(n: u64) -> u64 {
    if n == u64::MAX { 0 } else { 1 + deep(n + 1) * 2 }
}
#[pyfunction]
fn even(n: u64) -> u64 { if n == 0 { 1 } else { odd(n + 1).wrapping_mul(3) ^ n } }
fn odd(n: u64) -> u64 {
    if n == 0 { 0 } else { even(n + 1).wrapping_mul(5) ^ n }
}
#[pyfunction]
fn quit() {
    std::process::abort()
}
fn write_to(at: usize) {
    unsafe { *(at as *mut u8) = 1 }
}
#[pyfunction]
fn null(at: usize) {
    write_to(at)
}
#[pyfunction]
fn in_thread(at: usize) {
    std::thread::spawn(move || write_to(at)).join().unwrap()
}
#[pyfunction]
fn deep_in_thread() {
    std::thread::spawn(|| deep(1)).join().unwrap();
}
#[pyclass]
struct Point;
#[pymethods]
impl Point {
    #[new]
    fn new() -> Self { Point }
    fn stop(&self) { unsafe { std::arch::asm!(".byte 0x0f, 0x0b") } }
}
"""


@pytest.fixture
def kernel(start: Start) -> Kernel:
    """A kernel whose cell In[2] has the functions above."""
    kernel = start()
    kernel.rust(CELL)
    return kernel


@pytest.fixture
def shared(start: Start) -> Iterator[Kernel]:
    """The same for workers."""
    kernel = start()
    kernel.rust(CELL)
    yield kernel
    kernel.close()


def die(kernel: Kernel, code: str) -> str:
    """Run code that ends the kernel, and return what the next kernel says."""
    kernel.submit(code)
    wait_until(lambda: not kernel.manager.is_alive(), message="the kernel has not died")
    return restarted(kernel)


def restarted(kernel: Kernel) -> str:
    """Start the kernel again, and return what `%load_ext` says; the second time it says nothing."""
    kernel._load = False
    kernel.restart()
    said = kernel.run("%load_ext pyo3magic").text
    assert "died" not in kernel.run("%reload_ext pyo3magic").text
    return said


def test_recursion_without_end(kernel: Kernel) -> None:
    said = die(kernel, "def call():\n    return deep(1)\ncall()").splitlines()
    assert said[0] == "The last kernel of this notebook died in `deep`, In[2] line 4: stack overflow (SIGSEGV)."
    assert said[1].startswith("`deep` calls itself without end (")
    assert said[2:] == [
        "Rust, innermost call first:",
        "  `deep`, In[2] line 4",
        "  and so on",
        "Python, innermost call first:",
        "  call, a cell, line 2",
        "  <module>, In[3] line 3",
    ]


def test_recursion_of_two_functions(kernel: Kernel) -> None:
    said = die(kernel, "even(1)")
    assert "stack overflow (SIGSEGV)" in said
    assert "`even` and `odd` call each other without end" in said


@pytest.mark.parametrize("line", ["", "--debug", "-m crashing_module"])
def test_a_write_to_a_bad_address_in_an_inlined_function(start: Start, line: str) -> None:
    kernel = start()
    kernel.rust(CELL, line)
    said = die(kernel, "import crashing_module\ncrashing_module.null(16)" if "-m" in line else "null(16)")
    assert "died in `write_to`, In[2] line 16: invalid memory access at address 0x10 (SIGSEGV)." in said
    assert "  `write_to`, In[2] line 16\n  `null`, In[2] line 20\nPython" in said


def test_a_cell_that_uses_another(start: Start) -> None:
    kernel = start()
    kernel.rust("pub fn write_to(at: usize) { unsafe { *(at as *mut u8) = 1 } }", "-m used_module")
    kernel.rust("#[pyfunction]\nfn indirect(at: usize) {\n    used_module::write_to(at)\n}")
    said = die(kernel, "indirect(8)")
    assert "invalid memory access at address 0x8 (SIGSEGV)" in said
    assert "`write_to`, In[2] line 2:" in said
    assert "`indirect`, In[3] line " in said


@pytest.mark.parametrize(
    ("code", "place", "reason"),
    [
        ("quit()", "`quit`, In[2] line 13", "abort (SIGABRT)"),
        ("Point().stop()", "`stop`, In[2] line 36", "illegal instruction (SIGILL)"),
        ("deep_in_thread()", "`deep`, In[2] line 4", "stack overflow (SIGSEGV)"),
        (
            "import threading; t = threading.Thread(target=deep, args=(1,)); t.start(); t.join()",
            "`deep`, In[2] line 4",
            "stack overflow (SIGSEGV)",
        ),
        ("in_thread(24)", "`write_to`, In[2] line 16", "invalid memory access at address 0x18 (SIGSEGV)"),
        (
            "import threading; t = threading.Thread(target=null, args=(32,)); t.start(); t.join()",
            "`write_to`, In[2] line 16",
            "invalid memory access at address 0x20 (SIGSEGV)",
        ),
    ],
)
def test_other_ends(kernel: Kernel, code: str, place: str, reason: str) -> None:
    assert f"died in {place}: {reason}." in die(kernel, code)


def test_faulthandler_still_writes_to_its_own_file(kernel: Kernel, tmp_path: Path) -> None:
    """As it does before and after the first cell."""
    for file in (tmp_path / "one.txt", tmp_path / "two.txt"):
        kernel.run(f"import faulthandler; faulthandler.enable(open({str(file)!r}, 'w'))")
        if file.name == "one.txt":
            kernel.rust(CELL)
            kernel.run("Point()")
        assert "died in `deep`, In[" in die(kernel, "deep(1)")
        text = file.read_text()
        assert "Fatal Python error: Segmentation fault" in text
        assert "ipykernel_" in text
        kernel.rust(CELL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_kernel_that_others_end_says_nothing(kernel: Kernel, number: int) -> None:
    os.kill(kernel.pid, number)
    wait_until(lambda: not kernel.manager.is_alive(), message="the kernel has not died")
    assert "died" not in restarted(kernel)


def test_a_kernel_that_is_shut_down_leaves_nothing(kernel: Kernel, store: Path) -> None:
    kernel.client.shutdown()
    wait_until(lambda: not kernel.manager.is_alive(), message="the kernel has not ended")
    assert "died" not in restarted(kernel)
    assert list((store / "crashes").glob("*/*")) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_of_a_pool(shared: Kernel, method: str) -> None:
    shared.run("import concurrent.futures, multiprocessing")
    context = f"multiprocessing.get_context({method!r})"
    said = shared.run(
        f"concurrent.futures.ProcessPoolExecutor(1, mp_context={context}).submit(null, 40).result(60)", expect="error"
    )
    assert said.ename == "BrokenProcessPool"
    place = "`write_to`, In[2] line 16: invalid memory access at address 0x28 (SIGSEGV)."
    assert f"A worker process of this notebook died in {place}" in said.text
    assert "died" not in shared.run("1").text
    said = shared.run(
        f"p = {context}.Process(target=deep, args=(1,)); p.start(); p.join()\nprint('exit code', p.exitcode)"
    )
    assert "exit code -11" in said.text
    assert "A worker process of this notebook died in `deep`, In[2] line 4: stack overflow (SIGSEGV)." in said.text


def test_a_worker_of_joblib(shared: Kernel) -> None:
    pytest.importorskip("joblib")
    shared.run("import joblib")
    said = shared.run("joblib.Parallel(n_jobs=2)(joblib.delayed(null)(i) for i in (48, 48))", expect="error")
    assert said.ename == "TerminatedWorkerError"
    assert "A worker process of this notebook died in `write_to`, In[2] line 16" in said.text


def test_a_worker_that_nobody_waits_for(kernel: Kernel, store: Path) -> None:
    """Its report is told below one of the next cells."""
    kernel.run("import multiprocessing\nprocess = multiprocessing.get_context('fork').Process(target=null, args=(56,))")
    said = [kernel.run("process.start()").text]

    def is_told() -> bool:
        said.append(kernel.run("1").text)
        return "A worker process of this notebook died" in "".join(said)

    wait_until(is_told)
    assert list((store / "crashes").glob("*/*")) == []


def test_a_fault_that_another_handler_mends_is_no_crash(start: Start) -> None:
    """A Java machine, for example, has SIGSEGV handlers of its own; nothing may take them away."""
    kernel = start()
    kernel.run("import signal; signal.signal(signal.SIGFPE, lambda *_: print('handled'))")
    kernel.rust(CELL)
    said = kernel.run("import os; os.kill(os.getpid(), signal.SIGFPE)")
    assert "handled" in said.text
    assert "died" not in restarted(kernel)
