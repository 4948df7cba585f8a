"""Find the files that a cell's Rust names: ``mod x;``, ``#[path]``, ``include!``, ``include_str!``, ``include_bytes!``.

Files are looked up in the notebook's folder, or next to the file given with ``--file``. Each file is read once, and
later edits do not affect the build. In the cell's package, the files have the same paths relative to ``src/lib.rs`` as
they have relative to the notebook (Rust reference, "Modules"; standard library, ``include!``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import encode
from pyo3magic.errors import CellError

from .named_files import RustSource, named_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.cell import Cell, Options

    from .named_files import NamedFile

__all__ = [
    "Attached",
    "Companions",
    "attached_files",
    "companions",
    "companions_of",
    "home_of",
    "nearest",
]

_LIMIT = 64 << 20
_OWN = frozenset({"Cargo.toml", "Cargo.lock", "build.rs", "src/lib.rs"})
_OWN_FOLDERS = (".cargo/", "cells/", "support/")


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that the source names by relative path.

    Attributes:
        name: its path in the package, with slashes.
        data: its bytes when it was read.
        origin: the path from which it was read.
    """

    name: str
    data: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Companions:
    """The files that a cell's Rust names.

    Attributes:
        attached: the files to copy into the package. A file named by an absolute path is compiled in place instead.
        digests: path to SHA-256 of each file when it was read; empty for a file that was not found.
        origins: path in the package to the path where the file was looked up, whether found or not.
    """

    attached: tuple[Attached, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict, hash=False)
    origins: Mapping[str, str] = field(default_factory=dict, hash=False)


def home_of(options: Options) -> Path | None:
    """Return the folder of the files that a cell names; None if it names no files."""
    if options.file is not None:
        return Path(options.file).parent
    return Path(options.folder) if options.folder is not None else None


def companions_of(cell: Cell) -> Companions:
    """Read the files that a cell names, from the folder that `pyo3magic.cell.with_folder` has recorded.

    Raises:
        CellError: see `companions`.
    """
    home = home_of(cell.options)
    if home is None:
        return Companions()
    if cell.options.file is None:
        return companions(home / "cell", cell.source, is_cell=True)
    above = (folder for folder in (home, *home.parents) if (folder / "Cargo.toml").is_file())
    return companions(Path(cell.options.file), cell.source, package=next(above, home))


def companions(path: Path, text: str, *, package: Path | None = None, is_cell: bool = False) -> Companions:
    """Read the files that a source names, directly or through other files.

    A missing file is an error only if the compiler is sure to read it; a file named under a ``cfg`` or in a macro may
    be missing.

    Args:
        path: the source file, which becomes ``src/lib.rs``; for a cell, any name in the notebook's folder.
        text: its Rust.
        package: the folder for CARGO_MANIFEST_DIR; the source's own by default.
        is_cell: whether the source is a notebook's cell, for messages.

    Raises:
        CellError: a file is missing, cannot be read, is too large, or cannot be placed in the cell's package.
    """
    home = path.parent
    attached: dict[str, Attached] = {}
    digests: dict[str, str] = {}
    origins: dict[str, str] = {}
    waiting = [RustSource(path, encode(text), home, is_first=True)]
    while waiting:
        source = waiting.pop()
        for named in sorted(named_files(source, package or home), key=lambda named: named.at.start_byte):
            row = named.at.start_point[0]
            where = f"Line {row + 2} of the cell" if source.path == path else f"{source.path}:{row + 1}"
            found = {target: _read(target, where, is_certain=named.is_certain) for target in named.paths}
            if named.is_certain and not any(data is not None for data in found.values()):
                raise _missing(where, named, is_cell=is_cell and source.path == path)
            for target, data in found.items():
                is_new = str(target) not in digests
                digests.setdefault(str(target), "" if data is None else hashlib.sha256(data).hexdigest())
                in_place = named.is_absolute or (source.in_place and not named.of_package)
                if not in_place:
                    name = _name(target, (package or home) if named.of_package else home, of_package=named.of_package)
                    if data is not None:
                        _check_place(name, where, target, origins)
                        attached[name] = Attached(name, data, str(target))
                    origins[name] = str(target)
                if is_new and data is not None and named.modules is not None:
                    waiting.append(RustSource(target, data, named.modules, in_place))
    return Companions(tuple(attached[name] for name in sorted(attached)), digests, origins)


def attached_files(crate: Path) -> dict[str, Path]:
    """Return the attached files of a package on disk, by their paths in the package, with slashes.

    Args:
        crate: the package's folder, written by `pyo3magic.crate.Crate.write`.
    """
    names = {path.relative_to(crate).as_posix(): path for path in sorted(crate.rglob("*")) if path.is_file()}
    return {name: path for name, path in names.items() if name not in _OWN and not name.startswith(_OWN_FOLDERS)}


def nearest(path: Path) -> str:
    """Return a question that suggests a file with a similar name in the same folder; empty if there is no such file."""
    from difflib import get_close_matches

    with contextlib.suppress(OSError):
        close = get_close_matches(path.name, [item.name for item in path.parent.iterdir()], n=1)
        return f"Did you mean {close[0]}?" if close else ""
    return ""


def _read(path: Path, where: str, *, is_certain: bool) -> bytes | None:
    """Return a file's bytes; None if it is missing, or if it cannot be read and the compiler may not need it.

    Raises:
        CellError: the file cannot be read, or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > _LIMIT:
            raise CellError(
                f"{where} includes {path}, which has {status.st_size >> 20} MB; a cell's files may have "
                f"{_LIMIT >> 20} MB each.",
                advice="Read it at run time, with std::fs::read.",
            )
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if not is_certain:
            return None
        raise CellError(
            f"{where} names {path}, which cannot be read: {getattr(error, 'strerror', None) or error}.",
            advice="Check its permissions.",
        ) from error


def _missing(where: str, named: NamedFile, *, is_cell: bool) -> CellError:
    hint = next(filter(None, map(nearest, named.paths)), "")
    home = "" if not is_cell or named.is_absolute else " Paths start at the notebook's folder."
    if len(named.paths) > 1:
        first, second = named.paths
        return CellError(
            f"{where} names the module `{named.what}`, but there is neither {first} nor {second}.",
            advice=hint or f"Create one of them, or write the module in place: mod {named.what} {{ ... }}.{home}",
        )
    return CellError(
        f"{where} names {named.what}, but there is no file {named.paths[0]}.",
        advice=hint or f"Create the file, or correct the path.{home}",
    )


def _name(target: Path, base: Path, *, of_package: bool) -> str:
    """Return a file's path in the package; it starts with ``../`` if the file would be outside the package."""
    between = os.path.relpath(target, base)
    return os.path.normpath(between if of_package else Path("src", between)).replace(os.sep, "/")


def _check_place(name: str, where: str, target: Path, origins: Mapping[str, str]) -> None:
    if name.startswith("../"):
        raise CellError(
            f"{where} names {target}, which is more than one folder above the code.",
            advice="Move the file closer, name it by its absolute path, or build the whole cargo project with "
            "%rust --crate.",
        )
    if name in _OWN or name.startswith(_OWN_FOLDERS):
        raise CellError(
            f"{where} names {target}, whose place in the cell's package is taken by the package's own {name}.",
            advice="Give the file or its folder another name, or name it by its absolute path.",
        )
    if origins.get(name, str(target)) != str(target):
        raise CellError(
            f"{where} names {target}, whose place in the cell's package is taken by {origins[name]}.",
            advice="Name one of the two by its absolute path.",
        )
