"""The types of values in TOML tables that this package reads, declared once and checked before anything reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyo3magic.toml_reader import TomlError, read_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "FLAG",
    "TEXT",
    "TEXTS",
    "TEXT_OR_FLAG",
    "Table",
    "Value",
    "WrongType",
    "line_of_key",
    "paths_of",
    "wrong_type",
]


@dataclass(frozen=True, slots=True)
class Value:
    """A type of a value.

    Attributes:
        words: the type in a message, "a string".
        fits: whether a value has it.
        example: a value, as TOML.
    """

    words: str
    fits: Callable[[Any], bool]
    example: str


@dataclass(frozen=True, slots=True)
class Table:
    """A type of tables.

    Attributes:
        keys: the types of known keys.
        others: the type of all other keys; None if nothing reads them.
        short: a value that may stand for the table; None if only a table is right.
    """

    keys: Mapping[str, Value | Table] = field(default_factory=dict)
    others: Value | Table | None = None
    short: Value | None = None


@dataclass(frozen=True, slots=True)
class WrongType:
    """A value of the wrong type.

    Attributes:
        path: the keys that lead to it.
        value: the value.
        wanted: the type that it should have.
    """

    path: tuple[str, ...]
    value: Any
    wanted: Value | Table

    @property
    def _has_nul(self) -> bool:
        texts = self.value if isinstance(self.value, list) else [self.value]
        return any(isinstance(text, str) and "\x00" in text for text in texts)

    @property
    def message(self) -> str:
        """What is wrong, as the end of a sentence, without a full stop."""
        if self._has_nul:
            return f"{_joined(self.path)} contains a NUL character"
        words = self.wanted.words if isinstance(self.wanted, Value) else "a table"
        if isinstance(self.wanted, Table) and self.wanted.short is not None:
            words = f"{self.wanted.short.words} or a table"
        return f"{_joined(self.path)} has to be {words}, not {_described(self.value)}"

    @property
    def advice(self) -> str:
        """What to write instead."""
        if self._has_nul:
            return "Remove the character \\u0000."
        if isinstance(self.wanted, Table):
            if self.wanted.short is None:
                return f"Write a line [{_joined(self.path)}] and its entries below it."
            return f"Write for example: {_joined(self.path[-1:])} = {self.wanted.short.example}"
        return f"Write for example: {_joined(self.path[-1:])} = {self.wanted.example}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\x00" not in value


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


TEXT = Value("a string", _is_text, '"..."')
TEXTS = Value("an array of strings", _are_texts, '["..."]')
FLAG = Value("true or false", lambda value: isinstance(value, bool), "true")
TEXT_OR_FLAG = Value("a string or false", lambda value: isinstance(value, bool) or _is_text(value), '"..."')


def wrong_type(value: Any, wanted: Value | Table, path: tuple[str, ...] = ()) -> WrongType | None:
    """Return the first value of the wrong type in a table; None if all are right.

    Args:
        value: the value at ``path``.
        wanted: its type.
        path: the keys that lead to it.
    """
    if isinstance(wanted, Value):
        return None if wanted.fits(value) else WrongType(path, value, wanted)
    if not isinstance(value, dict):
        return None if wanted.short is not None and wanted.short.fits(value) else WrongType(path, value, wanted)
    for key, item in value.items():
        inner = wanted.keys.get(key, wanted.others)
        if inner is not None and (found := wrong_type(item, inner, (*path, key))):
            return found
    return None


def paths_of(wanted: Value | Table, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each typed value in a type; ``*`` stands for any key."""
    if path:
        yield path
    if isinstance(wanted, Table):
        for key, inner in wanted.keys.items():
            yield from paths_of(inner, (*path, key))
        if wanted.others is not None:
            yield from paths_of(wanted.others, (*path, "*"))


def line_of_key(text: str, path: tuple[str, ...]) -> int:
    """Return the line of a TOML text where a key is written, from 1.

    Parsers keep no places. The key is on the line below the longest beginning of the text that is TOML without it.

    Args:
        text: valid TOML.
        path: the keys that lead to the value.
    """
    lines = text.splitlines(keepends=True)
    low, high = 0, len(lines)  # the first `low` lines lack the key, the first `high` lines have it
    while high - low > 1:
        middle = (low + high) // 2
        while middle > low and (tables := _read("".join(lines[:middle]))) is None:
            middle -= 1
        if middle == low:
            middle = (low + high) // 2 + 1
            while middle < high and (tables := _read("".join(lines[:middle]))) is None:
                middle += 1
            if middle >= high:
                break
        if _has(tables, path):
            high = middle
        else:
            low = middle
    return low + 1


def _read(text: str) -> dict[str, Any] | None:
    try:
        return read_toml(text)
    except TomlError:
        return None


def _has(tables: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if isinstance(tables, list):
            tables = tables[-1]
        if not isinstance(tables, dict) or key not in tables:
            return False
        tables = tables[key]
    return True


def _joined(path: tuple[str, ...]) -> str:
    """Return keys joined as in TOML; a long one is cut."""
    longest = 60
    plain = [key if key.isascii() and key.replace("-", "_").isidentifier() else ascii(key) for key in path]
    return ".".join(key if len(key) <= longest else f"{key[:longest]}..." for key in plain)


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "an array of tables"
    if isinstance(value, bool):
        return str(value).lower()
    longest = 60
    if isinstance(value, int) and abs(value) >= 10**longest:
        return "a huge number"
    text = ascii(value) if isinstance(value, (str, list)) else str(value)
    return text if len(text) <= longest else f"{text[:longest]}..."
