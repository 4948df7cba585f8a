"""Options, front matter and source text of a ``%%rust`` cell."""

from __future__ import annotations

import dataclasses
import keyword
import os
import re
from dataclasses import dataclass, field, fields
from typing import Any

from pyo3magic.errors import CellError, ManifestError, OptionError

__all__ = [
    "EDITIONS",
    "LONGEST",
    "Cell",
    "Dependency",
    "Options",
    "check_module_name",
    "check_requirement",
    "parse_cell",
    "parse_dependency",
    "with_folder",
]

EDITIONS = ("2015", "2018", "2021", "2024")
"""Rust editions that a cell can choose."""
LONGEST = 4_000_000
"""Longest text of a cell or a file in bytes, about 100,000 lines; it is read in a few seconds."""

_BYTE_ORDER_MARK = "\ufeff"
_MODULE_FILE = re.compile(r"mod\s+(?:r#)?\w+\s*;")
_INCLUDE = re.compile(r"include(?:_str|_bytes)?\s*!")
_LONGEST_SPEC = 1000
_FEATURE = re.compile(r"[\w.+/?:-]+")
_COMPARATOR = r"\s*(?:[<>]=?|[=~^])?\s*\d+(?:\.(?:\d+|[*x]))*(?:-[0-9A-Za-z.-]+)?\s*"
_REQUIREMENT = re.compile(rf"|\s*\*\s*|{_COMPARATOR}(?:,{_COMPARATOR})*")
_CRATE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Options:
    """The build options on the ``%%rust`` line; they are part of the artifact's digest.

    Attributes:
        module: name given with ``-m``, or None.
        dependencies: the texts given with ``-d``.
        debug: build with cargo's dev profile.
        native: let the compiler use every instruction of this machine's processor.
        keep_gil: hold Python's interpreter lock while functions on arrays run.
        features: features of the cell's own package to enable.
        edition: Rust edition.
        pyo3: requirement that replaces the default range of pyo3 versions.
        file: absolute path of the file to build (``--file``); relative paths in it start at its folder.
        crate: absolute path of the cargo project to build (``--crate``).
        folder: absolute path of the folder with the files that the cell's Rust names (`with_folder`); None if it names
            no file.
        ufunc: the signature of the generalized ufuncs that the cell's functions become (``--ufunc``); empty if they
            become elementwise ufuncs, None if they become Python functions.
        parallel: whether long loops of the ufuncs use all cores.
    """

    module: str | None = None
    dependencies: tuple[str, ...] = ()
    debug: bool = False
    native: bool = False
    keep_gil: bool = False
    features: tuple[str, ...] = ()
    edition: str | None = None
    pyo3: str | None = None
    file: str | None = None
    crate: str | None = None
    folder: str | None = None
    ufunc: str | None = None
    parallel: bool = False

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
        front_matter_text: the front matter as written.
        front_matter_line: the line of the cell where it begins; 0 if there is none.
    """

    options: Options
    source: str
    front_matter: dict[str, Any] = field(default_factory=dict, hash=False)
    dependencies: tuple[Dependency, ...] = ()
    front_matter_text: str = ""
    front_matter_line: int = 0

    def line_of(self, *path: str) -> int:
        """Return the cell's line where a key of the front matter is written."""
        from .toml_types import line_of_key

        return line_of_key(self.front_matter_text, path) + self.front_matter_line - 1

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
    _check_text(body)
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
    for feature in options.features:
        if not _FEATURE.fullmatch(feature):
            raise CellError(
                f"{feature[:60]!a} is not the name of a feature.", advice="For example: --features fast,small"
            )
    if options.pyo3 is not None:
        check_requirement(options.pyo3)
    if options.parallel and options.ufunc is None:
        raise OptionError(
            "--parallel needs --ufunc: only the loops of ufuncs are spread over the cores.",
            advice="Write --ufunc --parallel, or use a crate for threads: -d rayon.",
        )
    dependencies = tuple(parse_dependency(spec) for spec in options.dependencies)
    from .front_matter import split_front_matter  # a cell in the store is not parsed

    source, front_matter, text, line = split_front_matter(body)
    return Cell(options, source, front_matter, dependencies, text, line)


def _check_text(body: str) -> None:
    """Raise CellError unless a text can be Rust source."""
    if "\x00" in body:
        raise CellError(
            "The cell contains a NUL character, which Rust does not allow.", advice="Remove it and run the cell again."
        )
    try:
        size = len(body.encode())
    except UnicodeEncodeError as error:
        line = body.count("\n", 0, error.start) + 2
        raise CellError(
            f"Line {line} of the cell has a character that is not valid Unicode ({body[error.start]!a}), so it cannot "
            "be written as UTF-8, which Rust requires.",
            advice="Type that character again, or write it as an escape.",
        ) from None
    if size > LONGEST:
        raise CellError(
            f"The cell has {size / 1e6:.1f} MB; a cell or file may have {LONGEST / 1e6:.0f} MB.",
            advice="Move the code to a cargo project and build that with %rust --crate. Data belongs in a file, which "
            "include_str! or std::fs::read reads.",
        )


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


def check_requirement(text: str) -> None:
    """Raise OptionError unless a text is empty or a version requirement (cargo reference, same title)."""
    if len(text) > _LONGEST_SPEC or not _REQUIREMENT.fullmatch(text):
        raise OptionError(
            f"{text[:60]!a} is not a version requirement.", advice="Write for example 0.28 or '>=0.25, <0.31'."
        )


def parse_dependency(spec: str) -> Dependency:
    """Parse ``name``, ``name@requirement`` and ``name@requirement+feature+feature`` (the form of ``cargo add``).

    Features may also be separated by commas; the feature ``-default`` disables the default features.

    Raises:
        ManifestError: ``spec`` does not have this form.
    """
    if len(spec) > _LONGEST_SPEC:
        raise ManifestError(f"-d {spec[:60]!a}... is too long for a dependency.", advice="Use front matter.")
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
