"""Read a Rust file as a cell (``%%rust --file path.rs``), and save a cell as a file (``%%rust --write path.rs``).

The file is read once, and so are the files that it names by relative path: ``mod x;`` files (Rust reference,
"Modules") and files of ``include!``, ``include_str!`` and ``include_bytes!``. Later edits do not affect the build.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.cell import LONGEST
from pyo3magic.errors import CellError, OptionError
from pyo3magic.store.files import replace_file
from pyo3magic.user_paths import user_path

from .companions import companions_of, nearest

if TYPE_CHECKING:
    from pyo3magic.cell import Options

__all__ = ["SourceFile", "read_source", "saved_text", "with_file", "write_cell", "write_source"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A Rust file at the time it was read.

    Attributes:
        path: its absolute path.
        shown: its path as the user wrote it, for messages.
        text: its content.
        digest: SHA-256 of its bytes.
    """

    path: Path
    shown: str
    text: str
    digest: str

    def has_changed(self) -> bool:
        """Return whether the file has been changed or removed since."""
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() != self.digest
        except OSError:
            return True


def read_source(name: str) -> SourceFile:
    """Read a Rust file.

    Args:
        name: its path; a relative path starts at the working directory, ``~`` is the home folder.

    Raises:
        CellError: the file does not exist, cannot be read, or is not UTF-8 text.
    """
    path = Path(os.path.abspath(user_path(name, "The path of --file")))  # noqa: PTH100 - keep symbolic links to find siblings
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except FileNotFoundError:
        raise CellError(
            f"There is no file {name} (in {path.parent}).", advice=nearest(path) or "Check the path given with --file."
        ) from None
    except IsADirectoryError:
        raise CellError(
            f"{name} is a folder, not a Rust file.",
            advice=f"Build a cargo project with %rust --crate {name}, or name one of its files.",
        ) from None
    except OSError as error:
        raise CellError(
            f"{name} cannot be read: {error.strerror or error}.", advice="Check its permissions."
        ) from error
    if len(data) > LONGEST:
        raise CellError(
            f"{name} is larger than {LONGEST / 1e6:.0f} MB, too large for the source of one cell.",
            advice="Check the path, or build a cargo project with %rust --crate.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CellError(
            f"{name} is not UTF-8 text, which Rust requires (byte {error.start}, in line {line}).",
            advice="Save it as UTF-8 in an editor.",
        ) from None
    return SourceFile(path, name, text, hashlib.sha256(data).hexdigest())


def saved_text(options: Options, body: str) -> str:
    """Return the text of a file for a cell: its Rust and front matter, with ``-d`` and similar options merged in."""
    from pyo3magic.cell import parse_cell

    cell = parse_cell(options, body)
    wanted: dict[str, dict[str, Any]] = {}
    for item in cell.dependencies:
        entry: dict[str, Any] = {"version": item.requirement}
        if item.features:
            entry["features"] = list(item.features)
        if not item.default_features:
            entry["default-features"] = False
        wanted.setdefault("dependencies", {})[item.name] = entry if len(entry) > 1 else item.requirement
    if options.pyo3:
        wanted.setdefault("dependencies", {}).setdefault("pyo3", options.pyo3)
    if options.edition:
        wanted["package"] = {"edition": options.edition}
    if not wanted:
        return body if body.endswith("\n") else body + "\n"
    import tomlkit

    tables = tomlkit.document()
    for name, table in cell.front_matter.items():
        tables[name] = table
    for name, table in wanted.items():
        known = tables.setdefault(name, tomlkit.table())
        for key, value in table.items():
            known.setdefault(key, tomlkit.item(value, _parent=known) if not isinstance(value, dict) else _inline(value))
    return f"---\n{tomlkit.dumps(tables).strip()}\n---\n{cell.source.strip(chr(10))}\n"


def write_cell(
    name: str, options: Options, body: str, *, overwrite: bool, ours: dict[str, str]
) -> tuple[Path, tuple[str, ...]]:
    """Save a cell as a file, and copy the files that it names to the same relative paths.

    Args:
        name: the path.
        options: the cell's options; ``folder`` is the folder of its files.
        body: the text below the ``%%rust`` line.
        overwrite: see `write_source`.
        ours: see `write_source`.

    Returns:
        The file's path, and the relative paths of the copies.

    Raises:
        CellError: a file that the cell names is missing.
        OptionError: see `write_source`.
    """
    from pyo3magic.cell import parse_cell

    attached = companions_of(parse_cell(options, body)).attached
    path = write_source(name, saved_text(options, body).encode(), overwrite=overwrite, ours=ours)
    home = options.folder or ""
    copies = []
    for item in attached:
        between = os.path.relpath(item.origin, home)
        place = os.path.normpath(path.parent / between)
        if place != item.origin:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            write_source(place, item.data, overwrite=overwrite, ours=ours)
            copies.append(Path(between).as_posix())
    return path, tuple(sorted(set(copies)))


def write_source(name: str, data: bytes, *, overwrite: bool, ours: dict[str, str]) -> Path:
    """Save a file, whole or not at all, and return its absolute path.

    Args:
        name: the path.
        data: the content.
        overwrite: whether a file with different content may be replaced (``--force``).
        ours: path to digest of files saved earlier, which may be replaced; updated.

    Raises:
        OptionError: a file with different content exists, or the file cannot be written.
    """
    path = Path(os.path.abspath(user_path(name, "The path of --write")))  # noqa: PTH100 - a symbolic link is written through below
    place = path.resolve()
    digest = hashlib.sha256(data).hexdigest()
    try:
        present = hashlib.sha256(place.read_bytes()).hexdigest()
    except FileNotFoundError:
        present = ""
    except OSError as error:
        raise OptionError(
            f"{name} cannot be written: {error.strerror or error}.", advice="Choose another path."
        ) from None
    if present and present not in {digest, ours.get(str(place))} and not overwrite:
        raise OptionError(
            f"{name} already exists with different content; nothing was written.",
            advice="Use --force to replace it, or choose another path; %rust --file builds the existing file.",
        )
    if present != digest:
        try:
            replace_file(place, data, mode=place.stat().st_mode & 0o777 if place.exists() else None)
        except OSError as error:
            raise OptionError(
                f"{name} cannot be written: {error.strerror or error}.",
                advice="Choose another path, or create its folder.",
            ) from None
    ours[str(place)] = digest
    return path


def _inline(value: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(value)
    return table


def with_file(options: Options, source: SourceFile) -> Options:
    """Return the options of a cell whose text is the file's."""
    return dataclasses.replace(options, file=str(source.path))
