"""What the tests keep between runs: compiled dependencies and environments, and nothing that is made of a cell.

Without them, every run would compile pyo3 a dozen times. There is one folder for each combination of rustc, Python,
range of pyo3 versions and version of this package, below the user's cache folder; it is used by one run at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from pyo3magic._version import __version__
from pyo3magic.crate import PYO3_RANGE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VARIABLE", "copied_environment", "take"]

VARIABLE = "PYO3MAGIC_TEST_KEPT"
"""The folder, for the workers of a run; empty to keep nothing."""

_BIN = "Scripts" if os.name == "nt" else "bin"
_DAYS = 30
_IN_STORE = {"CACHEDIR.TAG", "format", "targets", "toolchains"}
"""What stays of the store: cargo's target folders have compiled dependencies, and zig's cache is a toolchain's."""


def take() -> Callable[[], None]:
    """Take the folder for this run: `VARIABLE` says where it is, unless another run has it.

    Returns:
        What gives the folder back.
    """
    if VARIABLE in os.environ or shutil.which("cargo") is None:
        return lambda: None
    rustc = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=False).stdout
    facts = (rustc, os.environ.get("PYO3MAGIC_CROSS_RUSTC"), sys.version, sys.executable, PYO3_RANGE, __version__)
    root = user_cache_path("pyo3magic-tests")
    folder = root / hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    root.mkdir(parents=True, exist_ok=True)
    _remove_old(root)
    lock = FileLock(f"{folder}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        os.environ[VARIABLE] = ""
        return lambda: None
    folder.mkdir(exist_ok=True)
    store = folder / "store"
    if store.is_dir():
        for path in store.iterdir():
            if path.name not in _IN_STORE:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    os.environ[VARIABLE] = str(folder)

    def give_back() -> None:
        del os.environ[VARIABLE]
        lock.release()

    return give_back


def copied_environment(python: str, folder: Path, *packages: str) -> Path:
    """A virtual environment, copied from one that is kept: pip takes seconds to get into a new one.

    Args:
        python: the interpreter.
        folder: where to make it.
        packages: what it has besides pip, as pip's requirements.

    Returns:
        The environment's interpreter.

    Raises:
        subprocess.CalledProcessError: it cannot be made; packages cannot be had.
    """
    kept = os.environ.get(VARIABLE)
    if not kept:
        _make(python, folder, packages)
        return folder / _BIN / "python"
    name = hashlib.sha256(repr((python, packages)).encode()).hexdigest()[:16]
    model = Path(kept) / "environments" / name
    model.parent.mkdir(exist_ok=True)
    with FileLock(f"{model}.lock"):
        if not model.with_suffix(".complete").exists():
            shutil.rmtree(model, ignore_errors=True)
            _make(python, model, packages)
            model.with_suffix(".complete").touch()
    shutil.copytree(model, folder, symlinks=True, dirs_exist_ok=True)
    for script in (folder / _BIN).iterdir():
        if script.is_file() and not script.is_symlink() and script.suffix != ".exe":
            _say_where(script, model, folder)
    return folder / _BIN / "python"


def _say_where(script: Path, model: Path, folder: Path) -> None:
    """Let a script run with the interpreter next to it, and not with the one of the environment it was copied from."""
    content = script.read_bytes()
    if str(model).encode() in content:
        script.write_bytes(content.replace(str(model).encode(), str(folder).encode()))


def _make(python: str, folder: Path, packages: tuple[str, ...]) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    commands = [[python, "-m", "venv", str(folder)]]
    if packages:
        inside = str(folder / _BIN / "python")
        commands.append([inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, env=environ, text=True)


def _remove_old(root: Path) -> None:
    """Remove folders that are weeks old and not in use: what cargo compiles only grows."""
    for folder in root.iterdir():
        if folder.is_dir() and time.time() - folder.stat().st_ctime > _DAYS * 86400:
            with contextlib.suppress(Timeout), FileLock(f"{folder}.lock", timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
