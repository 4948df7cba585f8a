"""PYO3MAGIC_STORE as a list of folders: the user's own store, and read-only layers that all users share.

A layer's modules are loaded into this process, so a layer is used only if root and the user alone can change it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "is_trusted", "own_folder", "read_only_folders"]

VARIABLE = "PYO3MAGIC_STORE"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def own_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the first writable folder in PYO3MAGIC_STORE, or else the first; None if the variable is not set."""
    folders = _folders(environ)
    return next(filter(_is_writable, folders), folders[0]) if folders else None


def read_only_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the layers: the other folders in PYO3MAGIC_STORE that only root and the user can change, in order."""
    own = own_folder(environ)
    return tuple(folder for folder in _folders(environ) if folder != own and is_trusted(folder))


def is_trusted(path: Path) -> bool:
    """Return whether only root and this user can change the file or folder at a path.

    Every parent folder must belong to root or the user, and must not be writable by group or others. Sticky folders
    (``/tmp``) are accepted as parents, because nobody can rename other users' files in them.
    """
    if not hasattr(os, "getuid"):
        return True
    try:
        real = path.resolve(strict=True)
        for step in (real, *real.parents):
            status = os.stat(step)
            closed = not status.st_mode & _OTHERS_WRITE or (step != real and status.st_mode & stat.S_ISVTX)
            if status.st_uid not in {0, os.getuid()} or not closed:
                return False
    except OSError:
        return False
    return True


def _folders(environ: Mapping[str, str]) -> list[Path]:
    parts = environ.get(VARIABLE, "").split(os.pathsep)
    return [Path(part).expanduser().absolute() for part in parts if part]


def _is_writable(folder: Path) -> bool:
    existing = next((step for step in (folder, *folder.parents) if step.exists()), folder)
    is_ours = existing != folder or not hasattr(os, "getuid") or existing.stat().st_uid == os.getuid()
    return is_ours and os.access(existing, os.W_OK)
