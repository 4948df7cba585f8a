"""Copies of stores, for tests that damage one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["copy_store"]


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
