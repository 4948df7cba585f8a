"""Copies of stores, for tests that damage one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["copy_store", "for_copies"]


def copy_store(store: Path, folder: Path) -> Path:
    """Copy a store that no process is using.

    Args:
        store: the store.
        folder: where the copy goes; it must not exist.

    Returns:
        The copy's folder.
    """
    shutil.copytree(store, folder, symlinks=True)
    folder.chmod(0o700)
    return folder


def for_copies(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables for a process with a store of its own: compiled crates are then good for any folder."""
    return {"PYO3MAGIC_KEEP_PATHS": "1", **variables} if "PYO3MAGIC_STORE" in variables else {**variables}
