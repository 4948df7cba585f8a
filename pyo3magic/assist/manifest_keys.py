"""Keys of a Cargo.toml in a cell's front matter, at the cursor; crates below ``[dependencies]``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from pyo3magic.cell import EDITIONS
from pyo3magic.cell.front_matter import CARGO_TABLES, DEPENDENCY_TABLES
from pyo3magic.cell.toml_types import FLAG, Table, Value

from .suggestion import Suggestions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["complete_manifest"]

_HEADER = re.compile(r"^[ \t]*\[+([^\]\n#=]*)\]", re.MULTILINE)
_OPEN_HEADER = re.compile(r"[ \t]*\[+[ \t]*([\w.'\"*-]*)\Z")
_PLAIN_KEY = re.compile(r"[ \t]*([\w.'\"-]*)\Z")
_INLINE = re.compile(r"[ \t]*([\w'\"-]+)[ \t]*=[ \t]*\{(.*)\Z")
_ASSIGNED = re.compile(r"[ \t]*([\w.'\"-]+)[ \t]*=[ \t]*(\"?)([\w.-]*)\Z")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def complete_manifest(text: str, crates: Mapping[str, tuple[str, ...]]) -> Suggestions:
    """Return what may stand at the end of a piece of front matter.

    Args:
        text: the front matter up to the cursor.
        crates: the crates on this machine, with their versions.
    """
    line = text.rpartition("\n")[2]
    if "#" in _QUOTED.sub("", line):
        return Suggestions("")
    above = text[: len(text) - len(line)]
    if header := _OPEN_HEADER.fullmatch(line):
        return Suggestions.matching(header[1], ("module", _headers()))
    headers = _HEADER.findall(above)
    path = _keys(headers[-1]) if headers else ()
    if inline := _INLINE.fullmatch(line):
        path, line = (*path, *_keys(inline[1])), _last_entry(inline[2])
    if key := _PLAIN_KEY.fullmatch(line):
        return _at_key(path, key[1], crates)
    if value := _ASSIGNED.fullmatch(line):
        return _at_value((*path, *_keys(value[1])), value[3], crates, is_quoted=bool(value[2]))
    return Suggestions("")


def _at_key(path: tuple[str, ...], fragment: str, crates: Mapping[str, tuple[str, ...]]) -> Suggestions:
    *outer, last = ("", *fragment.split("."))
    table = _type_at((*path, *(key for key in outer if key)))
    names = tuple(table.keys) if isinstance(table, Table) else ()
    if not fragment.count(".") and path[-1:] and path[-1] in DEPENDENCY_TABLES:
        return Suggestions.matching(last, ("module", sorted(crates)))
    return Suggestions.matching(last, ("property", names))


def _at_value(
    path: tuple[str, ...], fragment: str, crates: Mapping[str, tuple[str, ...]], *, is_quoted: bool
) -> Suggestions:
    if not path:
        return Suggestions.matching(fragment)
    kind = _type_at(path)
    if kind is FLAG and not is_quoted:
        return Suggestions.matching(fragment, ("keyword", ("true", "false")))
    texts: tuple[str, ...] = ()
    if path[-1] == "edition":
        texts = EDITIONS
    elif (owner := path[:-1] if path[-1] == "version" else path)[-2:-1] and owner[-2] in DEPENDENCY_TABLES:
        texts = crates.get(owner[-1], ())
    return Suggestions.matching(fragment, ("value", texts if is_quoted else tuple(f'"{text}"' for text in texts)))


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip().strip("'\"") for key in dotted.split(".") if key.strip())


def _type_at(path: tuple[str, ...]) -> Table | Value | None:
    kind: Table | Value | None = CARGO_TABLES
    for key in path:
        if not isinstance(kind, Table):
            return None
        kind = kind.keys.get(key, kind.others)
    return kind


@lru_cache(maxsize=1)
def _headers() -> tuple[str, ...]:
    """Return the tables that a line ``[...]`` may name."""
    inner = [
        f"{name}.{key}"
        for name, table in CARGO_TABLES.keys.items()
        if isinstance(table, Table)
        for key, kind in table.keys.items()
        if isinstance(kind, Table) and kind.short is None
    ]
    return (*DEPENDENCY_TABLES, *(name for name in CARGO_TABLES.keys if name not in DEPENDENCY_TABLES), *inner)


def _last_entry(inside: str) -> str:
    """Return the entry of an inline table that is not finished."""
    depth, start, quote = 0, 0, ""
    for index, character in enumerate(inside):
        if quote:
            quote = "" if character == quote else quote
        elif character in {"'", '"'}:
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth == 0:
            start = index + 1
    return inside[start:]
