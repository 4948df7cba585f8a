"""Have the support crate write a report when a signal such as SIGSEGV ends this process (`support/src/crash.rs`).

A report is a file ``crashes/NOTEBOOK/SESSION.KERNEL.PROCESS`` in the store, with two process ids at the end. The file
exists only after a crash; `crash_report` reads it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .crash_handlers import CrashHandlers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyo3magic.store import Artifact


__all__ = ["CrashWatch", "Crashes", "notebook_name"]

_DUMP_SIGNALS = 12
"""Number of real-time signals among which one without a handler is chosen."""


class Crashes(NamedTuple):
    """Where the processes of one session write reports.

    Attributes:
        folder: the folder with the notebook's reports; it exists only if there are any.
        session: the name of the session's folder in the store.
        kernel: the process id of the kernel.
    """

    folder: Path
    session: str
    kernel: int

    @classmethod
    def of(cls, store: Path, notebook: str, session: str) -> Crashes:
        """Return the place for reports of a notebook's session in this process.

        Args:
            store: the store's folder.
            notebook: a name for the notebook, which stays the same after a restart (`notebook_name`).
            session: the name of the session's folder in the store.
        """
        digest = hashlib.sha256(notebook.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return cls(store / "crashes" / digest, session, os.getpid())

    @property
    def prefix(self) -> str:
        """The start of the names of this session's reports; the process id follows."""
        return f"{self.session}.{self.kernel}."

    def exist(self) -> bool:
        """Return whether the notebook has reports (one look-up in the file system)."""
        return self.folder.exists()


class CrashWatch:
    """The crash handlers of this process; a process has them once, in the first module with a support crate."""

    def __init__(self) -> None:
        self._handlers: CrashHandlers | None = None
        self._names: dict[str, tuple[str, str]] = {}
        self._details: dict[str, str] = {}

    def start(self, file: Path, crashes: Crashes) -> None:
        """Set the handlers, unless this process has them; give this thread a stack for handlers.

        Args:
            file: a loaded extension module file.
            crashes: where reports go.
        """
        if self._handlers is None:
            handlers = CrashHandlers(file)
            if not handlers.is_present:
                return
            self._handlers = handlers
            descriptor = handlers.watch(crashes.folder, crashes.prefix, replace=_has_faulthandler())
            _guard_threads(handlers)
            if descriptor >= 0:
                handlers.set_signal(_register_dump(descriptor))
        self._handlers.guard_thread()

    def describe(self, artifact: Artifact, names: Iterable[tuple[str, str, int]]) -> None:
        """Record what a report needs to name a module's functions.

        Args:
            artifact: the loaded artifact.
            names: the arguments of `Support.name_source` for each of its source files.
        """
        if self._handlers is None:
            return
        name = self._names.get(artifact.digest)
        if name is None:
            name = self._names[artifact.digest] = (str(artifact.file), str(artifact.crate))
        text = repr((*name, tuple(names)))
        if self._details.get(artifact.digest) != text:
            self._details[artifact.digest] = text
            self._handlers.set_details("\n".join(self._details.values()))

    def set_cell(self, number: int) -> None:
        """Record the number of the notebook's cell that starts to run."""
        if self._handlers is not None:
            self._handlers.set_cell(number)


def notebook_name(environ: Mapping[str, str], variables: Mapping[str, object]) -> str:
    """Return what identifies a notebook after a restart: its path as Jupyter or VS Code gives it, or its folder.

    Args:
        environ: the environment; Jupyter's server sets ``JPY_SESSION_NAME``.
        variables: the notebook's variables; VS Code sets ``__vsc_ipynb_file__``.
    """
    name = environ.get("JPY_SESSION_NAME") or variables.get("__vsc_ipynb_file__")
    return name if isinstance(name, str) else str(Path.cwd())


def _guard_threads(handlers: CrashHandlers) -> None:
    """Give each thread that Python starts a stack for signal handlers, by extending `threading.Thread.run`."""
    run = threading.Thread.run

    @functools.wraps(run)
    def guarded(self: threading.Thread) -> None:
        handlers.guard_thread()
        run(self)

    threading.Thread.run = guarded  # type: ignore[method-assign]


def _has_faulthandler() -> bool:
    module = sys.modules.get("faulthandler")
    return module is not None and module.is_enabled()


def _register_dump(descriptor: int) -> int:
    """Make faulthandler write Python's stack to a file descriptor at a signal; return the signal, or 0."""
    import faulthandler
    import signal

    if sys.platform == "win32":
        return 0
    if sys.platform == "darwin":
        candidates = [int(signal.SIGEMT)]
    else:
        candidates = [signal.SIGRTMAX - number for number in range(1, _DUMP_SIGNALS)]
    for number in candidates:
        if signal.getsignal(number) is signal.SIG_DFL:
            faulthandler.register(number, file=descriptor, all_threads=True)
            return number
    return 0
