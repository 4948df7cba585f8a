"""What becomes of a panic's exception: its place and its cure in notes, and in worker processes a class that pickles.

PyO3 raises a panic as PanicException, which is not an Exception. A pool of processes or a cluster waits for ever for a
task that ended with such an exception, or loses its text.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RustPanic", "add_notes", "soften", "soften_in_children"]

_kinds: list[type[BaseException]] = []


class RustPanic(RuntimeError):
    """A panic in Rust code that ran in a worker process: the panic's text and its place."""


def add_notes(kind: type[BaseException], place: Callable[[str], tuple[str, str]]) -> None:
    """Add the panic's place, and advice on frequent panics, to each new instance of PyO3's PanicException.

    Args:
        kind: the class; each module that has a PyO3 of its own has its own class.
        place: returns the place and the cell's frames of the latest panic with a text; the frames may be empty.
    """

    def initialise(self: BaseException, *args: object) -> None:
        from .panic_cures import cure_of

        BaseException.__init__(self, *args)
        text = str(args[0]) if args else ""
        where, frames = place(text)
        notes = [f"The Rust code panicked in {where}." + (f"\n{frames}" if frames else "")] if where else []
        notes += filter(None, [cure_of(text)])
        for note in notes:
            if hasattr(self, "add_note"):
                self.add_note(note)
            else:
                self.args = (f"{self.args[0] if self.args else ''}\n{note}", *self.args[1:])

    with contextlib.suppress(AttributeError, TypeError):
        kind.__init__ = initialise  # type: ignore[method-assign]


def soften(kind: type[BaseException]) -> None:
    """Make a PanicException an ordinary exception in this process, and one that can be pickled.

    Args:
        kind: the class of PyO3.
    """
    with contextlib.suppress(AttributeError, TypeError):
        kind.__bases__ = (RuntimeError,)
        kind.__reduce__ = _reduce  # type: ignore[assignment]


def soften_in_children(kind: type[BaseException]) -> None:
    """Soften a PanicException in each process that is forked from this one.

    Args:
        kind: the class of PyO3.
    """
    if not hasattr(os, "register_at_fork"):
        return
    if not _kinds:
        os.register_at_fork(after_in_child=_soften_all)
    if kind not in _kinds:
        _kinds.append(kind)


def _soften_all() -> None:
    for kind in _kinds:
        soften(kind)


def _reduce(self: BaseException) -> tuple[type[RustPanic], tuple[str]]:
    return RustPanic, ("\n".join([str(self), *getattr(self, "__notes__", ())]),)
