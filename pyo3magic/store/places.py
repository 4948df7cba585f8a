"""The top-level folders of the store, created once and accessible only to the user."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pyo3magic.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["failure", "prepare"]

_FORMAT = "1"
_PLACES = (
    "artifacts",
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


def prepare(folder: Path) -> None:
    """Create what is missing of the store's folders, and check the store's owner and format.

    A tool that removes old files from cache folders can remove empty folders of a store in use.

    Args:
        folder: the store's folder.

    Raises:
        StoreError: the folder cannot be created, is a file, belongs to another user or has another format.
    """
    try:
        status = os.stat(folder / "format")
        os.stat(folder / "tmp")
    except FileNotFoundError:
        _create(folder)
        status = os.stat(folder / "format")
    except OSError as error:
        raise failure(folder, error) from error
    if hasattr(os, "getuid"):
        owner = os.stat(folder)
        if owner.st_uid != os.getuid():
            raise StoreError(
                f"The store's folder {folder} belongs to another user (uid {owner.st_uid}), who could put "
                "code there that would then run as you.",
                advice="Set PYO3MAGIC_STORE to a folder of your own.",
            )
        if stat.S_IMODE(owner.st_mode) & 0o077:
            folder.chmod(0o700)
    if status.st_size != len(_FORMAT):
        raise StoreError(
            f"The store at {folder} was made by another version of pyo3magic.",
            advice="Remove the folder, or set PYO3MAGIC_STORE to a different folder.",
        )


def _create(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()) and not any((folder / name).exists() for name in ("format", _PLACES[0])):
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
        if not (folder / "format").exists():
            (folder / "format").write_text(_FORMAT, encoding="ascii")
    except OSError as error:
        raise failure(folder, error) from error


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
