"""Everything that can go wrong, as types under one base.

Each message says what happened, why, and what to do next. In IPython these errors are shown without a Python traceback:
IPython asks an exception for ``_render_traceback_`` before it formats one itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
