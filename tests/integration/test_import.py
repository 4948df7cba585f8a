"""What becomes of a built cell in Python."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Start
    from .kernel import Kernel

pytestmark = pytest.mark.cargo


def test_an_edit_gives_the_new_code(kernel: Kernel) -> None:
    for value in (1, 2, 3):
        kernel.rust(f"#[pyfunction] fn edit() -> i64 {{ {value} }}")
        assert kernel.value("edit()") == value


def test_pain_2_a_reload_is_never_stale_or_empty(kernel: Kernel) -> None:
    for value in (1, 2):
        kernel.rust(
            f"#[pyfunction] fn stale() -> i64 {{ {value} }}\n#[pyclass] struct Stale{value};", "-m stale_module"
        )
        assert kernel.value("import stale_module as again; again.stale(), stale()") == (value, value)
        assert kernel.value("sorted(n for n in vars(stale_module) if n[0] != '_')") == [f"Stale{value}", "stale"]
    assert kernel.value("import importlib; importlib.import_module('stale_module').stale()") == 2


def test_pain_3_a_cell_that_is_run_again_is_in_force_again(kernel: Kernel) -> None:
    first = "#[pyfunction] fn back() -> i64 { 1 }"
    second = "#[pyfunction] fn back() -> i64 { 2 }"
    kernel.rust(first)
    kernel.rust(second)
    kernel.rust(first)
    assert kernel.value("back()") == 1
    kernel.run("del back")
    kernel.rust(first)
    assert kernel.value("back()") == 1
    kernel.run("back = 'overwritten'")
    kernel.rust(first)
    assert kernel.value("back()") == 1


def test_an_earlier_version_of_a_named_module(kernel: Kernel) -> None:
    for value in (1, 2, 1):
        kernel.rust(f"#[pyfunction] fn versioned() -> i64 {{ {value} }}", "-m versions")
        assert kernel.value("import versions as v; v.versioned()") == value
    kernel.run("del versions; import sys; del sys.modules['versions']")
    assert kernel.value("import versions; versions.versioned()") == 1


def test_old_objects_keep_working(kernel: Kernel) -> None:
    cell = """
        #[pyclass] struct Keeper {{ n: i64 }}
        #[pymethods] impl Keeper {{
            #[new] fn new(n: i64) -> Self {{ Self {{ n }} }}
            fn get(&self) -> i64 {{ self.n * {factor} }}
        }}
    """
    kernel.rust(cell.format(factor=1))
    kernel.run("old, old_get = Keeper(4), Keeper.get")
    kernel.rust(cell.format(factor=10))
    assert kernel.value("old.get(), old_get(old), Keeper(4).get(), isinstance(old, Keeper)") == (4, 4, 40, False)


def test_pain_12_an_old_instance_in_new_code(kernel: Kernel) -> None:
    cell = "#[pyclass] struct Pt {{ x: i64 }}\n#[pymethods] impl Pt {{ #[new] fn new(x: i64) -> Self {{ Self {{ x }} }} }}\n"
    cell += "#[pyfunction] fn get_x(p: &Pt) -> i64 {{ p.x + {} }}"
    kernel.rust(cell.format(0))
    kernel.run("old = Pt(1)")
    kernel.rust(cell.format(1))
    shown = kernel.run("get_x(old)", expect="error")
    assert shown.ename == "TypeError"
    assert re.search(r"'Pt \(before it was replaced by In\[\d+\]\)' object is not an instance of 'Pt'", shown.evalue)
    assert kernel.value("get_x(Pt(1))") == 2
    kernel.rust(cell.format(0))
    assert kernel.value("get_x(old)") == 1


def test_signature_docs_and_source_are_shown(kernel: Kernel) -> None:
    kernel.rust(
        """
        /// Adds two numbers.
        #[pyfunction]
        #[pyo3(signature = (a, b=2))]
        fn documented(a: i64, b: i64) -> i64 { a + b }
        /// A class with docs.
        #[pyclass] struct Documented;
        #[pymethods] impl Documented {
            /// A method with docs.
            fn method(&self) {}
        }
        """
    )
    shown = kernel.run("documented?").page
    assert "documented(a, b=2)" in shown
    assert "Adds two numbers." in shown
    for item, source in (
        ("documented", "fn documented(a: i64, b: i64) -> i64 { a + b }"),
        ("Documented", "#[pyclass] struct Documented;"),
        ("Documented.method", "fn method(&self) {}"),
    ):
        assert source in kernel.run(f"{item}??").page, item
    assert "A class with docs." in kernel.run("Documented?").page
    kernel.run("def own():\n    'mine'\n    return 1")
    assert "return 1" in kernel.run("own??").page


PICKLED = """
#[pyfunction] fn cube(x: i64) -> i64 { x * x * x }
#[pyclass] #[derive(Clone)] struct Box2 { n: i64 }
#[pymethods] impl Box2 {
    #[new] fn new(n: i64) -> Self { Self { n } }
    #[getter] fn n(&self) -> i64 { self.n }
    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, (i64,))> {
        Ok((slf.get_type().into_any().unbind(), (slf.borrow().n,)))
    }
}
"""


def test_functions_classes_and_instances_pickle(kernel: Kernel) -> None:
    kernel.rust(PICKLED)
    kernel.run("import pickle; data = pickle.dumps((cube, Box2, Box2(3)))")
    assert kernel.value("f, c, i = pickle.loads(data); f(2), c is Box2, i.n") == (8, True, 3)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("line", ["", "-m worker_module"])
def test_multiprocessing(kernel: Kernel, method: str, line: str) -> None:
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("Windows only spawns")
    kernel.rust(PICKLED, line)
    kernel.run(
        f"""
        import multiprocessing, operator
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            cubes = pool.map(cube, range(5))
            boxes = [box.n for box in pool.map(Box2, range(3))]
        """
    )
    assert kernel.value("cubes, boxes") == ([0, 1, 8, 27, 64], [0, 1, 2])


def test_process_pool_executor_after_an_edit(kernel: Kernel) -> None:
    kernel.run(
        """
        import concurrent.futures, multiprocessing
        pool = concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        """
    )
    for value in (1, 2, 1):
        kernel.rust(f"#[pyfunction] fn pooled(x: i64) -> i64 {{ x + {value} }}", "-m pooled_module")
        assert kernel.value("list(pool.map(pooled, range(3)))") == [value, value + 1, value + 2]
    kernel.run("pool.shutdown()")


def test_joblib_workers_that_live_on_after_an_edit(kernel: Kernel) -> None:
    pytest.importorskip("joblib")
    kernel.run("import joblib")
    for value in (1, 2):
        kernel.rust(f"#[pyfunction] fn loky(x: i64) -> i64 {{ x * {value} }}", "-m loky_module")
        kernel.run("def through_python(x): return loky(x)")
        assert kernel.value(_JOBS.format("loky")) == [0, value, 2 * value]
        assert kernel.value(_JOBS.format("through_python")) == [0, value, 2 * value]
    kernel.run("from joblib.externals.loky import get_reusable_executor; get_reusable_executor().shutdown(wait=True)")


def test_joblib_workers_that_live_on_get_the_edited_module(kernel: Kernel) -> None:
    pytest.importorskip("joblib")
    kernel.run("import joblib, pickle")
    for value in (1, 2):
        kernel.rust(f"#[pyfunction] fn by_name(x: i64) -> i64 {{ x * {value} }}", "-m by_name_module")
        kernel.run("def through_module(x): return by_name_module.by_name(x)")
        assert kernel.value(_JOBS.format("through_module")) == [0, value, 2 * value]
        assert kernel.value("pickle.loads(pickle.dumps(by_name_module)) is by_name_module") is True
    kernel.run("from joblib.externals.loky import get_reusable_executor; get_reusable_executor().shutdown(wait=True)")


_JOBS = "joblib.Parallel(n_jobs=2)(joblib.delayed({})(i) for i in range(3))"


def test_from_import(kernel: Kernel) -> None:
    kernel.rust("#[pyfunction] fn importable() -> i64 { 1 }", "-m importable_module")
    assert kernel.value("from importable_module import importable as other; other is importable") is True


def test_output_appears_under_the_cell_that_caused_it(kernel: Kernel) -> None:
    kernel.rust(
        """
        #[pyfunction] fn speak(n: i64) {
            println!("line {n}"); eprintln!("error {n}"); print!("no newline {n}");
        }
        """
    )
    identities = [kernel.submit(f"speak({n})") for n in range(8)]
    for n, identity in enumerate(identities):
        shown = kernel.result(identity)
        assert shown.stdout == f"line {n}\nno newline {n}", n
        assert shown.stderr == f"error {n}\n", n


def test_much_output_is_whole(kernel: Kernel) -> None:
    kernel.rust('#[pyfunction] fn much(n: usize) { for i in 0..n { println!("{i:06}"); } }')
    shown = kernel.run("for _ in range(4): much(2000)")
    later = kernel.run("'later'")
    assert shown.stdout == 4 * "".join(f"{i:06}\n" for i in range(2000))
    assert later.stdout == ""


def test_output_larger_than_a_pipe_does_not_block(start: Start) -> None:
    kernel = start()
    kernel.rust('#[pyfunction] fn flood() { for i in 0..20000 { println!("{i:06}"); } }')
    assert kernel.run("flood()", timeout=15).stdout == "".join(f"{i:06}\n" for i in range(20000))


def test_a_panic_becomes_an_exception_with_the_cells_line(kernel: Kernel) -> None:
    kernel.rust("#[pyfunction]\nfn boom(v: Vec<i64>, i: usize) -> i64 {\n    v[i]\n}")
    label = _number(kernel) - 1
    shown = kernel.run("boom([], 3)", expect="error")
    assert shown.ename == "PanicException"
    assert f"In[{label}], line 4, column 6" in shown.text


def _number(kernel: Kernel) -> int:
    value = kernel.value("get_ipython().displayhook.prompt_count")
    assert isinstance(value, int)
    return value


def test_pain_6_the_next_error_has_its_traceback_and_nothing_leaks(kernel: Kernel) -> None:
    """With rustdef the next Python error has no traceback, and each exception leaks five file descriptors."""
    kernel.rust('#[pyfunction] fn fall() { panic!("down") }')
    kernel.rust("#[pyfunction] fn wrong() -> i64 { true }", expect="error")
    assert kernel.run("fall()", expect="error").ename == "PanicException"
    shown = kernel.run("def deeper():\n    1/0\ndeeper()", expect="error")
    assert "Traceback (most recent call last)" in shown.text
    assert "1/0" in shown.text
    assert "deeper()" in shown.text
    count = "len(__import__('os').listdir('/proc/self/fd'))"
    if sys.platform != "linux":
        pytest.skip("counts file descriptors in /proc")
    before = kernel.value(count)
    for _ in range(5):
        kernel.run("fall()", expect="error")
        kernel.rust("#[pyfunction] fn wrong() -> i64 { true }", expect="error")
    assert (
        kernel.value(count) <= before + 3
    )  # IPython's history opens and closes files meanwhile; ten errors leaked fifty


def test_pain_11_rust_that_checks_signals_is_interrupted(kernel: Kernel) -> None:
    kernel.rust(
        """
        #[pyfunction] fn forever(py: Python<'_>, marker: std::path::PathBuf) -> PyResult<()> {
            std::fs::write(marker, "started")?;
            loop { py.check_signals()?; }
        }
        """
    )
    identity = kernel.submit("forever('started')")
    kernel.while_running(identity, (kernel.folder / "started").exists)
    kernel.interrupt()
    assert kernel.result(identity, timeout=30).ename == "KeyboardInterrupt"
    assert kernel.value("1 + 1") == 2


def test_threads_run_beside_rust_that_detaches(kernel: Kernel) -> None:
    kernel.rust("#[pyfunction] fn work(py: Python<'_>) -> i64 { py.detach(|| (0..1000).sum()) }")
    kernel.run("from concurrent.futures import ThreadPoolExecutor as Pool")
    assert kernel.value("list(Pool(4).map(lambda _: work(), range(8)))") == [499500] * 8
