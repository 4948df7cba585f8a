"""One warm store, shared by all workers of pytest-xdist, and the checks that hold for every test."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from tests import kept
from tests.stores import copy_store

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[1]

_KERNEL_FIXTURES = {
    "tests/export/test_export_magics.py::notebook",
    "tests/integration::kernel",
    "tests/integration::start",
    "tests/integration/test_cross_guide.py::start",
    "tests/integration/test_terminal.py::terminal",
    "tests/integration/test_vendored.py::source",
    "tests/programs/test_kernel.py::kernel",
    "tests/remote::address",
    "tests/remote::start",
    "tests/remote/engines::dask_client",
    "tests/remote/engines::ipp_client",
    "tests/remote/engines/test_ray.py::cluster",
    "tests/remote/test_qemu.py::elsewhere",
    "tests/remote/test_remote_magics.py::here",
    "tests/remote/test_remote_magics.py::there",
    "tests/remote/test_ssh.py::server",
}
_KERNEL_WORDS = ("ipykernel", "jupyter_server", "ipyparallel.engine")
_CARGO_COMMANDS = {"build", "check", "clippy", "run", "rustc", "test"}
_running: list[pytest.Item] = []
_FIRST = (
    "tests/test_notebooks.py",
    "tests/integration/test_linked.py",
    "tests/export/test_project.py",
    "tests/export/test_build_target.py",
    "tests/export/test_wheel.py",
    "tests/integration/test_cross_builds.py",
    "tests/integration/test_build.py",
    "tests/remote/test_remote_magics.py",
    "tests/remote/engines/test_ipyparallel.py",
    "tests/corpus/test_corpus.py",
)
"""The files that take longest, so that none of them is left for one worker at the end."""

# A run that was started in the background of a shell ignores interrupts, and so would the kernels that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Take what the tests keep between runs; the workers of pytest-xdist find it through the environment."""
    if not config.option.collectonly:
        config.add_cleanup(kept.take())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """For ``-n auto``, one worker more than there are processors: tests wait for kernels, servers and timeouts."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    available = getattr(os, "sched_getaffinity", None)
    return 1 + (len(available(0)) if available else os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """Keep thousands of tests out of each later search for garbage."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures: the warm store needs cargo, the fixtures above start a kernel."""
    for item in items:
        info = getattr(item, "_fixtureinfo", None)
        definitions = info.name2fixturedefs if info is not None else {}
        used = {f"{definition.baseid}::{name}" for name, found in definitions.items() for definition in found[-1:]}
        if "tests::store" in used:
            item.add_marker(pytest.mark.cargo)
        if used & _KERNEL_FIXTURES:
            item.add_marker(pytest.mark.kernel)
    items.sort(key=lambda item: _FIRST.index(name) if (name := item.nodeid.split("::")[0]) in _FIRST else len(_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Remember the running test for the check below."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


def _refuse_unmarked(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test without the marker starts neither cargo nor a kernel."""
    if event != "subprocess.Popen" or not _running:
        return
    words = arguments[1]
    command = [os.fsdecode(word) for word in ([words] if isinstance(words, (str, bytes, os.PathLike)) else words)]
    needed = needed_marker(command)
    if needed and _running[-1].get_closest_marker(needed) is None:
        raise AssertionError(f"{_running[-1].nodeid} starts {command[:3]}: mark the test with pytest.mark.{needed}")


def needed_marker(command: list[str]) -> str | None:
    """The marker that a test needs for starting this command; cargo in a temporary folder is a test's own script."""
    if any(word in argument for argument in command for word in _KERNEL_WORDS):
        return "kernel"
    program = Path(command[0])
    own = program.is_relative_to(tempfile.gettempdir())
    if program.stem == "cargo" and not own and _CARGO_COMMANDS & set(command[1:]):
        return "cargo"
    return None


sys.addaudithook(_refuse_unmarked)


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment for kernels and commands: this one, without what would change how cells are built or shown."""
    dropped = ("PYO3", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "PYTHONDONTWRITEBYTECODE", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "RUST_BACKTRACE": "0", "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "NO_COLOR": ""}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """A store in which pyo3 is compiled for this interpreter: PYO3MAGIC_TEST_STORE, the kept one, or a new one."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    chosen = os.environ.get("PYO3MAGIC_TEST_STORE")
    folder = Path(chosen).absolute() if chosen else _kept_or_new((base.parent if worker else base), "store")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        command = [sys.executable, "-m", "pyo3magic", "--store", str(folder), "warm"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path) -> Path:
    """A store with pyo3 compiled and nothing else, to be copied; it is made from what cargo has downloaded."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-store"
    assert store.is_dir(), "crates are downloaded"
    with FileLock(f"{folder}.lock"):
        command = [sys.executable, "-m", "pyo3magic", "--store", str(folder), "warm"]
        subprocess.run(command, env={**environment, "PYO3MAGIC_KEEP_PATHS": "1"}, check=True, capture_output=True)
    return folder


@pytest.fixture
def own_store(small_store: Path, tmp_path: Path) -> Path:
    """A store of one's own with pyo3 compiled, to be damaged."""
    return copy_store(small_store, tmp_path / "store")


@pytest.fixture(scope="session")
def shared_target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cargo target folder for the projects of all tests, which is kept."""
    return _kept_or_new(tmp_path_factory.mktemp("shared"), "target")


def _kept_or_new(base: Path, name: str) -> Path:
    """A folder in what is kept between runs, else in ``base``."""
    return Path(os.environ.get(kept.VARIABLE) or base) / name


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An IPython shell in this process with the extension and an empty store."""
    yield from _shell(tmp_path / "store", monkeypatch)


@pytest.fixture
def shell(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An IPython shell in this process with the extension and the warm store."""
    yield from _shell(store, monkeypatch)


def _shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from IPython.core.interactiveshell import InteractiveShell

    import pyo3magic

    monkeypatch.setenv("PYO3MAGIC_STORE", str(folder))
    monkeypatch.setenv("PYO3MAGIC_WARM_UP", "0")
    monkeypatch.setenv("RUST_BACKTRACE", "0")
    shell: Any = InteractiveShell()
    shell.history_manager.enabled = False
    monkeypatch.setattr(shell, "_showtraceback", lambda *_: None)
    pyo3magic.load_ipython_extension(shell)
    yield shell
    pyo3magic.unload_ipython_extension(shell)
    shell.history_manager.end_session()
    gc.collect()
