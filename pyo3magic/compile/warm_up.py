"""Compile pyo3 before the first cell needs it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from pyo3magic.cell import Options
from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.environment.context import Context, gather
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.toolchain_search import cached_toolchain
from pyo3magic.errors import PyO3MagicError, StoreError
from pyo3magic.process import start_in_background

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.process import Background
    from pyo3magic.store import Artifact, Store

__all__ = ["is_warm", "start_warming", "warm"]

SOURCE = "/// Built once, so that pyo3 is compiled before a cell needs it.\npub fn warm() {}\n"
"""The cell to build."""

_NICE = 10


def is_warm(store: Store, environ: Mapping[str, str], build: BuildOptions = DEFAULTS) -> bool:
    """Return whether pyo3 is compiled for this Python and this folder's toolchain, without starting a process."""
    from pathlib import Path

    toolchain = cached_toolchain(directory=Path.cwd(), environ=environ, cache=store.place("toolchains"))
    if toolchain is None:
        return False
    folder = store.place("targets", f"{Interpreter.current().digest[:16]}-{toolchain.digest[:16]}")
    return (folder / _marker(build)).exists()


def warm(
    store: Store,
    options: Options = Options(),  # noqa: B008 - immutable
    build: BuildOptions = DEFAULTS,
    *,
    nice: int = 0,
) -> tuple[Context, Artifact]:
    """Compile pyo3, and the crates that ``options`` name, by building a cell that does nothing.

    Args:
        store: the store.
        options: the cell's options, with the dependencies to compile.
        build: the build options.
        nice: how much to lower the priority of the compilers.

    Returns:
        The context of the build and the stored cell.

    Raises:
        PyO3MagicError: the build failed.
    """
    from .pipeline import make_artifact

    context = gather(store, build, nice=nice)
    key = context.key(options, SOURCE)
    marker = context.target_folder / _marker(build)
    artifact = make_artifact(context, options, SOURCE, key=key, force=not marker.exists())
    if not marker.exists():
        with contextlib.suppress(StoreError):
            store.write_text(marker, "")
    return context, artifact


def start_warming(store: Store, environ: Mapping[str, str], build: BuildOptions) -> Background | None:
    """Start ``python -m pyo3magic warm`` with low priority; it ends with this process.

    Args:
        store: the store.
        environ: the environment of the new process.
        build: the options of the builds to prepare for.

    Returns:
        The process; None if the store is warm or no process can be started.
    """
    if is_warm(store, environ, build):
        return None
    arguments = [sys.executable, "-m", "pyo3magic", "warm", "--background"]
    settings = {
        "PYO3MAGIC_STORE": str(store.folder),
        "PYO3MAGIC_OFFLINE": str(int(build.offline)),
        "PYO3MAGIC_EDITION": build.edition,
        "PYO3MAGIC_PYO3": build.pyo3,
    }
    try:
        return start_in_background(arguments, environ={**environ, **settings})
    except OSError:
        return None


def run_in_background(store: Store, build: BuildOptions) -> int:
    """Warm the store in the process started by `start_warming`, and return its exit status."""
    end_with_parent()
    try:
        warm(store, build=build, nice=_NICE)
    except PyO3MagicError:
        return 1
    return 0


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent ends for any reason (prctl(2), PR_SET_PDEATHSIG)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() == 1:
            sys.exit(143)


def _marker(build: BuildOptions) -> str:
    """Return the name of the file that marks pyo3 as compiled, one for each default pyo3 requirement."""
    return f"warm-{hashlib.sha256(build.pyo3.encode()).hexdigest()[:16]}" if build.pyo3 else "warm"
