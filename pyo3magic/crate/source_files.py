"""A file of Rust as a cell: ``%%rust --file path.rs`` builds it, ``%%rust --write path.rs`` saves a cell.

The file is read once, with what it names by relative path: its ``mod x;`` files (Rust reference, "Modules") and what
``include!``, ``include_str!`` and ``include_bytes!`` read. Exactly what was read is built, whatever an editor does to
the files in the meantime.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import CellError, OptionError
from pyo3magic.store.files import replace_file

from .companions import companions_of, nearest

if TYPE_CHECKING:
    from pyo3magic.cell import Options

__all__ = ["SourceFile", "read_source", "saved_text", "with_file", "write_cell", "write_source"]

_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of Rust as it was when it was read.

    Attributes:
        path: where it is, absolute.
        shown: its path as the user wrote it, which messages use.
        text: what it held.
        digest: SHA-256 of its bytes.
    """

    path: Path
    shown: str
    text: str
    digest: str

    def has_changed(self) -> bool:
        """Whether the file is another one by now, or gone."""
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() != self.digest
        except OSError:
            return True


def read_source(name: str) -> SourceFile:
    """Read a file of Rust.

    Args:
        name: its path; a relative one starts at the working directory, ``~`` is the home folder.

    Raises:
        CellError: it does not exist, cannot be read, or is no UTF-8 text.
    """
    path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100 - symbolic links stay, so that siblings are found
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except FileNotFoundError:
        raise CellError(
            f"There is no file {name} (in {path.parent}).", advice=nearest(path) or "Check the path given with --file."
        ) from None
    except IsADirectoryError:
        raise CellError(
            f"{name} is a folder, not a file of Rust.",
            advice=f"Build a cargo project with %rust --crate {name}, or name one of its files.",
        ) from None
    except OSError as error:
        raise CellError(
            f"{name} cannot be read: {error.strerror or error}.", advice="Check its permissions."
        ) from error
    if len(data) > _LIMIT:
        raise CellError(f"{name} is larger than {_LIMIT >> 20} MB, which is no source file.", advice="Check the path.")
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
    """The text of a file that is the cell: its Rust and its front matter, into which ``-d`` and the like are merged."""
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
    """Save a cell as a file, with copies of the files that it names where the saved file will look for them.

    Args:
        name: the path.
        options: the cell's options; ``folder`` says where its files are.
        body: the text below the ``%%rust`` line.
        overwrite: see `write_source`.
        ours: see `write_source`.

    Returns:
        Where the cell is, and the paths of the copies from there.

    Raises:
        CellError: a file that it names is missing.
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
            copies.append(between)
    return path, tuple(copies)


def write_source(name: str, data: bytes, *, overwrite: bool, ours: dict[str, str]) -> Path:
    """Save a file, whole or not at all, and return where.

    Args:
        name: the path.
        data: what to write.
        overwrite: whether a file with other content may be replaced (``--force``).
        ours: digest of what was last written to each path, which may be replaced; it is brought up to date.

    Raises:
        OptionError: something else is there, or it cannot be written.
    """
    path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100 - a symbolic link is written through below
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
            f"{name} exists and holds something else than this cell; nothing was written.",
            advice="Write --force to replace it, or choose another path; %rust --file builds it as it stands.",
        )
    if present != digest:
        try:
            replace_file(place, data, mode=place.stat().st_mode & 0o777 if place.exists() else None)
        except OSError as error:
            raise OptionError(
                f"{name} cannot be written: {error.strerror or error}.",
                advice="Choose another path, or make its folder.",
            ) from None
    ours[str(place)] = digest
    return path


def _inline(value: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(value)
    return table


def with_file(options: Options, source: SourceFile) -> Options:
    """The options of a cell whose text is that file's."""
    return dataclasses.replace(options, file=str(source.path))
