"""Where exported files go: checked before anything is built, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_folder", "place_file", "place_tree", "source_date"]

_ZIP_EPOCH = 315532800
"""1980-01-01, the oldest time that a zip file can tell."""


def source_date(environ: Mapping[str, str] = os.environ) -> tuple[int, int, int, int, int, int]:
    """The time written into archives: SOURCE_DATE_EPOCH (reproducible-builds.org), else always the same one."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    moment = max(int(text), _ZIP_EPOCH) if text.isdigit() else _ZIP_EPOCH
    parts = time.gmtime(moment)
    return (parts[0], parts[1], parts[2], parts[3], parts[4], parts[5])


def check_folder(folder: Path) -> Path:
    """Make the output folder where it does not exist.

    Raises:
        OptionError: it is a file, or cannot be made or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file, not a folder.", advice="Name another folder with -o.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OptionError(
            f"Nothing can be written to the folder {folder}: {error.strerror or error}.",
            advice="Name another folder with -o.",
        ) from None
    return folder


def check_free(path: Path, content: bytes, *, force: bool) -> bool:
    """Whether a file has to be written; an existing one of the same bytes is as good.

    Raises:
        OptionError: a different one is there, and ``force`` is not given.
    """
    if not path.exists():
        return True
    if path.is_file() and path.read_bytes() == content:
        return False
    if force and path.is_file():
        return True
    raise OptionError(
        f"{path} exists already, and its content is another one.",
        advice="Raise the version with --version (PyPI never takes the same file name twice), or overwrite it with "
        "--force.",
    )


def place_file(path: Path, content: bytes, *, force: bool) -> Path:
    """Put a file in its place in one step.

    Raises:
        OptionError: a different one is there, and ``force`` is not given; or it cannot be written.
    """
    if not check_free(path, content, force=force):
        return path
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        staging = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            staging.chmod(0o644)
            staging.replace(path)
        finally:
            staging.unlink(missing_ok=True)
    except OSError as error:
        raise OptionError(
            f"{path} cannot be written: {error.strerror or error}.", advice="Name another folder with -o."
        ) from None
    return path


def place_tree(
    folder: Path, files: Mapping[str, bytes], *, force: bool, executable: frozenset[str] = frozenset()
) -> Path:
    """Put a tree of files in its place; one that exists already is only touched with ``force``, file by file.

    Raises:
        OptionError: the folder is a file or has other content, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file, not a folder.", advice="Name another folder.")
    if folder.exists() and any(folder.iterdir()):
        changed = [name for name, content in files.items() if not _is_same(folder / name, content)]
        if not changed:
            return folder
        if not force:
            raise OptionError(
                f"The folder {folder} is not empty, and {changed[0]} in it is not what would be written.",
                advice="Name another folder, or write over the files of the project with --force (others stay).",
            )
        return _write(folder, files, executable)
    parent = folder.absolute().parent
    check_folder(parent)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    try:
        staging.chmod(0o755)
        _write(staging, files, executable)
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _is_same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _write(folder: Path, files: Mapping[str, bytes], executable: frozenset[str]) -> Path:
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if name in executable:
                path.chmod(0o755)
    except OSError as error:
        raise OptionError(
            f"{folder} cannot be written: {error.strerror or error}.", advice="Name another folder."
        ) from None
    return folder
