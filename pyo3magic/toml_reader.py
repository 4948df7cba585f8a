"""Read TOML that a user wrote: a wrong, deep or huge text gives a place and a reason, never an error of Python."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONGEST", "TomlError", "read_toml"]

LONGEST = 256_000
"""Longest text in characters; a Cargo.toml has a few thousand."""
_DEEPEST = 50
_MOST_DOTS = 1000
"""Dots in one line: tomllib's time for a dotted key grows with the square of its parts."""
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class TomlError(ValueError):
    """A text is not TOML that can be read.

    Args:
        reason: why, without a full stop.
        line: the line, from 1; 0 if the reason is about the whole text.
        column: the column in characters, from 1; 0 if unknown.
    """

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{reason} (line {line})" if line else reason)
        self.reason = reason
        self.line = line
        self.column = column


def read_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text (toml.io, version 1.0).

    Raises:
        TomlError: the text is not valid, longer than `LONGEST`, or nests too deeply.
    """
    if sys.version_info >= (3, 11):
        from tomllib import TOMLDecodeError, loads
    else:
        from tomli import TOMLDecodeError, loads

    if len(text) > LONGEST:
        raise TomlError(f"it has {len(text)} characters, and more than {LONGEST} are not read")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS:
            raise TomlError(f"the line has more than {_MOST_DOTS} dots", number)
    try:
        tables: dict[str, Any] = loads(text)
    except RecursionError:
        raise TomlError(f"values nest more than {_DEEPEST} levels deep") from None
    except TOMLDecodeError as error:
        raise _placed(str(error), text) from None
    except ValueError as error:
        raise TomlError(f"a number is too long ({str(error).partition(':')[0]})") from None
    if any(depth > _DEEPEST for depth in _depths(tables)):
        raise TomlError(f"values nest more than {_DEEPEST} levels deep")
    return tables


def _placed(said: str, text: str) -> TomlError:
    """Return the error with the place that tomllib gives at the end of its text."""
    reason = _PLACE.sub("", said)
    if reason.startswith("Illegal character '\\n'"):
        reason = "a string does not end on its line"
    place = _PLACE.search(said)
    if place is not None and place[1]:
        return TomlError(reason, int(place[1]), int(place[2]))
    lines = text.rstrip("\r\n").split("\n")
    return TomlError(reason, len(lines), len(lines[-1].rstrip("\r")) + 1)


def _depths(value: object) -> Iterator[int]:
    """Yield the depth of each value, without recursion and no deeper than one level below the limit."""
    stack: list[tuple[object, int]] = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        yield depth
        if depth <= _DEEPEST and isinstance(item, (dict, list)):
            stack.extend((inner, depth + 1) for inner in (item.values() if isinstance(item, dict) else item))
