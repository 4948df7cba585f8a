"""Looks at the file system, noted: what was concluded from them holds as long as each would see the same again.

Finding cargo, rustc and what configures them takes thirty looks and a millisecond, at every run of a cell. Most of them
find nothing, in folders where nothing comes and goes: those are looked at again at once, by the folder's own time.
"""
# os.path is several times faster than pathlib.
# ruff: noqa: PTH120, PTH123

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Looks", "Stamp", "content", "is_file", "noted", "stamp", "which"]

Stamp = tuple[int, int, int, int]
"""Modification time (ns), size, inode number and mode of a file."""

_SETTLED = 100_000_000
"""Nanoseconds after which a folder's time tells it from a later change: file systems count in ticks."""


@dataclass(slots=True)
class Looks:
    """What was looked at.

    Attributes:
        found: path and stamp of what was there.
        absent: by the nearest folder that was there, the paths below it where nothing was.
        folders: stamps of those folders, where one look at the folder says that nothing has come.
    """

    found: dict[str, Stamp] = field(default_factory=dict)
    absent: dict[str, dict[str, None]] = field(default_factory=dict)
    folders: dict[str, Stamp | None] = field(default_factory=dict)

    def note(self, path: str) -> Stamp | None:
        """Look at a path, and remember what was seen."""
        seen = _look(path)
        if seen is None:
            folder = os.path.dirname(path)
            while (above := _look(folder)) is None and os.path.dirname(folder) != folder:
                folder = os.path.dirname(folder)
            # The folder first: what comes into it after that changes it.
            seen = _look(path)
            if seen is None:
                self.absent.setdefault(folder, {})[path] = None
                self.folders.setdefault(folder, _settled(above))
        if seen is not None:
            self.found[path] = seen
        return seen

    def are_the_same(self) -> bool:
        """Whether all of it would be seen the same way now."""
        return all(_look(path) == seen for path, seen in self.found.items()) and all(
            map(self._is_empty, list(self.absent))
        )

    def _is_empty(self, folder: str) -> bool:
        now = _look(folder)
        if now is not None and now == self.folders[folder]:
            return True
        # The nearest folder may be another one now.
        del self.folders[folder]
        return all(self.note(path) is None for path in self.absent.pop(folder))


_notes: ContextVar[Looks | None] = ContextVar("notes", default=None)


@contextlib.contextmanager
def noted() -> Iterator[Looks]:
    """Note all that is looked at while the block runs."""
    looks = Looks()
    token = _notes.set(looks)
    try:
        yield looks
    finally:
        _notes.reset(token)


def stamp(path: str | os.PathLike[str]) -> Stamp | None:
    """What tells a file from a changed one; None where there is no file."""
    name, looks = os.fspath(path), _notes.get()
    return _look(name) if looks is None else looks.note(os.path.abspath(name))  # noqa: PTH100


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file is there."""
    found = stamp(path)
    return found is not None and stat.S_ISREG(found[3])


def content(path: str | os.PathLike[str]) -> bytes | None:
    """A file's bytes, None where it cannot be read."""
    if _notes.get() is not None:
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
            if found is not None and os.path.dirname(found) == folder:
                break
            stamp(folder)
        if found is not None:
            stamp(found)
    return found


def _settled(folder: Stamp | None) -> Stamp | None:
    """A folder's stamp, unless something may still change in the same tick."""
    return folder if folder is not None and time.time_ns() - folder[0] > _SETTLED else None


def _look(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
