"""Digests of files and folders, inside and outside the store."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["digest_file", "digest_folder", "digest_libraries", "digest_tree"]

_SKIPPED = frozenset({"target", ".git", "node_modules", "__pycache__", ".venv"})


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal; empty if the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def digest_libraries(folder: Path) -> str:
    """Return the SHA-256 of all shared libraries in a folder; only libraries with a new size or time are read again."""
    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix in {".so", ".dylib", ".dll"}:
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((path.name, _digest_library(path, status.st_size, status.st_mtime_ns, status.st_ino)))
    return hashlib.sha256(repr(found).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _digest_library(path: Path, *_stamp: int) -> str:
    return digest_file(path)


def digest_folder(folder: Path) -> str:
    """Return a digest of the names and contents of all files in a folder, wherever the folder is.

    Raises:
        OSError: a file cannot be read.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for name in names:
        digest.update(repr((name, hashlib.sha256((folder / name).read_bytes()).hexdigest())).encode())
    return digest.hexdigest()


def digest_tree(folder: Path) -> str:
    """Return a digest of the names, sizes and times of a folder's files except version control and build output."""
    digest = hashlib.sha256()
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            path = os.path.join(base, name)  # noqa: PTH118
            with contextlib.suppress(OSError):
                status = os.stat(path)
                digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()
