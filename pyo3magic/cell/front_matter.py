"""Front matter of a cell: cargo's single-file packages (RFC 3503), TOML between two lines of three or more dashes.

The types are those of the cargo reference, "The Manifest Format". Only keys that this package reads are checked; cargo
reports mistakes in all others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError
from pyo3magic.toml_reader import TomlError, read_toml

from .toml_types import FLAG, TEXT, TEXT_OR_FLAG, TEXTS, Table, Value, line_of_key, wrong_type

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CARGO_TABLES", "DEPENDENCY_TABLES", "split_front_matter"]

_FENCE = re.compile(r"(-{3,})[ \t]*([A-Za-z0-9_.-]*)[ \t]*")
_TEXTS_OF_PACKAGE = ("name", "version", "edition", "description", "license", "license-file", "rust-version")
_ADDRESSES = ("homepage", "repository", "documentation")
_LONGEST = 100_000
_SHOWN = 60
_MOST_KEYS = 1000
_INHERITED = "workspace"


def _or_inherited(kind: Value) -> Table:
    """The type, or ``{ workspace = true }``, which takes the value of ``[workspace.package]``."""
    return Table({_INHERITED: FLAG}, short=kind)


_DEPENDENCY = Table(
    {
        **dict.fromkeys(("version", "path", "package", "git", "branch", "tag", "rev", "registry"), TEXT),
        **dict.fromkeys(("optional", "default-features", _INHERITED), FLAG),
        "features": TEXTS,
    },
    short=Value("a string", TEXT.fits, '"1.0"'),
)
_DEPENDENCIES = Table(others=_DEPENDENCY)
DEPENDENCY_TABLES = ("dependencies", "build-dependencies", "dev-dependencies")
"""The tables of dependencies, at the top and below ``[target.'...']``."""
_OF_DEPENDENCIES = dict.fromkeys(DEPENDENCY_TABLES, _DEPENDENCIES)

CARGO_TABLES = Table(
    {
        "package": Table(
            {
                **dict.fromkeys(("name", "links"), TEXT),
                **dict.fromkeys((*_TEXTS_OF_PACKAGE[1:], *_ADDRESSES), _or_inherited(TEXT)),
                **dict.fromkeys(("authors", "keywords", "categories"), _or_inherited(TEXTS)),
                "readme": _or_inherited(TEXT_OR_FLAG),
            }
        ),
        "lib": Table({"name": TEXT, "path": TEXT, "crate-type": TEXTS, "crate_type": TEXTS}),
        "features": Table(others=TEXTS),
        "profile": Table(others=Table()),
        "lints": Table(others=None),
        "replace": Table(),
        "patch": Table(others=_DEPENDENCIES),
        "target": Table(others=Table(_OF_DEPENDENCIES)),
        "workspace": Table({"members": TEXTS, "dependencies": _DEPENDENCIES, "package": Table()}),
        "tool": Table({"pyo3magic": Table()}),
        **_OF_DEPENDENCIES,
    }
)
"""The types of a Cargo.toml's values that this package reads."""


def split_front_matter(body: str) -> tuple[str, dict[str, Any], str, int]:
    """Split the text of a cell.

    Args:
        body: the text below the ``%%rust`` line.

    Returns:
        The Rust, with the front matter's lines emptied; the tables; their TOML; and the cell's line where that begins.

    Raises:
        ManifestError: the front matter is malformed, or a value has the wrong type.
    """
    lines = body.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if first < len(lines) and lines[first].startswith("#!") and not lines[first].startswith("#!["):
        lines[first] = _emptied(lines[first])
        first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    opening = _FENCE.fullmatch(lines[first].rstrip("\r\n"))
    if opening is None:
        return "".join(lines), {}, "", 0
    fence, info = opening.groups()
    if info not in {"", "cargo", "toml"}:
        raise ManifestError(
            f"Line {first + 2} of the cell starts front matter of the kind {info!r}, but only cargo's is supported.",
            advice="Begin the front matter with --- alone.",
        )
    last = next((i for i in range(first + 1, len(lines)) if lines[i].rstrip() == fence), None)
    if last is None:
        raise ManifestError(
            f"The front matter that starts on line {first + 2} of the cell does not end.",
            advice=f"Close it with a line {fence if len(fence) < 80 else '---'} before the Rust begins.",  # noqa: PLR2004
        )
    text, offset = "".join(lines[first + 1 : last]), first + 3
    tables = _parsed(text, offset)
    _check_size(tables, text, offset)
    _check(tables, text, offset)
    for i in range(first, last + 1):
        lines[i] = _emptied(lines[i])
    return "".join(lines), tables, text, offset


def _emptied(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _parsed(text: str, offset: int) -> dict[str, Any]:
    try:
        return read_toml(text)
    except TomlError as error:
        where, pointer = f"from line {offset - 1} of the cell on", ""
        if error.line:
            where = f"line {error.line + offset - 1} of the cell"
            where += f", column {error.column}" if error.column else ""
            line = (text.split("\n")[error.line - 1 : error.line] or [""])[0].rstrip("\r")
            longest = 200
            if error.column and line.strip() and len(line) <= longest:
                pointer = f"\n\n    {line}\n    {' ' * (error.column - 1)}^"
        raise ManifestError(
            f"The front matter is not valid TOML: {error.reason} ({where}).{pointer}",
            advice="It takes the tables of a Cargo.toml, for example:\n\n    ---\n    [dependencies]\n"
            '    numpy = "*"\n    ---\n\nEach table and key may appear only once.',
        ) from None


def _check_size(tables: dict[str, Any], text: str, offset: int) -> None:
    """Raise ManifestError if writing the tables takes long: tomlkit's time grows with the square of a table."""
    problem = f"has {len(text)} characters, and may have {_LONGEST}" if len(text) > _LONGEST else ""
    stack: list[Any] = [tables]
    while stack and not problem:
        item = stack.pop()
        if isinstance(item, dict) and len(item) > _MOST_KEYS:
            problem = f"has a table with {len(item)} keys, and a table may have {_MOST_KEYS}"
        if isinstance(item, (dict, list)):
            stack.extend(item.values() if isinstance(item, dict) else item)
    if problem:
        raise ManifestError(
            f"The front matter that starts on line {offset - 1} of the cell {problem}.",
            advice="Move the code to a cargo project with a Cargo.toml of its own, and build that with %rust --crate.",
        )


def _check(tables: dict[str, Any], text: str, offset: int) -> None:
    """Check the tables' types, and that a cell can have them."""

    def error(path: tuple[str, ...], message: str, advice: str) -> ManifestError:
        line = line_of_key(text, path) + offset - 1
        return ManifestError(f"Line {line} of the cell: {message}", advice=advice)

    if wrong := wrong_type(tables, CARGO_TABLES):
        raise error(wrong.path, f"in the front matter, {wrong.message}.", wrong.advice)
    if path := next(_with_nul(tables, ()), None):
        shown = ".".join(path).replace("\x00", "?")[:_SHOWN]
        raise error(path, f"in the front matter, {shown} contains a NUL character.", "Remove the character \\u0000.")
    for name in ("bin", "example", "test", "bench"):
        if name in tables:
            message = f"the front matter has a [[{name}]] table, but a cell is one library."
            raise error((name,), message, "Leave the table out.")
    for key, value in tables.items():
        if not isinstance(value, dict):
            raise error(
                (key,),
                f"the front matter has {key[:_SHOWN]!a} outside any table, where Cargo.toml has no such key.",
                f'Write dependencies below a line [dependencies]:\n\n    [dependencies]\n    {key[:_SHOWN]} = "*"',
            )


def _with_nul(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the path of each key and value that contains a NUL character; the tables are not deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            if "\x00" in key:
                yield (*path, key)
            yield from _with_nul(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _with_nul(item, path)
    elif isinstance(value, str) and "\x00" in value:
        yield path
