"""Looks at the file system, noted: what was concluded from them holds as long as each would see the same again.

Finding cargo, rustc and what configures them takes thirty looks and a millisecond, at every run of a cell. Looking
again whether anything has changed takes a tenth of that.
"""
# os.path is several times faster than pathlib.
# ruff: noqa: PTH123

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Stamp", "content", "is_file", "noted", "see_the_same", "stamp", "which"]

Stamp = tuple[int, int, int, int]
"""Modification time (ns), size, inode number and mode of a file."""

_notes: ContextVar[dict[str, Stamp | None] | None] = ContextVar("notes", default=None)


@contextlib.contextmanager
def noted() -> Iterator[dict[str, Stamp | None]]:
    """Note all that is looked at while the block runs: path to what was there, None where nothing was."""
    token = _notes.set({})
    try:
        notes = _notes.get()
        assert notes is not None  # noqa: S101 - just set
        yield notes
    finally:
        _notes.reset(token)


def see_the_same(notes: Mapping[str, Stamp | None]) -> bool:
    """Whether all that was looked at is as it was."""
    return all(_look(path) == seen for path, seen in notes.items())


def stamp(path: str | os.PathLike[str]) -> Stamp | None:
    """What tells a file from a changed one; None where there is no file."""
    name = os.fspath(path)
    found = _look(name)
    notes = _notes.get()
    if notes is not None:
        notes[name] = found
    return found


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file is there."""
    found = stamp(path)
    return found is not None and stat.S_ISREG(found[3])


def content(path: str | os.PathLike[str]) -> bytes | None:
    """A file's bytes, None where it cannot be read."""
    stamp(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def which(program: str, *, path: str) -> str | None:
    """The program of that name on a search path, as `shutil.which` finds it."""
    found = shutil.which(program, path=path)
    if _notes.get() is not None:
        # A program that comes into an earlier folder changes that folder.
        for folder in filter(None, path.split(os.pathsep)):
            stamp(folder)
            if found is not None and os.path.dirname(found) == folder:  # noqa: PTH120
                break
        if found is not None:
            stamp(found)
    return found


def _look(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
