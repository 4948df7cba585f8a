"""What the user calls the files of a package: ``src/lib.rs`` is a cell, or the file that was named by ``--file``.

A cell's line 1 is its ``%%rust`` line, while a file begins with its own line 1; the package has one line above it.
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
    """What the user calls the files of a package.

    Attributes:
        label: name of the cell, ``In[3]``, or of the file that stands for it.
        lines_above: how many lines ``src/lib.rs`` has above what the user counts as line 1: one for a file.
        origins: the files that the code names, as the user finds them, by their paths in the package.
    """

    label: str
    lines_above: int = 0
    origins: Mapping[str, str] = field(default_factory=dict, hash=False)

    def line(self, number: int) -> int:
        """A line of ``src/lib.rs`` as the user counts."""
        return number - self.lines_above

    def text(self, text: str) -> str:
        """What a program or a compiler writes, with these names and lines where it gives a place."""
        text = self._mentions(text, self.label)
        text = _EXAMPLE.sub(lambda match: f"{self.label}{match[1]}{self.line(int(match[2]))}", text)
        for name, origin in self.origins.items():
            text = renamed(text, name, origin)
        return text

    def diagnostics(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The compiler's messages with these lines and names; the label is put in when they are shown."""
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
    """What the user calls the files of a cell's package.

    Args:
        options: the cell's options.
        label: what the user calls it.
        companions: the files that it names.
        directory: the folder from which they are named; the working directory by default.
    """
    found = {item.name: relative(Path(item.origin), directory or Path.cwd()) for item in companions.attached}
    # A file that is missing is shown with its whole path, which says where it is looked for.
    return Names(label, 0 if options.file is None else 1, {**companions.origins, **found})


def origins_of(options: Options, crate: Path) -> dict[str, str]:
    """What the user calls the further files of Rust in a package on disk, by their paths in it.

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
    """Let errors that speak of a cell speak of the file that stands for it."""
    try:
        yield
    except CellError as error:
        if options.file is None:
            raise
        text = _CELL_LINE.sub(lambda match: f"{match[1]} {max(int(match[2]) - 1, 1)}", error.message)
        text = text.replace("of the cell", f"of {label}").replace("The cell", label, 1)
        raise type(error)(text, advice=error.advice, details=error.details) from None


def relative(path: Path, directory: Path) -> str:
    """A path as text: from ``directory`` where it is below that, else absolute."""
    try:
        return str(path.relative_to(directory))
    except ValueError:
        return str(path)


def renamed(text: str, name: str, shown: str) -> str:
    """A compiler's text with ``shown`` where it quotes the file that it calls ``name``, or gives a place in it."""
    mention = re.compile(rf"(\x1b\[[\d;]*m|^|[^\w/.\\-]){re.escape(name)}(?=:\d|[`\"])", re.MULTILINE)
    return mention.sub(lambda match: match[1] + shown, text)
