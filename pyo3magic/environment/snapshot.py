"""Records file-system lookups, so that a result can be reused until one of them would give another answer.

Finding cargo, rustc and their configuration takes thirty lookups and a millisecond, at every run of a cell. Most find
nothing, in folders that do not change; one lookup of such a folder's own time repeats all lookups in it.
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
"""Nanoseconds after which a folder's time differs from that of any later change: file systems count in ticks."""


@dataclass(slots=True)
class Snapshot:
    """Lookups and their answers.

    Attributes:
        found: path and stamp of what was there.
        absent: paths where nothing was, by the nearest folder above them that exists.
        folders: stamps of these folders; None for one that may still change without a change of its time.
    """

    found: dict[str, Stamp] = field(default_factory=dict)
    absent: dict[str, dict[str, None]] = field(default_factory=dict)
    folders: dict[str, Stamp | None] = field(default_factory=dict)

    def look_up(self, path: str) -> Stamp | None:
        """Look up an absolute path, and record the answer."""
        seen = _look(path)
        if seen is None:
            folder = os.path.dirname(path)
            while (above := _look(folder)) is None and os.path.dirname(folder) != folder:
                folder = os.path.dirname(folder)
            # The folder was looked up first: whatever comes into it from now on changes its time.
            seen = _look(path)
            if seen is None:
                self.absent.setdefault(folder, {})[path] = None
                self.folders.setdefault(folder, _settled(above))
        if seen is not None:
            self.found[path] = seen
        return seen

    def still_holds(self) -> bool:
        """Whether every lookup would give the same answer now."""
        return all(_look(path) == seen for path, seen in self.found.items()) and all(
            map(self._lacks_the_same, list(self.absent))
        )

    def _lacks_the_same(self, folder: str) -> bool:
        now = _look(folder)
        if now is not None and now == self.folders[folder]:
            return True
        # A folder further down may exist by now: record the lookups anew.
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
    """What differs between a file and a changed one; None where nothing is."""
    name, snapshot = os.fspath(path), _current.get()
    return _look(name) if snapshot is None else snapshot.look_up(os.path.abspath(name))  # noqa: PTH100


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file is there."""
    found = stamp(path)
    return found is not None and stat.S_ISREG(found[3])


def content(path: str | os.PathLike[str]) -> bytes | None:
    """A file's bytes; None where it cannot be read."""
    if _current.get() is not None:
        stamp(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def which(program: str, *, path: str) -> str | None:
    """Path of a program, as `shutil.which` finds it; None where there is none.

    Args:
        program: its name, or its path.
        path: folders to search, separated as in PATH.
    """
    found = shutil.which(program, path=path)
    if _current.get() is not None:
        # A program that comes into an earlier folder changes that folder.
        for folder in filter(None, path.split(os.pathsep)):
            if found is not None and os.path.dirname(found) == folder:
                break
            stamp(folder)
        if found is not None:
            stamp(found)
    return found


def _settled(folder: Stamp | None) -> Stamp | None:
    """A folder's stamp; None where a change in the same tick could still go unseen."""
    return folder if folder is not None and time.time_ns() - folder[0] > _SETTLED else None


def _look(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
