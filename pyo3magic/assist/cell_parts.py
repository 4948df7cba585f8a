"""The parts of a ``%%rust`` cell while it is typed: the magic's line, the front matter, the Rust."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["CellParts", "rust_cell"]

_FIRST = re.compile(r"\ufeff?\s*(?:%%rust_\w+[^\n]*\n)?%%rust(?![\w?])[^\n]*")
_FENCE = re.compile(r"\s*^(-{3,})[ \t]*[A-Za-z0-9_.-]*[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CellParts:
    """Where the parts of a cell begin and end, in characters.

    Attributes:
        text: the whole cell.
        line_end: the end of the ``%%rust`` line.
        toml_start: the beginning of the front matter, after its first fence; -1 without front matter.
        toml_end: its end, before the second fence, or the cell's end while that is missing.
        rust_start: the beginning of the Rust.
    """

    text: str
    line_end: int
    toml_start: int
    toml_end: int
    rust_start: int

    @property
    def rust(self) -> str:
        """The Rust; empty while front matter is open."""
        return self.text[self.rust_start :]

    @property
    def toml(self) -> str:
        """The front matter; empty without it."""
        return self.text[self.toml_start : self.toml_end] if self.toml_start >= 0 else ""


def rust_cell(text: str) -> CellParts | None:
    """Return the parts of a cell; None if it is not a ``%%rust`` cell.

    A magic such as ``%%rust_clippy`` may stand above the ``%%rust`` line.
    """
    first = _FIRST.match(text)
    if first is None:
        return None
    end = first.end()
    opening = _FENCE.match(text, end)
    if opening is None:
        return CellParts(text, end, -1, -1, min(end + 1, len(text)))
    closing = re.compile(rf"^{opening[1]}[ \t]*$", re.MULTILINE).search(text, opening.end())
    if closing is None:
        return CellParts(text, end, opening.end(), len(text), len(text))
    return CellParts(text, end, opening.end(), closing.start(), min(closing.end() + 1, len(text)))
