"""The folders at the top of the store: made once, the user's own, closed to others."""

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
    """Make the store's folder if need be, and check that it is the user's own and of this format.

    Args:
        folder: the store's folder.

    Raises:
        StoreError: it cannot be made, is a file, belongs to another user or is of another format.
    """
    try:
        status = os.stat(folder / "format")
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
            advice="Remove the folder, or set PYO3MAGIC_STORE to a different one.",
        )


def _create(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()) and not all((folder / name).exists() for name in _PLACES[:1]):
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
    except OSError as error:
        raise failure(folder, error) from error


def failure(folder: Path, error: OSError) -> StoreError:
    """The error to raise when the operating system refuses to read or write the store.

    Args:
        folder: the store's folder.
        error: what the operating system says.
    """
    reason = error.strerror or str(error)
    return StoreError(
        f"The store at {folder} cannot be used: {reason}.",
        advice="Free some space (%pyo3_cache --clear empties the store), or set the environment variable "
        "PYO3MAGIC_STORE to a folder you can write to, before %load_ext.",
    )
