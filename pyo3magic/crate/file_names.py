"""Map the files and lines of a package to the user's: ``src/lib.rs`` is a cell, or the file given with ``--file``.

A cell's line 1 is its ``%%rust`` line. A file has no such line, so its line 1 is line 2 of ``src/lib.rs``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.diagnostics import PLACEHOLDER, Diagnostic, ansi
from pyo3magic.errors import CellError

from .companions import attached_files, home_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyo3magic.cell import Options

    from .companions import Companions

__all__ = ["Names", "errors_of", "names_of", "origins_of", "relative", "renamed"]

_LOCATION = re.compile(r"\s*(?:-->|:::) (.*?):\d+:\d+$")
_ROW = re.compile(r"((?:\x1b\[[\d;]*m|[ \t])*)(\d+)(?=(?:\x1b\[[\d;]*m|[ \t])*[|+~-](?:\x1b\[[\d;]*m|[ \t]|$))")
_FILE = rf"(?:(?<=\x1b\[0m)|(?<![\w/\\.-])){re.escape(PLACEHOLDER)}"
_MENTION = re.compile(rf"{_FILE}:(\d+)(?::(\d+)(?:: (\d+):(\d+))?)?")
_EXAMPLE = re.compile(rf"{_FILE}( - [^\n]*?\(line )(\d+)(?=\))")
_CELL_LINE = re.compile(r"\b([Ll]ine) (\d+)\b")


@dataclass(frozen=True, slots=True)
class Names:
    """The user's names for the files of a package.

    Attributes:
        label: name of the cell, ``In[3]``, or of the file in its place.
        lines_above: number of lines in ``src/lib.rs`` above the user's line 1: one for a file, zero for a cell.
        origins: path in the package to the user's path, for each file that the code names.
    """

    label: str
    lines_above: int = 0
    origins: Mapping[str, str] = field(default_factory=dict, hash=False)

    def line(self, number: int) -> int:
        """Return the user's number for a line of ``src/lib.rs``."""
        return number - self.lines_above

    def text(self, text: str) -> str:
        """Return the output of a program or compiler with the user's names and lines."""
        text = self._mentions(text, self.label)
        text = _EXAMPLE.sub(lambda match: f"{self.label}{match[1]}{self.line(int(match[2]))}", text)
        for name, origin in self.origins.items():
            text = renamed(text, name, origin)
        return text

    def diagnostics(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Return the compiler's messages with the user's lines and names; the label is inserted when they are shown."""
        if not (self.lines_above or self.origins):
            return tuple(diagnostics)
        return tuple(self._placed(item) for item in diagnostics)

    def _placed(self, diagnostic: Diagnostic) -> Diagnostic:
        above = self.lines_above
        spans = tuple(
            dataclasses.replace(span, line=span.line - above, end_line=span.end_line - above) if span.in_cell else span
            for span in diagnostic.spans
        )
        lines, here = [], True
        for line in diagnostic.rendered.split("\n"):
            if location := _LOCATION.match(ansi.strip(line)):
                here = location[1] == PLACEHOLDER
            row = _ROW.match(line) if here else None
            if row is not None:
                lines.append(row[1] + str(self.line(int(row[2]))).ljust(len(row[2])) + line[row.end(2) :])
            else:
                lines.append(self._mentions(line, PLACEHOLDER))
        text = "\n".join(lines)
        for name, origin in self.origins.items():
            text = renamed(text, name, origin)
        return dataclasses.replace(diagnostic, rendered=text, spans=spans)

    def _mentions(self, text: str, label: str) -> str:
        def mention(match: re.Match[str]) -> str:
            first, column, last, end = match.groups()
            place = f"{label}:{self.line(int(first))}" + (f":{column}" if column else "")
            return place + (f": {self.line(int(last))}:{end}" if last else "")

        return _MENTION.sub(mention, text)


def names_of(options: Options, label: str, companions: Companions, directory: Path | None = None) -> Names:
    """Return the user's names for the files of a cell's package.

    Args:
        options: the cell's options.
        label: the cell's label.
        companions: the files that the cell names.
        directory: the folder to which shown paths are relative; the working directory by default.
    """
    found = {item.name: relative(Path(item.origin), directory or Path.cwd()) for item in companions.attached}
    # A missing file is shown with its full path, to show where it was looked up.
    return Names(label, 0 if options.file is None else 1, {**companions.origins, **found})


def origins_of(options: Options, crate: Path) -> dict[str, str]:
    """Return the user's paths of the attached Rust files in a package on disk, by their paths in the package.

    Args:
        options: the cell's options.
        crate: the package's folder.
    """
    home = home_of(options) or Path()
    here = Path.cwd()
    return {
        name: relative(Path(os.path.normpath(home / os.path.relpath(name, "src"))), here)
        for name in attached_files(crate)
        if name.endswith(".rs")
    }


@contextlib.contextmanager
def errors_of(options: Options, label: str) -> Iterator[None]:
    """Make errors raised inside the block name the file and its lines instead of the cell, if a file is built."""
    try:
        yield
    except CellError as error:
        if options.file is None:
            raise
        text = _CELL_LINE.sub(lambda match: f"{match[1]} {max(int(match[2]) - 1, 1)}", error.message)
        text = text.replace("of the cell", f"of {label}").replace("The cell", label, 1)
        raise type(error)(text, advice=error.advice, details=error.details) from None


def relative(path: Path, directory: Path) -> str:
    """Return a path as text: relative to ``directory`` if it is below that folder, otherwise unchanged."""
    try:
        return str(path.relative_to(directory))
    except ValueError:
        return str(path)


def renamed(text: str, name: str, shown: str) -> str:
    """Replace ``name`` with ``shown`` where a compiler's text quotes the file or gives a place in it."""
    mention = re.compile(rf"(\x1b\[[\d;]*m|^|[^\w/.\\-]){re.escape(name)}(?=:\d|[`\"])", re.MULTILINE)
    return mention.sub(lambda match: match[1] + shown, text)
