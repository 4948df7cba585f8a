"""One warm store for the whole run, shared by all workers of pytest-xdist."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[1]

# A run that was started in the background of a shell ignores interrupts, and so would the kernels that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment for kernels and commands: this one, without what would change how cells are built or shown."""
    dropped = ("PYO3", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "PYTHONDONTWRITEBYTECODE", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "RUST_BACKTRACE": "0", "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "NO_COLOR": ""}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """A store in which pyo3 is compiled for this interpreter: PYO3MAGIC_TEST_STORE, or a new one for this run."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    chosen = os.environ.get("PYO3MAGIC_TEST_STORE")
    folder = Path(chosen).absolute() if chosen else (base.parent if worker else base) / "store"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        command = [sys.executable, "-m", "pyo3magic", "--store", str(folder), "warm"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


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
