"""Check the types of the values in a cell's front matter (cargo reference, "The Manifest Format").

Only values that this package reads are checked; cargo itself reports what else is wrong with a manifest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SCHEMA", "check_types"]

_DEPENDENCIES = ("dependencies", "dev-dependencies", "build-dependencies")
_DETAILS = {
    **dict.fromkeys(("version", "path", "git", "branch", "tag", "rev", "package", "registry"), "a string"),
    "features": "a list of strings",
    **dict.fromkeys(("default-features", "optional", "workspace"), "true or false"),
}
SCHEMA: Mapping[str, str] = {
    "package": "a table",
    **dict.fromkeys(("package.name", "package.version", "package.edition", "package.rust-version"), "a string"),
    **dict.fromkeys(("package.description", "package.license", "package.license-file", "package.links"), "a string"),
    **dict.fromkeys(("package.homepage", "package.repository", "package.documentation"), "a string"),
    "package.readme": "a string, true or false",
    **dict.fromkeys(("package.authors", "package.keywords", "package.categories"), "a list of strings"),
    "features": "a table",
    "features.*": "a list of strings",
    "profile": "a table",
    "profile.*": "a table",
    "lib": "a table",
    "lib.crate-type": "a list of strings",
    "lib.name": "a string",
    "target": "a table",
    "target.*": "a table",
    "patch": "a table",
    "patch.*": "a table",
    "patch.*.*": "a table",
    **{f"patch.*.*.{key}": kind for key, kind in _DETAILS.items()},
    "replace": "a table",
    "workspace": "a table",
    "lints": "a table",
    "lints.*": "a table",
    "tool": "a table",
    "tool.pyo3magic": "a table",
    **{
        f"{prefix}{table}{path}": kind
        for prefix in ("", "target.*.")
        for table in _DEPENDENCIES
        for path, kind in (
            ("", "a table"),
            (".*", "a version or a table"),
            *((f".*.{key}", kind) for key, kind in _DETAILS.items()),
        )
    },
}
"""The kind of value that each key takes; ``*`` stands for any key."""


def check_types(tables: Mapping[str, Any], text: str, *, offset: int) -> None:
    """Check the types of all values in front matter that this package reads.

    Args:
        tables: the front matter.
        text: its text.
        offset: the number of the cell's line above the text.

    Raises:
        ManifestError: a value has the wrong type, or a string contains a NUL character.
    """
    for pattern, kind in SCHEMA.items():
        for path, value in _values(tables, pattern.split("."), ()):
            if not _fits(kind, value):
                raise ManifestError(
                    f"{_place(text, path, offset)}`{'.'.join(path)}` is {_kind(value)}, but must be {kind}.",
                    advice=f"Write for example {_example(path, kind)}.",
                )
    for path in _nul(tables, ()):
        raise ManifestError(
            f"{_place(text, path, offset)}`{'.'.join(path)}` contains a NUL character.", advice="Remove the character."
        )


def _values(table: Any, keys: list[str], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not keys:
        yield path, table
    elif isinstance(table, dict):
        for key in table if keys[0] == "*" else [keys[0]]:
            if key in table:
                yield from _values(table[key], keys[1:], (*path, key))


def _fits(kind: str, value: Any) -> bool:
    return any(
        {
            "a string": isinstance(value, str),
            "a version": isinstance(value, str),
            "a table": isinstance(value, dict),
            "true": isinstance(value, bool),
            "false": isinstance(value, bool),
            "a list of strings": isinstance(value, list) and all(isinstance(item, str) for item in value),
        }[one]
        for one in re.split(r", | or ", kind)
    )


def _kind(value: Any) -> str:
    if isinstance(value, list):
        is_strings = all(isinstance(item, str) for item in value)
        return "a list of strings" if is_strings else "a list, not of strings"
    names = {bool: str(value).lower(), str: "a string", dict: "a table", int: f"the number {value}"}
    return names.get(type(value), f"the value {value}")


def _example(path: tuple[str, ...], kind: str) -> str:
    key = path[-1]
    if kind == "a version or a table":
        return f'`{key} = "1"` or `{key} = {{ path = "../{key}" }}`'
    if kind == "a table":
        return f"`[{'.'.join(path)}]` and below it `KEY = VALUE`"
    if kind == "a list of strings":
        return f'`{key} = ["one", "two"]`'
    return f"`{key} = true`" if kind == "true or false" else f'`{key} = "text"`'


def _place(text: str, path: tuple[str, ...], offset: int) -> str:
    """Return the line of the cell that mentions the last key of a path; empty if there is none."""
    word = re.compile(rf"(?<![\w-]){re.escape(path[-1])}(?![\w-])")
    found = (number for number, line in enumerate(text.splitlines(), 1) if word.search(line.partition("#")[0]))
    number = next(found, None)
    return "" if number is None else f"Line {number + offset} of the cell: "


def _nul(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _nul(item, (*path, key.replace("\0", "?")))
            if "\0" in key:
                yield (*path, key.replace("\0", "?"))
    elif isinstance(value, list):
        for item in value:
            yield from _nul(item, path)
    elif isinstance(value, str) and "\0" in value:
        yield path
