"""Locks between processes; waiting for a lock is visible and can be interrupted.

Some network file systems and containers have no ``flock``. There, the lock is the existence of a file that names its
holder, and a holder that no longer runs on this machine loses the lock (filelock's `SoftFileLock`).
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from typing import TYPE_CHECKING

from pyo3magic.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    from filelock import BaseFileLock

__all__ = ["Presence", "exclusive", "has_locks", "is_locked"]

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM, errno.EINVAL}
_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK}


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

    lock: BaseFileLock = FileLock(path, mode=0o600, fallback_to_soft=False)
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if waiting is not None:
                waiting()
            time.sleep(poll)
        except OSError as error:
            if error.errno in _UNSUPPORTED and not _is_soft(lock):
                lock = _soft_lock(path)
                continue
            raise StoreError(
                f"The store's file {path} cannot be locked: {error.strerror or error}.",
                advice="Check that the folder is yours and can be written to, or set PYO3MAGIC_STORE to a different "
                "folder.",
            ) from error
    try:
        yield
    finally:
        lock.release()


class Presence:
    """A file that is locked until this process ends or `release` is called.

    filelock is imported only where there is no ``flock``, because the import takes 16 ms, and a kernel whose cells are
    all in the store does not need filelock otherwise.

    Args:
        path: the file; it is created.

    Raises:
        OSError: the file cannot be created or locked.
    """

    def __init__(self, path: Path) -> None:
        self._soft: BaseFileLock | None = None
        self._file = path.open("wb")
        try:
            is_free = _lock(self._file)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                self._file.close()
                raise
            self._soft = _soft_lock(path)
            self._soft.acquire(blocking=False)
            is_free = True
        if not is_free:
            self._file.close()
            raise OSError(errno.EWOULDBLOCK, "the file is locked", str(path))

    def release(self) -> None:
        """Unlock the file."""
        self._file.close()
        if self._soft is not None:
            self._soft.release()


def is_locked(path: Path) -> bool:
    """Return whether another process (or another thread of this process) holds the lock file ``path`` now."""
    try:
        with path.open("rb+") as file:
            return not _lock(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            return True
    from filelock import Timeout

    lock = _soft_lock(path)
    for _ in range(2):  # the first attempt removes the file of a holder that has died
        with contextlib.suppress(Timeout, OSError):
            lock.acquire(blocking=False)
            lock.release()
            return False
    return True


def has_locks(folder: Path) -> bool:
    """Return whether the file system of a folder, which must exist, supports the operating system's locks."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return _lock(file)
    except OSError as error:
        return error.errno not in _UNSUPPORTED


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed, and return whether that succeeded; False if another process has locked it.

    Raises:
        OSError: the file system does not support locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _soft_lock(path: Path) -> BaseFileLock:
    from filelock import SoftFileLock

    return SoftFileLock(f"{path}.held", mode=0o600)


def _is_soft(lock: BaseFileLock) -> bool:
    return lock.lock_file.endswith(".held")
