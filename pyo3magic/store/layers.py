"""PYO3MAGIC_STORE as a list of folders: the user's own store, and read-only layers that all users share.

A layer's modules are loaded into this process, so a layer is used only if root and the user alone can change it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import StoreError

from .trust import is_trusted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "own_folder", "read_only_folders"]

VARIABLE = "PYO3MAGIC_STORE"


def own_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the user's own store.

    The folder is the first writable one in PYO3MAGIC_STORE, or else ``pyo3magic`` in the user's cache folder. A store
    that cannot be written is used as a layer, and new modules go to the cache folder or to a temporary folder.

    Args:
        environ: the environment.

    Raises:
        StoreError: PYO3MAGIC_STORE names the home folder of an unknown user.
    """
    named = _named(environ)
    folders = named or [_default()]
    own = next(filter(_is_writable, folders), None)
    if own is None and (is_trusted(folders[0]) or not (named or folders[0].exists())):
        own = next(filter(_is_writable, (_default(), _temporary())), None)
    return own or folders[0]


def read_only_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the layers: the other folders in PYO3MAGIC_STORE that only root and the user can change, in order.

    Args:
        environ: the environment.
    """
    own = own_folder(environ)
    return tuple(folder for folder in _named(environ) or [_default()] if folder != own and is_trusted(folder))


def _default() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("pyo3magic", appauthor=False))


def _temporary() -> Path:
    import tempfile

    return Path(tempfile.gettempdir()) / f"pyo3magic-{os.getuid() if hasattr(os, 'getuid') else 'store'}"


def _named(environ: Mapping[str, str]) -> list[Path]:
    parts = environ.get(VARIABLE, "").split(os.pathsep)
    try:
        return [Path(part).expanduser().absolute() for part in parts if part]
    except RuntimeError as error:
        raise StoreError(
            f"{VARIABLE} is {environ[VARIABLE]!r}, but no such home folder is known.",
            advice=f"Set {VARIABLE} to a folder's path.",
        ) from error


def _is_writable(folder: Path) -> bool:
    existing = next((step for step in (folder, *folder.parents) if step.exists()), folder)
    is_ours = existing != folder or not hasattr(os, "getuid") or existing.stat().st_uid == os.getuid()
    return is_ours and os.access(existing, os.W_OK)
