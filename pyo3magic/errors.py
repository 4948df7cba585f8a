"""Everything that can go wrong, as types under one base.

Each message says what happened, why, and what to do next. In IPython these errors are shown without a Python traceback:
IPython asks an exception for ``_render_traceback_`` before it formats one itself.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .diagnostics import Diagnostic

__all__ = [
    "BuildError",
    "CellError",
    "CompileError",
    "DependencyError",
    "ImportConflictError",
    "InterpreterError",
    "Interrupted",
    "ManifestError",
    "OptionError",
    "ProgramFailed",
    "PyO3MagicError",
    "ResourceError",
    "RustPanic",
    "StoreError",
    "TestsFailed",
    "ToolchainError",
]


class PyO3MagicError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: what happened and why, in one or a few sentences.
        advice: what to do next; shown under the message.
        details: the full text of what a program said, for whoever wants to read on.
    """

    def __init__(self, message: str, *, advice: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message

    def _render_traceback_(self) -> list[str]:
        red, bold, reset = ("\x1b[31m", "\x1b[1m", "\x1b[0m") if _takes_colours() else ("", "", "")
        lines = [f"{red}{bold}{type(self).__name__}{reset}: {self.message}"]
        if self.advice:
            lines.append(self.advice)
        return lines


def _takes_colours() -> bool:
    """Whether IPython writes this error to a notebook or a terminal, and not to a plain file."""
    interactive = sys.modules.get("IPython.core.getipython")
    return sys.stdout.isatty() or hasattr(interactive and interactive.get_ipython(), "kernel")


class OptionError(PyO3MagicError):
    """An option of a magic is unknown, malformed or contradicts another."""


class CellError(PyO3MagicError):
    """The cell cannot be used as it stands: empty, badly named, or not text."""


class ManifestError(CellError):
    """The cell's front matter or a dependency specification is wrong."""


class InterpreterError(PyO3MagicError):
    """A Python interpreter cannot be probed or does not fit the kernel."""


class ToolchainError(PyO3MagicError):
    """cargo, rustc, a linker or a target's standard library is missing or too old."""


class DependencyError(PyO3MagicError):
    """cargo could not resolve or download what the cell depends on."""


class BuildError(PyO3MagicError):
    """cargo or rustc failed for a reason outside the cell's code."""


class CompileError(BuildError):
    """The cell's Rust does not compile; the compiler's own text says why.

    Args:
        message: how many errors there are, and the first one.
        diagnostics: everything the compiler said.
        label: what the cell is called, ``In[3]`` for example.
        advice: a line that tells what changed, where the compiler cannot know it.
    """

    def __init__(
        self, message: str, *, diagnostics: tuple[Diagnostic, ...] = (), label: str = "the cell", advice: str = ""
    ) -> None:
        super().__init__(message, advice=advice)
        self.diagnostics = diagnostics
        self.label = label

    def _render_traceback_(self) -> list[str]:
        # The messages themselves stand above it: here only how many there are, and what to do.
        first = super()._render_traceback_()
        return [first[0].replace(self.message, f"{self.message.partition(':')[0]} in {self.label}"), *first[1:]]


class ProgramFailed(PyO3MagicError):
    """A cell's program (``--bin``) ended with another exit status than 0, or was ended."""


class TestsFailed(PyO3MagicError):
    """A cell's tests (``--test``) failed, or did not come to an end."""


class Interrupted(PyO3MagicError, KeyboardInterrupt):
    """A build was interrupted; nothing of it is left."""


class ImportConflictError(PyO3MagicError):
    """A module cannot be imported under the name that was asked for."""


class StoreError(PyO3MagicError):
    """The store cannot be read or written, or belongs to someone else."""


class LostCellError(StoreError):
    """A cell that a build or an export uses is damaged or no longer in the store.

    Args:
        cell: the cell's name.
    """

    def __init__(self, cell: str) -> None:
        super().__init__(
            f"The cell {cell!r}, or a library that it is linked with, is damaged or no longer in the store.",
            advice=f"Run {cell!r} again with --force, then this cell.",
        )
        self.cell = cell


class ResourceError(PyO3MagicError):
    """The machine has no more disk space, memory, processes or open files, or a disk fails."""


_SHORTAGES = {
    errno.ENOSPC: ("The disk is full", "Free some space (`%pyo3_cache` shows and clears the store), and run it again."),
    errno.EDQUOT: ("Your disk quota is used up", "Free some space (`%pyo3_cache` shows and clears the store)."),
    errno.EROFS: ("The file system is read-only", "Set PYO3MAGIC_STORE, or the output folder, to another folder."),
    errno.EIO: ("The disk reported an error", "Check the disk, or use a folder on another one."),
    errno.EMFILE: ("Too many files are open in this process", "Close files, or restart the kernel."),
    errno.ENFILE: ("Too many files are open on this machine", "End other programs."),
    errno.ENOMEM: ("This process or the machine has no more memory", "End other programs or kernels."),
    errno.EAGAIN: ("No further process or thread can be started (`ulimit -u`)", "End other programs or kernels."),
}


def resource_error(error: OSError) -> ResourceError | None:
    """Return the error to show when the operating system lacks something; None for other errors.

    Args:
        error: the operating system's error.
    """
    if error.errno not in _SHORTAGES:
        return None
    what, advice = _SHORTAGES[error.errno]
    return ResourceError(f"{what}: {error.filename}." if error.filename else f"{what}.", advice=advice)


@contextlib.contextmanager
def resource_errors() -> Iterator[None]:
    """Turn errors of the operating system into `ResourceError`, wherever the machine lacks something.

    Raises:
        ResourceError: there is no more disk space, memory or the like.
    """
    try:
        yield
    except OSError as error:
        shortage = resource_error(error)
        if shortage is None:
            raise
        raise shortage from error


class RustPanic(RuntimeError):
    """A cell's code panicked in another process; the text has the message, the place in the cell, and perhaps a hint.

    Not a `PyO3MagicError`, since the fault is the cell's own and its traceback is worth reading. In the kernel's main
    thread a panic is PyO3's ``PanicException``.
    """
