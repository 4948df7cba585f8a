"""Writes exported files: the folder is checked before anything is built, a file is written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import OptionError
from pyo3magic.store.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_folder", "check_project_folder", "place_file", "place_tree", "source_date"]

_ZIP_EPOCH = 315532800
"""1980-01-01 in seconds since 1970, the oldest time that a zip file can hold."""


def source_date(environ: Mapping[str, str] = os.environ) -> tuple[int, int, int, int, int, int]:
    """The time for files in archives: SOURCE_DATE_EPOCH (reproducible-builds.org) or 1980-01-01, whichever is later.

    Returns:
        Year, month, day, hour, minute and second, in UTC.
    """
    text = environ.get("SOURCE_DATE_EPOCH", "")
    moment = max(int(text), _ZIP_EPOCH) if text.isdigit() else _ZIP_EPOCH
    parts = time.gmtime(moment)
    return (parts[0], parts[1], parts[2], parts[3], parts[4], parts[5])


def check_folder(folder: Path, advice: str = "Name another folder with -o.") -> None:
    """Make the output folder if it does not exist, and check that files can be written to it.

    Args:
        folder: the folder.
        advice: what to do when it cannot be used.

    Raises:
        OptionError: the path is a file, or the folder cannot be made or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file, not a folder.", advice=advice)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error, advice) from None


def check_project_folder(folder: Path, *, marker: str = "") -> None:
    """Check, before anything is built, that a project can be written to a folder.

    Args:
        folder: the project's directory.
        marker: a file that the folder must have unless it is empty.

    Raises:
        OptionError: the path is a file, the folder cannot be made or written to, or it holds something else.
    """
    check_folder(folder if folder.exists() else folder.absolute().parent, "Name another folder.")
    if marker and _has_files(folder) and not (folder / marker).is_file():
        raise _occupied(folder, marker)


def place_file(path: Path, content: bytes, *, force: bool) -> Path:
    """Write a file in one step; an existing file with the same content stays untouched. Returns the path.

    Args:
        path: where to write the file; its folder exists.
        content: the file's content.
        force: replace a file with different content.

    Raises:
        OptionError: the path already exists with different content and ``force`` is false, or cannot be written.
    """
    if _is_same(path, content):
        return path
    if path.exists() and not (force and path.is_file()):
        raise OptionError(
            f"{path} already exists with different content.",
            advice="Raise the version with --version (PyPI never takes the same file name twice), or overwrite the "
            "file with --force.",
        )
    try:
        replace_file(path, content, mode=0o644)
    except OSError as error:
        raise _unwritable(path, error, "Name another folder with -o.") from None
    return path


def place_tree(
    folder: Path, files: Mapping[str, bytes], *, force: bool, executable: frozenset[str] = frozenset()
) -> None:
    """Write a tree of files: a new folder in one step, an existing one only with ``force``, file by file.

    Args:
        folder: the folder; an empty one is like none.
        files: relative path and content of each file.
        force: write over existing files with different content; other files in the folder stay.
        executable: relative paths of the files that can be run.

    Raises:
        OptionError: the folder is a file, has different content and ``force`` is false, or cannot be written.
    """
    check_project_folder(folder)
    if _has_files(folder):
        changed = [name for name, content in files.items() if not _is_same(folder / name, content)]
        if changed and not force:
            raise _occupied(folder, changed[0])
        _write(folder, files, executable)
        return
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    try:
        staging.chmod(0o755)
        _write(staging, files, executable)
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _has_files(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _occupied(folder: Path, name: str) -> OptionError:
    return OptionError(
        f"The folder {folder} is not empty, and {name} in it is missing or different.",
        advice="Name another folder, or write over the files of the project with --force (others stay).",
    )


def _is_same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _write(folder: Path, files: Mapping[str, bytes], executable: frozenset[str]) -> None:
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if name in executable:
                path.chmod(0o755)
    except OSError as error:
        raise _unwritable(folder, error, "Name another folder.") from None


def _unwritable(path: Path, error: OSError, advice: str) -> OptionError:
    return OptionError(f"{path} cannot be written: {error.strerror or error}.", advice=advice)
