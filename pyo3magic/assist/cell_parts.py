"""The parts of a ``%%rust`` cell while it is typed: the magic's line, the front matter, the Rust."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyo3magic.cell.front_matter import DEPENDENCY_TABLES

__all__ = ["CellParts", "declared_crates", "rust_cell", "rust_of"]

_FIRST = re.compile(r"\ufeff?\s*(?:%%rust_\w+[^\n]*\n)?%%rust(?![\w?])[^\n]*")
_FENCE = re.compile(r"\s*^(-{3,})[ \t]*[A-Za-z0-9_.-]*[ \t]*$", re.MULTILINE)
_OPTION = re.compile(r"(?:\s-d|\s--dep)[\s=]*['\"]?([A-Za-z][\w-]*)")
_HEADER = re.compile(r"\s*\[+([^\]]*)\]")
_KEY = re.compile(r"\s*([A-Za-z][\w-]*)\s*[=.]")


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


def rust_of(body: str) -> str:
    """Return the Rust of a cell that has been run, with spaces in place of its front matter; lines keep their numbers.

    Args:
        body: the text below the ``%%rust`` line.
    """
    parts = rust_cell(f"%%rust\n{body}")
    if parts is None:
        return body
    above = parts.text[len("%%rust\n") : parts.rust_start]
    return "\n" * above.count("\n") + parts.rust


def declared_crates(parts: CellParts) -> tuple[str, ...]:
    """Return the crates of ``-d`` and of front matter, as Rust writes their names."""
    found = _OPTION.findall(parts.text[: parts.line_end])
    table = ""
    for line in parts.toml.splitlines():
        if header := _HEADER.match(line):
            path = header[1].split(".")
            table = path[-1].strip()
            if len(path) > 1 and path[-2].strip() in DEPENDENCY_TABLES:
                found.append(table)
        elif table in DEPENDENCY_TABLES and (key := _KEY.match(line)):
            found.append(key[1])
    return tuple(dict.fromkeys(name.replace("-", "_") for name in found))
