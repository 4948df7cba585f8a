"""Panics as exceptions: unchanged in the main thread, ordinary and picklable everywhere else."""

from __future__ import annotations

import concurrent.futures
import copy
import ctypes
import multiprocessing
import os
import pickle
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.api import build
from pyo3magic.errors import RustPanic
from pyo3magic.session import panics
from pyo3magic.session.load import SOURCES, load, sources_line, stub
from pyo3magic.session.panic_hints import hint_for
from pyo3magic.session.support import Support

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.api import Build

pytestmark = pytest.mark.cargo
SOURCE = """#[pyfunction]
fn at_home(x: i64) -> i64 {
    if x == 13 { panic!("thirteen") }
    x
}
#[pyfunction] fn in_a_thread() { std::thread::spawn(|| panic!("alone")).join().ok(); }
#[pyfunction] fn none() -> i64 { std::hint::black_box(None::<i64>).unwrap() }
"""
PLACE = "thirteen\nThe Rust code panicked in In[3], line 4, column 18."


@pytest.fixture(scope="module")
def built(store: Path) -> Build:
    return build(SOURCE, store=store)


@pytest.fixture(scope="module")
def module(built: Build) -> Any:
    support = Support(built.artifact.file)
    support.name_source("src/lib.rs", "In[3]")
    return load(built.artifact).module


def raised(call: Any, *arguments: object) -> BaseException:
    with pytest.raises(BaseException, match=r".") as caught:
        call(*arguments)
    return caught.value


def told(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def test_in_the_main_thread_it_is_the_exception_of_pyo3_with_notes(module: Any) -> None:
    error = raised(module.at_home, 13)
    assert (type(error).__module__, type(error).__name__) == ("pyo3_runtime", "PanicException")
    assert not isinstance(error, Exception)
    assert told(error) == PLACE
    if sys.version_info >= (3, 11):
        assert str(error) == "thirteen"


def test_a_hint_follows_the_place(module: Any) -> None:
    lines = told(raised(module.none)).splitlines()
    assert lines[1] == "The Rust code panicked in In[3], line 8, column 68."
    assert lines[2] == f"Hint: {hint_for('called `Option::unwrap()` on a `None` value')}"


def test_a_pool_of_threads_raises_it_and_goes_on(module: Any) -> None:
    with ThreadPool(1) as pool:
        error = raised(pool.apply_async(module.at_home, (13,)).get, 20)
        assert str(error) == PLACE
        assert isinstance(error, RuntimeError)
        assert isinstance(error, type(raised(module.at_home, 13)))
        assert pool.apply_async(module.at_home, (3,)).get(20) == 3
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        assert str(raised(threads.submit(module.at_home, 13).result, 20)) == PLACE
        assert threads.submit(module.at_home, 3).result(20) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_raises_it_in_its_main_thread(module: Any) -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        error = raised(pool.apply_async(module.at_home, (13,)).get, 20)
        assert (type(error), str(error)) == (RustPanic, PLACE)
        assert pool.apply_async(module.at_home, (3,)).get(20) == 3


def test_it_is_pickled_by_its_text(module: Any) -> None:
    error = pickle.loads(pickle.dumps(raised(module.at_home, 13)))
    assert (type(error), str(error)) == (RustPanic, PLACE)
    assert type(copy.copy(raised(module.at_home, 13))) is RustPanic


def test_it_is_unpickled_where_this_package_is_missing(module: Any) -> None:
    data = pickle.dumps(raised(module.at_home, 13))
    code = f"import pickle; error = pickle.loads({data!r}); print(type(error).__name__, error, sep='|')"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"RuntimeError|{PLACE}\n"


WORKER = """
import pickle, sys
import panicking
panicking.in_a_thread()
try:
    panicking.at_home(13)
except Exception as error:
    print(type(error).__name__, pickle.loads(pickle.dumps(error)), sep="|")
"""


def test_a_worker_names_the_cell_and_writes_only_what_no_exception_tells(
    built: Build, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "panicking.py").write_text(stub(store, built.artifact))
    lines = (sources_line(built.artifact.digest, (("src/lib.rs", label, 0),)) for label in ("In[2]", "In[3]"))
    (tmp_path / SOURCES).write_text("".join(lines))
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *filter(None, sys.path)))}
    done = subprocess.run([sys.executable, "-c", WORKER], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"PanicException|{PLACE}\n"
    assert "thirteen" not in done.stderr
    assert done.stderr.count("panicked in In[3], line 7, column 56:\nalone") == 1


def test_a_module_without_the_support_crate_is_left_alone() -> None:
    library = ctypes.PyDLL(None) if os.name != "nt" else ctypes.pythonapi
    panics.watch(library, hint_for)
    panics.name_source(library, "src/lib.rs", "In[3]", 0)
