"""Remove what killed processes left in the store: unfinished files, and the folders of their sessions."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .locking import is_locked
from .unfinished import age, is_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .folder import Store

__all__ = ["living_sessions", "remove_with_folder", "sweep"]

_STARTING = 10
"""Seconds that a session has between creating its folder and locking the file ``alive`` in the folder."""


def sweep(store: Store) -> None:
    """Remove the unfinished files of processes that have ended, and the session folders of kernels that have died.

    Args:
        store: the store.
    """
    for path in _children(store.place("tmp")):
        if is_abandoned(path):
            store.remove(path)
    living = set(living_sessions(store))
    for session in _children(store.place("sessions")):
        alive = session / "alive"
        if session not in living and age(alive if alive.exists() else session) > _STARTING:
            store.remove(session)


def living_sessions(store: Store) -> Iterator[Path]:
    """Yield the session folders of running kernels, including this one.

    Args:
        store: the store.
    """
    yield from (session for session in _children(store.place("sessions")) if is_locked(session / "alive"))


def remove_with_folder(file: Path) -> None:
    """Remove a file of the store if it exists, and its folder if that is then empty.

    Args:
        file: the file.
    """
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
        file.parent.rmdir()


def _children(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []
