"""Locks between processes; waiting for a lock is visible and can be interrupted."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from pyo3magic.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Presence", "exclusive", "is_locked"]


@contextlib.contextmanager
def exclusive(path: Path, *, waiting: Callable[[], None] | None = None, poll: float = 0.05) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs.

    The operating system releases the lock when its holder dies, so a killed kernel never blocks the next one.

    Args:
        path: the lock file; it is created, and not removed afterwards.
        waiting: called repeatedly while another process holds the lock.
        poll: seconds between two attempts.

    Raises:
        StoreError: the lock file cannot be created.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o600)
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if waiting is not None:
                waiting()
            time.sleep(poll)
        except OSError as error:
            raise StoreError(
                f"The store's file {path} cannot be locked: {error.strerror or error}.",
                advice="Check that the folder is yours and that its file system supports locks, or set "
                "PYO3MAGIC_STORE to another folder.",
            ) from error
    try:
        yield
    finally:
        lock.release()


class Presence:
    """A file that is locked until this process ends or `release` is called.

    filelock is not used here because importing it takes 16 ms, and a kernel whose cells are all in the store does not
    need it otherwise.

    Args:
        path: the file; it is created.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise

    def release(self) -> None:
        """Unlock the file."""
        self._file.close()


def is_locked(path: Path) -> bool:
    """Return whether another process (or another thread of this process) holds the lock file ``path`` now."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):
        return True
    lock.release()
    return False
