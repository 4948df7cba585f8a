"""Panics: in pools of processes, and those that have a well-known cure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .kernel import Kernel

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

CELL = """
/// Panics for large numbers.
#[pyfunction]
fn careful(x: i64) -> i64 {
    if x > 2 { panic!("too big: {x}") }
    x
}
"""
TEXT = "too big: 5"


@pytest.fixture(scope="module")
def place(kernel: Kernel) -> str:
    """The place of the panic, as the exception in the kernel tells it."""
    kernel.rust(CELL, "-m careful_module")
    said = kernel.run("careful(5)", expect="error")
    assert said.ename == "PanicException"
    (line,) = (line for line in said.text.splitlines() if "The Rust code panicked in" in line)
    assert ", line 5, column " in line
    return line.strip()


def caught(kernel: Kernel, call: str) -> tuple[str, str]:
    """The class and the text of the exception that a call raises in the kernel."""
    kernel.run(f"try:\n    {call}\nexcept Exception as error:\n    seen = type(error).__name__, str(error)")
    seen: tuple[str, str] = kernel.value("seen")
    return seen


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes(kernel: Kernel, place: str, method: str) -> None:
    kernel.run(f"import multiprocessing; pool = multiprocessing.get_context({method!r}).Pool(2)")
    assert caught(kernel, "pool.apply_async(careful, (5,)).get(60)") == ("RustPanic", f"{TEXT}\n{place}")
    assert caught(kernel, "pool.map_async(careful, [1, 5]).get(60)") == ("RustPanic", f"{TEXT}\n{place}")
    assert kernel.value("pool.map_async(careful, [1, 2]).get(60)") == [1, 2]
    kernel.run("pool.terminate()")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_pool_executor(kernel: Kernel, place: str, method: str) -> None:
    kernel.run(
        "import concurrent.futures, multiprocessing\n"
        f"context = multiprocessing.get_context({method!r})\n"
        "pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)"
    )
    assert caught(kernel, "pool.submit(careful, 5).result(60)") == ("RustPanic", f"{TEXT}\n{place}")
    assert kernel.value("pool.submit(careful, 2).result(60)") == 2
    kernel.run("pool.shutdown()")


def test_joblib(kernel: Kernel, place: str) -> None:
    pytest.importorskip("joblib")
    kernel.run("import joblib")
    jobs = "joblib.Parallel(n_jobs=2)(joblib.delayed(careful)(i) for i in ({}))"
    assert caught(kernel, jobs.format("1, 5")) == ("RustPanic", f"{TEXT}\n{place}")
    assert kernel.value(jobs.format("1, 2")) == [1, 2]
    kernel.run("from joblib.externals.loky import get_reusable_executor; get_reusable_executor().shutdown(wait=True)")


def test_threads_of_the_kernel(kernel: Kernel, place: str) -> None:
    kernel.run("import concurrent.futures; pool = concurrent.futures.ThreadPoolExecutor(1)")
    said = kernel.run("pool.submit(careful, 5).result(60)", expect="error")
    assert said.ename == "PanicException"
    assert place in said.text
    assert kernel.value("pool.submit(careful, 2).result(60)") == 2


def test_linked_cells(kernel: Kernel) -> None:
    kernel.rust('pub fn base(x: i64) -> i64 { if x > 2 { panic!("base {x}") } else { x } }', "-m base_module")
    kernel.rust("pub fn derived(x: i64) -> i64 { base_module::base(x) + 1 }", "-m derived_module")
    kernel.run("import multiprocessing; pool = multiprocessing.get_context('spawn').Pool(1)")
    kind, text = caught(kernel, "pool.apply_async(derived, (5,)).get(60)")
    assert kind == "RustPanic"
    assert text.startswith("base 5\nThe Rust code panicked in In[")
    kernel.run("pool.terminate()")


def test_dask(kernel: Kernel) -> None:
    pytest.importorskip("distributed")
    kernel.run(
        "import distributed\nclient = distributed.Client(distributed.LocalCluster(n_workers=1, dashboard_address=None))"
    )
    kernel.rust(CELL.replace("careful", "clustered"), "-m clustered_module --on client")
    remote = "client.submit(lambda x: __import__('clustered_module').clustered(x), {}).result(60)"
    kind, text = caught(kernel, remote.format(5))
    assert kind == "RuntimeError"
    assert TEXT in text
    assert kernel.value(remote.format(2)) == 2
    kernel.run("client.shutdown()")


@pytest.mark.parametrize(
    ("line", "cell", "call", "cure"),
    [
        ("", "pub fn first(v: Vec<u64>) -> u64 { *v.first().unwrap() }", "first([])", ".ok_or_else(|| pyo3::"),
        ("", "pub fn number(s: String) -> u64 { s.parse().unwrap() }", "number('x')", "write `?` in place of"),
        ("--debug", "pub fn sum(a: u8, b: u8) -> u8 { a + b }", "sum(200, 200)", "`wrapping_...`"),
        (
            "",
            """
            use std::sync::Mutex;
            static LOCK: Mutex<u8> = Mutex::new(0);
            pub fn poisoned() -> u8 {
                let _ = std::thread::spawn(|| { let _held = LOCK.lock(); panic!("first") }).join();
                *LOCK.lock().unwrap()
            }
            """,
            "poisoned()",
            "A thread panicked while it held this lock",
        ),
        (
            "",
            """
            use std::cell::RefCell;
            pub fn twice() { let cell = RefCell::new(1); let _one = cell.borrow_mut(); let _two = cell.borrow_mut(); }
            """,
            "twice()",
            "Use `try_borrow_mut`",
        ),
    ],
)
def test_a_frequent_panic_says_its_cure(kernel: Kernel, line: str, cell: str, call: str, cure: str) -> None:
    kernel.rust(cell, line)
    said = kernel.run(call, expect="error")
    assert said.ename == "PanicException"
    assert cure in said.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "call", "cure"),
    [
        (
            "#[pyfunction] async fn nap() { tokio::time::sleep(std::time::Duration::from_millis(1)).await }",
            "await nap()",
            "pyo3-async-runtimes",
        ),
        (
            """
            pub fn nested() -> u8 {
                let runtime = || tokio::runtime::Runtime::new().unwrap();
                runtime().block_on(async { runtime().block_on(async { 1 }) })
            }
            """,
            "nested()",
            "future_into_py",
        ),
    ],
)
def test_a_panic_of_tokio_says_its_cure(kernel: Kernel, cell: str, call: str, cure: str) -> None:
    front = """
    ---
    [dependencies]
    pyo3 = { features = ["experimental-async"] }
    tokio = { version = "1", features = ["full"] }
    ---
    """
    kernel.rust(textwrap.dedent(front).lstrip() + textwrap.dedent(cell))
    said = kernel.run(call, expect="error")
    assert cure in said.text
