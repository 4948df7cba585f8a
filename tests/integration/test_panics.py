"""Panics in a real kernel: in each kind of pool, and with a hint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .kernel import Kernel, Result

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]
CELL = """
#[pyfunction] fn risky(x: i64) -> i64 {
    if x == 13 { panic!("unlucky {x}") }
    x
}
"""


@pytest.fixture(scope="module")
def risky(kernel: Kernel) -> Kernel:
    kernel.rust(CELL)
    label = kernel.value("get_ipython().displayhook.prompt_count - 1")
    kernel.run(
        f"""
        def outcome(call):
            "The value, or what an except clause for ordinary exceptions sees."
            try:
                return call()
            except Exception as error:
                return type(error).__name__, str(error)
        place = "unlucky 13\\nThe Rust code panicked in In[{label}], line 3, column 18."
        """
    )
    return kernel


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(risky: Kernel, method: str) -> None:
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("Windows only spawns")
    risky.run(
        f"""
        import multiprocessing
        with multiprocessing.get_context({method!r}).Pool(1) as pool:
            said = outcome(lambda: pool.apply_async(risky, (13,)).get(60))
            after = pool.apply_async(risky, (3,)).get(60)
        """
    )
    assert risky.value("said == ('RustPanic', place), after") == (True, 3), risky.value("said")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_pool_executor(risky: Kernel, method: str) -> None:
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("Windows only spawns")
    risky.run(
        f"""
        import concurrent.futures, multiprocessing
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context({method!r})) as pool:
            said = outcome(lambda: pool.submit(risky, 13).result(60))
            after = pool.submit(risky, 3).result(60)
        """
    )
    assert risky.value("said == ('RustPanic', place), after") == (True, 3), risky.value("said")


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib(risky: Kernel, backend: str) -> None:
    pytest.importorskip("joblib")
    risky.run(
        f"""
        import joblib
        def run(*numbers):
            with joblib.parallel_config({backend!r}, n_jobs=2):
                return joblib.Parallel()(joblib.delayed(risky)(number) for number in numbers)
        said = outcome(lambda: run(1, 13, 2, 3))
        after = run(1, 2, 3)
        """
    )
    kind = "PanicException" if backend == "threading" else "RustPanic"
    assert risky.value(f"said == ({kind!r}, place), after") == (True, [1, 2, 3]), risky.value("said")
    if backend == "loky":
        risky.run(
            "from joblib.externals.loky import get_reusable_executor; get_reusable_executor().shutdown(wait=True)"
        )


def test_threads_of_the_kernel(risky: Kernel) -> None:
    risky.run(
        """
        import asyncio, concurrent.futures, multiprocessing.pool
        with multiprocessing.pool.ThreadPool(1) as pool:
            said = [outcome(lambda: pool.apply_async(risky, (13,)).get(60))]
            after = [pool.apply_async(risky, (3,)).get(60)]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            said.append(outcome(lambda: pool.submit(risky, 13).result(60)))
            after.append(pool.submit(risky, 3).result(60))
        try:
            await asyncio.to_thread(risky, 13)
        except Exception as error:
            said.append((type(error).__name__, str(error)))
        """
    )
    assert risky.value("[each == ('PanicException', place) for each in said], after") == ([True] * 3, [3, 3])


@pytest.mark.parametrize("processes", [False, True])
def test_dask_without_on(risky: Kernel, processes: bool) -> None:
    pytest.importorskip("distributed")
    risky.run(
        f"""
        import distributed
        options = {{"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "processes": {processes}}}
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            said = outcome(lambda: client.submit(risky, 13).result(60))
            after = client.submit(risky, 3).result(60)
        """
    )
    assert risky.value("said == ('RustPanic', place), after") == (True, 3), risky.value("said")


def test_a_rerun_of_the_cell_has_its_new_number_in_new_workers(kernel: Kernel) -> None:
    for _ in range(2):
        kernel.rust('pub fn moved() { panic!("moved") }')
    label = kernel.value("get_ipython().displayhook.prompt_count - 1")
    kernel.run(
        """
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            try:
                pool.apply(moved)
            except Exception as error:
                said = str(error)
        """
    )
    assert kernel.value("said") == f"moved\nThe Rust code panicked in In[{label}], line 2, column 18."


def test_a_used_cell_is_named_in_a_worker(kernel: Kernel) -> None:
    kernel.rust('pub fn base(x: i64) -> i64 { if x > 2 { panic!("base {x}") } else { x } }', "-m base_module")
    label = kernel.value("get_ipython().displayhook.prompt_count - 1")
    kernel.rust("pub fn derived(x: i64) -> i64 { base_module::base(x) + 1 }", "-m derived_module")
    kernel.run(
        """
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            try:
                pool.apply_async(derived, (5,)).get(60)
            except Exception as error:
                said = type(error).__name__, str(error)
            after = pool.apply_async(derived, (1,)).get(60)
        """
    )
    text = f"base 5\nThe Rust code panicked in In[{label}], line 2, column 41."
    assert kernel.value("said, after") == (("RustPanic", text), 2)


def hinted(shown: Result) -> str:
    assert shown.ename == "PanicException"
    (line,) = (line for line in shown.text.splitlines() if line.startswith("Hint: "))
    return line


def test_hints_of_std_and_pyo3(kernel: Kernel) -> None:
    kernel.rust(
        """
        use std::{cell::RefCell, sync::Mutex};
        #[pyfunction] fn unwraps(x: Option<i64>) -> i64 { x.unwrap() }
        #[pyfunction] fn adds(x: i64) -> i64 { x + 1 }
        #[pyfunction] fn borrows() { let c = RefCell::new(1); let _first = c.borrow(); c.borrow_mut(); }
        static LOCK: Mutex<i64> = Mutex::new(0);
        #[pyfunction] fn locks() -> i64 { let held = LOCK.lock().unwrap(); if *held == 0 { panic!("first") } *held }
        #[pyfunction] fn extracts(x: Bound<'_, PyAny>) -> i64 { x.extract().unwrap() }
        #[pyclass] struct Busy { n: i64 }
        #[pymethods] impl Busy {
            #[new] fn new() -> Self { Self { n: 0 } }
            fn each(&mut self, call: Bound<'_, PyAny>) -> PyResult<()> { self.n += 1; call.call0()?; Ok(()) }
            fn touch(slf: &Bound<'_, Self>) { slf.borrow_mut().n += 1; }
        }
        """,
        "--debug",
    )
    assert "ok_or_else" in hinted(kernel.run("unwraps(None)", expect="error"))
    assert "checked_" in hinted(kernel.run("adds(2**63 - 1)", expect="error"))
    assert "RefCell is borrowed twice" in hinted(kernel.run("borrows()", expect="error"))
    assert "Hint" not in kernel.run("locks()", expect="error").text
    assert "into_inner" in hinted(kernel.run("locks()", expect="error"))
    assert "write `?`" in hinted(kernel.run("extracts('a')", expect="error"))
    kernel.run("busy = Busy()")
    assert "frozen" in kernel.run("busy.each(lambda: busy.touch())", expect="error").text


def test_hints_of_tokio(kernel: Kernel) -> None:
    kernel.rust(
        """
        use std::time::Duration;
        #[pyfunction] async fn sleeps() { tokio::time::sleep(Duration::from_millis(1)).await }
        #[pyfunction] fn nests() {
            let outer = tokio::runtime::Runtime::new().unwrap();
            let inner = tokio::runtime::Runtime::new().unwrap();
            outer.block_on(async { inner.block_on(async {}) })
        }
        """,
        "-d tokio@1+full",
    )
    assert "future_into_py" in hinted(kernel.run("await sleeps()", expect="error"))
    assert "use `.await` instead of blocking" in hinted(kernel.run("nests()", expect="error"))


def test_hint_for_an_array_that_is_not_contiguous(kernel: Kernel) -> None:
    pytest.importorskip("numpy")
    kernel.rust(
        """
        use numpy::PyReadonlyArray1;
        #[pyfunction] fn summed(a: PyReadonlyArray1<'_, f64>) -> f64 { a.as_slice().unwrap().iter().sum() }
        """,
        "-d numpy",
    )
    kernel.run("import numpy as np; a = np.arange(6.0)")
    assert kernel.value("summed(a)") == 15.0
    assert "np.ascontiguousarray" in hinted(kernel.run("summed(a[::2])", expect="error"))
