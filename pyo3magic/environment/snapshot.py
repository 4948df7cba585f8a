"""Record file-system lookups, so a result can be reused until one of the lookups would give a different answer.

Finding cargo, rustc and their configuration takes thirty lookups and a millisecond on every run of a cell. Most lookups
find nothing, in folders that do not change; checking such a folder's modification time replaces all lookups in it.
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

__all__ = ["Snapshot", "Stamp", "content", "is_file", "recording", "stamp", "which"]

Stamp = tuple[int, int, int, int]
"""Modification time (ns), size, inode number and mode of a file."""

_SETTLED = 100_000_000
"""Age in nanoseconds from which any later change gives a folder a new time: file systems count time in ticks."""


@dataclass(slots=True)
class Snapshot:
    """Lookups and their answers.

    Attributes:
        found: path to stamp of each existing file or folder.
        absent: missing paths, by their nearest existing parent folder.
        folders: stamps of these parent folders; None for a folder that may still change without a new time.
    """

    found: dict[str, Stamp] = field(default_factory=dict)
    absent: dict[str, dict[str, None]] = field(default_factory=dict)
    folders: dict[str, Stamp | None] = field(default_factory=dict)

    def look_up(self, path: str) -> Stamp | None:
        """Look up an absolute path, record the answer, and return the stamp; None if nothing exists there."""
        seen = _look(path)
        if seen is None:
            folder = os.path.dirname(path)
            while (above := _look(folder)) is None and os.path.dirname(folder) != folder:
                folder = os.path.dirname(folder)
            # The folder was looked up first, so any file created in it from now on changes its time.
            seen = _look(path)
            if seen is None:
                self.absent.setdefault(folder, {})[path] = None
                self.folders.setdefault(folder, _settled(above))
        if seen is not None:
            self.found[path] = seen
        return seen

    def still_holds(self) -> bool:
        """Return whether every lookup would give the same answer now."""
        return all(_look(path) == seen for path, seen in self.found.items()) and all(
            map(self._lacks_the_same, list(self.absent))
        )

    def _lacks_the_same(self, folder: str) -> bool:
        now = _look(folder)
        if now is not None and now == self.folders[folder]:
            return True
        # A closer parent folder may exist by now: record the lookups again.
        del self.folders[folder]
        return all(self.look_up(path) is None for path in self.absent.pop(folder))


_current: ContextVar[Snapshot | None] = ContextVar("snapshot", default=None)


@contextlib.contextmanager
def recording() -> Iterator[Snapshot]:
    """Record all lookups by the functions of this module while the block runs."""
    snapshot = Snapshot()
    token = _current.set(snapshot)
    try:
        yield snapshot
    finally:
        _current.reset(token)


def stamp(path: str | os.PathLike[str]) -> Stamp | None:
    """Return a stamp that differs after a file has changed; None if nothing exists at the path."""
    name, snapshot = os.fspath(path), _current.get()
    return _look(name) if snapshot is None else snapshot.look_up(os.path.abspath(name))  # noqa: PTH100


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether the path is a regular file."""
    found = stamp(path)
    return found is not None and stat.S_ISREG(found[3])


def content(path: str | os.PathLike[str]) -> bytes | None:
    """Return a file's bytes; None if it cannot be read."""
    if _current.get() is not None:
        stamp(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def which(program: str, *, path: str) -> str | None:
    """Return the path of a program, as `shutil.which` finds it; None if it is not found.

    Args:
        program: its name, or its path.
        path: folders to search, separated as in PATH.
    """
    found = shutil.which(program, path=path)
    if _current.get() is not None:
        # A program created in an earlier folder changes that folder's time.
        for folder in filter(None, path.split(os.pathsep)):
            if found is not None and os.path.dirname(found) == folder:
                break
            stamp(folder)
        if found is not None:
            stamp(found)
    return found


def _settled(folder: Stamp | None) -> Stamp | None:
    """Return a folder's stamp; None if a change in the same tick could still go unnoticed."""
    return folder if folder is not None and time.time_ns() - folder[0] > _SETTLED else None


def _look(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
