"""Write files atomically, and only if their content changes."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["PRIVATE", "append_file", "replace_file", "write_files"]

PRIVATE = 0o600
"""Mode of a file that only the user can read."""


def replace_file(path: Path, data: bytes, *, staging: Path | None = None, mode: int | None = PRIVATE) -> None:
    """Write a file atomically: a reader sees either the old content or the new.

    Args:
        path: the file; its folder must exist.
        data: its content.
        staging: the temporary file's path, on the same file system; by default a new name in the folder of ``path``.
        mode: its permissions; None for the user's default permissions.

    Raises:
        OSError: the file cannot be written; the temporary file is removed.
    """
    staging = staging or path.parent / f".{secrets.token_hex(8)}.part"
    created = 0o666 if mode is None else PRIVATE
    try:
        descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), created)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if mode is not None and mode != created:
            staging.chmod(mode)
        staging.replace(path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def append_file(path: Path, data: bytes) -> None:
    """Append whole lines to a small private file, which is created if missing.

    Args:
        path: the file; its folder must exist.
        data: what to append.

    Raises:
        OSError: the file cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, PRIVATE), "ab", 0) as file:
        file.write(data)


def write_files(folder: Path, files: Mapping[str, bytes], *, only: bool = False, always: Collection[str] = ()) -> None:
    """Write files into a folder, except unchanged files, because cargo detects changes by modification times.

    Args:
        folder: the folder, created if missing.
        files: relative path (with slashes) and content of each file.
        only: remove all other files below the folder.
        always: paths of files to write even if unchanged, which makes cargo compile them.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    if only:
        wanted = {folder / name for name in files}
        for path in [path for path in folder.rglob("*") if path not in wanted and not path.is_dir()]:
            path.unlink()
    for name, data in files.items():
        path = folder / name
        if name in always or not (path.is_file() and path.read_bytes() == data):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
