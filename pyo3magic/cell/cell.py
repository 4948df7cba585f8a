"""Options, front matter and source text of a ``%%rust`` cell.

Front matter has the form of cargo's own single-file packages (RFC 3503): TOML between two lines of three or more
dashes, before any Rust.
"""

from __future__ import annotations

import dataclasses
import keyword
import os
import re
from dataclasses import dataclass, field, fields
from typing import Any

from pyo3magic.errors import CellError, ManifestError

__all__ = [
    "EDITIONS",
    "Cell",
    "Dependency",
    "Options",
    "check_module_name",
    "parse_cell",
    "parse_dependency",
    "with_folder",
]

EDITIONS = ("2015", "2018", "2021", "2024")
"""Rust editions that a cell can choose."""

_FENCE = re.compile(r"(-{3,})[ \t]*([A-Za-z0-9_.-]*)[ \t]*")
_BYTE_ORDER_MARK = "\ufeff"
_MODULE_FILE = re.compile(r"mod\s+(?:r#)?\w+\s*;")
_INCLUDE = re.compile(r"include(?:_str|_bytes)?\s*!")
_CRATE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Options:
    """The build options on the ``%%rust`` line; they are part of the artifact's digest.

    Attributes:
        module: name given with ``-m``, or None.
        dependencies: the texts given with ``-d``.
        debug: build with cargo's dev profile.
        native: let the compiler use every instruction of this machine's processor.
        features: features of the cell's own package to enable.
        edition: Rust edition.
        pyo3: requirement that replaces the default range of pyo3 versions.
        file: absolute path of the file to build (``--file``); relative paths in it start at its folder.
        crate: absolute path of the cargo project to build (``--crate``).
        folder: absolute path of the folder with the files that the cell's Rust names (`with_folder`); None if it names
            no file.
    """

    module: str | None = None
    dependencies: tuple[str, ...] = ()
    debug: bool = False
    native: bool = False
    features: tuple[str, ...] = ()
    edition: str | None = None
    pyo3: str | None = None
    file: str | None = None
    crate: str | None = None
    folder: str | None = None

    def canonical(self) -> str:
        """Return a text that is equal for two sets of options exactly if they build the same module."""
        return repr([(each.name, getattr(self, each.name)) for each in fields(self)])


@dataclass(frozen=True, slots=True)
class Dependency:
    """A ``-d`` option: a crate, its requirement and its features, in the form of ``cargo add``."""

    name: str
    requirement: str = "*"
    features: tuple[str, ...] = ()
    default_features: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """A parsed cell.

    Attributes:
        options: the options of its first line.
        source: the Rust text below the ``%%rust`` line, with the front matter's lines emptied; line ``k`` of ``source``
            is line ``k + 1`` of the cell in an editor.
        front_matter: the TOML tables of the front matter, if any.
        dependencies: the ``-d`` options, parsed.
    """

    options: Options
    source: str
    front_matter: dict[str, Any] = field(default_factory=dict, hash=False)
    dependencies: tuple[Dependency, ...] = ()

    @property
    def declared(self) -> frozenset[str]:
        """The names under which code can use the crates in the cell's manifest, including pyo3."""
        written = self.front_matter.get("dependencies", {})
        names = ("pyo3", *written, *(item.name for item in self.dependencies))
        return frozenset(name.replace("-", "_") for name in names)


def parse_cell(options: Options, body: str) -> Cell:
    """Make a cell from its options and the text below the ``%%rust`` line.

    Raises:
        CellError: the cell has no text, or its module name is invalid.
        ManifestError: the front matter or a ``-d`` option is malformed.
    """
    if "\x00" in body:
        raise CellError(
            "The cell contains a NUL character, which Rust does not allow.", advice="Remove it and run the cell again."
        )
    try:
        body.encode()
    except UnicodeEncodeError as error:
        line = body.count("\n", 0, error.start) + 2
        raise CellError(
            f"Line {line} of the cell has a character that is not valid Unicode ({body[error.start]!a}), so it cannot "
            "be written as UTF-8, which Rust requires.",
            advice="Type that character again, or write it as an escape.",
        ) from None
    if body.lstrip().startswith(_BYTE_ORDER_MARK):
        body = body.replace(_BYTE_ORDER_MARK, "", 1)
    if not body.strip():
        raise CellError("The cell is empty.", advice="Write some Rust below the %%rust line.")
    if options.module is not None:
        check_module_name(options.module)
    if options.edition is not None and options.edition not in EDITIONS:
        raise CellError(
            f"There is no Rust edition {options.edition!r}.", advice=f"The editions are {', '.join(EDITIONS)}."
        )
    dependencies = tuple(parse_dependency(spec) for spec in options.dependencies)
    source, front_matter = _split_front_matter(body)
    return Cell(options, source, front_matter, dependencies)


def with_folder(options: Options, body: str) -> Options:
    """Add the working directory to a cell's options if its Rust may name files: ``mod x;``, ``include_str!``.

    The text is searched, not parsed. A match in a comment or a string only adds the folder to the cell's key.

    Args:
        options: the options of the cell's first line.
        body: the text below that line.
    """
    if _MODULE_FILE.search(body) or _INCLUDE.search(body):
        return dataclasses.replace(options, folder=os.getcwd())  # noqa: PTH109 - pathlib is slower
    return options


def check_module_name(name: str) -> None:
    """Raise CellError unless ``name`` is valid for both a Python module and a Rust crate."""
    if name.isascii() and name.isidentifier() and not keyword.iskeyword(name):
        return
    nearest = re.sub(r"\W", "_", name, flags=re.ASCII).lstrip("_0123456789") or "my_module"
    if keyword.iskeyword(nearest):
        nearest += "_"
    raise CellError(
        f"{name!r} cannot be a module's name: it must be an ASCII identifier and not a Python keyword.",
        advice=f"For example: %%rust -m {nearest}",
    )


def parse_dependency(spec: str) -> Dependency:
    """Parse ``name``, ``name@requirement`` and ``name@requirement+feature+feature`` (the form of ``cargo add``).

    Features may also be separated by commas; the feature ``-default`` disables the default features.

    Raises:
        ManifestError: ``spec`` does not have this form.
    """
    head, *rest = (part.strip() for part in spec.strip().strip("'\"").split("+"))
    name, at, requirement = (part.strip() for part in head.partition("@"))
    features = [feature for part in rest for feature in re.split(r"[,\s]+", part)]
    problem = ""
    if not _CRATE_NAME.fullmatch(name):
        problem = f"{name!r} is not the name of a crate"
    elif at and not requirement:
        problem = "there is no version after '@'"
    elif requirement and not re.fullmatch(r"[\w.*<>=^~, +-]+", requirement):
        problem = f"{requirement!r} is not a version requirement"
    elif not all(re.fullmatch(r"[\w./?-]+", feature) for feature in features):
        problem = "a feature's name is missing after '+'"
    if problem:
        raise ManifestError(
            f"-d {spec!r} is not a dependency: {problem}.",
            advice="Write -d NAME, -d NAME@VERSION or -d NAME@VERSION+FEATURE, for example -d serde@1+derive; anything "
            "else (git, path, renamed crates) goes into front matter.",
        )
    defaults = "-default" not in features
    return Dependency(name, requirement or "*", tuple(f for f in features if f != "-default"), defaults)


def _split_front_matter(body: str) -> tuple[str, dict[str, Any]]:
    lines = body.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if first < len(lines) and lines[first].startswith("#!") and not lines[first].startswith("#!["):
        lines[first] = _emptied(lines[first])
        first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    opening = _FENCE.fullmatch(lines[first].rstrip("\r\n"))
    if opening is None:
        return "".join(lines), {}
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
            advice=f"Close it with a line {fence} before the Rust begins.",
        )
    text = "".join(lines[first + 1 : last])
    tables = _parse_toml(text, offset=first + 2)
    from .manifest_schema import check_types  # most cells have no front matter

    check_types(tables, text, offset=first + 2)
    for i in range(first, last + 1):
        lines[i] = _emptied(lines[i])
    return "".join(lines), tables


def _emptied(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _parse_toml(text: str, *, offset: int) -> dict[str, Any]:
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    text = text.replace("\r\n", "\n")  # which tomlkit counts as one character
    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        column = error.col + 1
        what = re.sub(r"\s*at line \d+ col \d+$", "", str(error)).rstrip(".")
        if what.startswith("Control characters") and "\\u000a" in what:
            what = "a string does not end on its line"
        line = text.splitlines()[error.line - 1] if error.line <= len(text.splitlines()) else ""
        pointer = f"\n\n    {line}\n    {' ' * error.col}^" if line.strip() else ""
        raise ManifestError(
            f"The front matter is not valid TOML: {what} (line {error.line + offset} of the cell, column "
            f"{column}).{pointer}",
            advice="It takes the tables of a Cargo.toml, for example:\n\n    ---\n    [dependencies]\n"
            '    numpy = "*"\n    ---',
        ) from None
    except TOMLKitError as error:
        raise ManifestError(
            f"The front matter that starts on line {offset} of the cell is not valid TOML: {error}.",
            advice="Each table and key may appear only once.",
        ) from None
