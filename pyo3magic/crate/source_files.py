"""A file of Rust as a cell: ``%%rust --file path.rs`` builds it, ``%%rust --write path.rs`` saves a cell.

The file is read once, with what it names by relative path: its ``mod x;`` files (Rust reference, "Modules") and what
``include!``, ``include_str!`` and ``include_bytes!`` read. Exactly what was read is built, whatever an editor does to
the files in the meantime.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import CellError, OptionError
from pyo3magic.store.files import replace_file

from . import Attached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from pyo3magic.cell import Cell, Options

__all__ = ["SourceFile", "companions", "companions_of", "read_source", "saved_text", "with_file", "write_source"]

_LIMIT = 16 << 20
_INCLUDES = frozenset({"include", "include_str", "include_bytes"})
_OWN = frozenset({"Cargo.toml", "Cargo.lock", "build.rs", "src/lib.rs", ".cargo/config.toml"})
_PATH = re.compile(r'\bpath\s*=\s*"([^"\\]+)"')
_LITERAL = re.compile(r'\(\s*(?:r#*)?"([^"\\]*)"#*\s*,?\s*\)', re.DOTALL)


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
            f"There is no file {name} (in {path.parent}).", advice=_nearest(path) or "Check the path given with --file."
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


def companions(path: Path, text: str) -> tuple[Attached, ...]:
    """The files that a source file names by relative path, and those that they name, as they are now.

    A file that is not there is left out: the compiler says so where the code names it.

    Args:
        path: the source file, which stands for ``src/lib.rs``.
        text: what it held when it was read.

    Raises:
        CellError: one lies further up than a package can hold.
    """
    found: dict[str, Attached] = {}
    waiting = [(path, text.encode("utf-8", "replace"), path.parent)]
    while waiting:
        file, data, modules = waiting.pop()
        for target, is_rust, folder in _named_files(file, data, modules):
            name = os.path.normpath(Path("src") / os.path.relpath(target, path.parent)).replace(os.sep, "/")
            if name.startswith("../"):
                raise CellError(
                    f"{file.name} includes {os.path.relpath(target, file.parent)}, which is more than one folder above "
                    f"{path.name}.",
                    advice="Build the whole cargo project with %rust --crate, or move the file nearer.",
                )
            if name in found or name in _OWN:
                continue
            try:
                content = target.read_bytes()
            except OSError:
                continue
            found[name] = Attached(name, content, str(target))
            if is_rust:
                waiting.append((target, content, folder))
    return tuple(found[name] for name in sorted(found))


def companions_of(cell: Cell) -> tuple[Attached, ...]:
    """The companions of a cell that is a file; any other cell has none.

    Raises:
        CellError: as of `companions`.
    """
    return () if cell.options.file is None else companions(Path(cell.options.file), cell.source)


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


def write_source(name: str, text: str, *, overwrite: bool, ours: dict[str, str]) -> Path:
    """Save a cell, whole or not at all, and return where.

    Args:
        name: the path.
        text: what to write.
        overwrite: whether a file with other content may be replaced (``--force``).
        ours: digest of what was last written to each path, which may be replaced; it is brought up to date.

    Raises:
        OptionError: something else is there, or it cannot be written.
    """
    path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100 - a symbolic link is written through below
    place = path.resolve()
    data = text.encode()
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


def _nearest(path: Path) -> str:
    from difflib import get_close_matches

    with contextlib.suppress(OSError):
        close = get_close_matches(path.name, [item.name for item in path.parent.iterdir()], n=1)
        return f"Did you mean {close[0]}?" if close else ""
    return ""


def _named_files(file: Path, data: bytes, modules: Path) -> Iterator[tuple[Path, bool, Path]]:
    """Each file that one names: its path, whether it is Rust, and the folder in which its own modules are."""
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_rust.language())).parse(data).root_node
    yield from _module_files(root, file.parent, modules, inline=False)
    stack = [root]
    while stack:
        node = stack.pop()
        stack.extend(node.children)
        if node.type != "identifier" or _text(node) not in _INCLUDES:
            continue
        bang = node.next_sibling
        tree = bang.next_sibling if bang is not None and bang.type == "!" else None
        literal = _LITERAL.fullmatch(_text(tree)) if tree is not None and tree.type == "token_tree" else None
        if literal and not os.path.isabs(literal[1]):  # noqa: PTH117 - a text, not yet a path
            target = Path(os.path.normpath(file.parent / literal[1]))
            yield target, _text(node) == "include", target.parent


def _module_files(container: Node, folder: Path, modules: Path, *, inline: bool) -> Iterator[tuple[Path, bool, Path]]:
    attributes = ""
    for node in container.children:
        if node.type == "attribute_item":
            attributes += _text(node)
            continue
        if node.type in {"line_comment", "block_comment"}:
            continue
        if node.type == "mod_item":
            name = _text(node.child_by_field_name("name")).removeprefix("r#")
            body = node.child_by_field_name("body")
            given = _PATH.search(attributes)
            if body is not None:
                yield from _module_files(body, folder, modules / (given[1] if given else name), inline=True)
            elif given is not None:
                target = Path(os.path.normpath((modules if inline else folder) / given[1]))
                yield target, True, target.parent
            else:
                beside, within = modules / f"{name}.rs", modules / name / "mod.rs"
                yield within if within.is_file() and not beside.is_file() else beside, True, modules / name
        attributes = ""


def _text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


def with_file(options: Options, source: SourceFile) -> Options:
    """The options of a cell whose text is that file's."""
    return dataclasses.replace(options, file=str(source.path))
