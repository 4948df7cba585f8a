"""The top-level folders of the store, created once and accessible only to the user."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from pyo3magic.errors import StoreError

from .trust import weak_parent

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["failure", "prepare", "read_key"]

_FORMAT = "1"
_KEY_SIZE = 32
_ATTEMPTS = 3
_PLACES = (
    "artifacts",
    "crashes",
    "interpreters",
    "locks",
    "plans",
    "runtimes",
    "sessions",
    "support",
    "targets",
    "tmp",
    "toolchains",
    "variants",
)
_FILES = ("CACHEDIR.TAG", "format", "lost+found", "secret")


def prepare(folder: Path) -> None:
    """Create what is missing of the store's folders, and check the store's owner, path and format.

    A tool that removes old files from cache folders can remove empty folders of a store in use.

    Args:
        folder: the store's folder.

    Raises:
        StoreError: the folder cannot be created, is a file, belongs to another user, has another format, or is below a
            folder that another user can change.
    """
    try:
        if not (folder / "tmp").exists() or not _has_format(folder):
            _create(folder)
        if hasattr(os, "getuid"):
            _check_owner(folder)
    except OSError as error:
        raise failure(folder, error) from error


def _check_owner(folder: Path) -> None:
    owner = os.stat(folder)
    if owner.st_uid != os.getuid():
        raise StoreError(
            f"The store's folder {folder} belongs to another user (uid {owner.st_uid}), who could put "
            "code there that would then run as you.",
            advice="Set PYO3MAGIC_STORE to a folder of your own.",
        )
    if stat.S_IMODE(owner.st_mode) & 0o077:
        folder.chmod(0o700)
    weak = weak_parent(folder)
    if weak is not None:
        place, reason, cure = weak
        raise StoreError(
            f"The store is in {place}, which {reason}: another user could replace the store with code that "
            "would then run as you.",
            advice=f"Run: {cure}\nOr set PYO3MAGIC_STORE to a folder that only you can change.",
        )


def _has_format(folder: Path) -> bool:
    """Return whether the file ``format`` is intact.

    Raises:
        StoreError: the store has another format.
    """
    try:
        text = (folder / "format").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    if text != _FORMAT and text.isdigit():
        raise StoreError(
            f"The store at {folder} was made by another version of pyo3magic.",
            advice="Remove the folder, or set PYO3MAGIC_STORE to a different folder.",
        )
    return text == _FORMAT


def _create(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A store may have lost any of its folders, or may just be made by another process.
    if not {path.name for path in folder.iterdir()} <= {*_PLACES, *_FILES}:
        raise StoreError(
            f"The folder {folder} is not empty and is not a store of pyo3magic.",
            advice="Set PYO3MAGIC_STORE to a new or an empty folder.",
        )
    for name in _PLACES:
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    (folder / "CACHEDIR.TAG").write_text(
        "Signature: 8a477f597d28d172789f06886806bc55\n# A cache folder; see https://bford.info/cachedir/\n",
        encoding="ascii",
    )
    (folder / "format").write_text(_FORMAT, encoding="ascii")


def read_key(path: Path, staging: Path, *, may_write: bool) -> bytes:
    """Return the store's random key, which is made once.

    Args:
        path: the key's file.
        staging: a temporary path on the same file system.
        may_write: whether a missing or damaged key is replaced.

    Raises:
        OSError: the key cannot be read or written.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            key = path.read_bytes()
            if len(key) == _KEY_SIZE or not may_write:
                return key
            path.unlink()
        if not may_write:
            break
        staging.write_bytes(os.urandom(_KEY_SIZE))
        staging.chmod(0o600)
        try:
            # Of two processes at once, the first one decides; not every file system has hard links.
            os.link(staging, path)
        except FileExistsError:
            pass
        except OSError:
            staging.replace(path)
        staging.unlink(missing_ok=True)
    raise FileNotFoundError(errno.ENOENT, "the store's key is missing", str(path))


def failure(folder: Path, error: OSError) -> StoreError:
    """Return the error to raise when the store cannot be read or written.

    Args:
        folder: the store's folder.
        error: the operating system's error.
    """
    reason = error.strerror or str(error)
    return StoreError(
        f"The store at {folder} cannot be used: {reason}.",
        advice="Free some space (%pyo3_cache --clear empties the store), or set the environment variable "
        "PYO3MAGIC_STORE to a folder you can write to, before %load_ext.",
    )
