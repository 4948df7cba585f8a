"""Messages about a file: a cell's line 1 is its ``%%rust`` line, while a file begins with its own line 1."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.diagnostics import PLACEHOLDER, Diagnostic, ansi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyo3magic.crate import Attached
    from pyo3magic.errors import CellError

__all__ = ["in_files", "of_file", "relative", "renamed"]

_LOCATION = re.compile(r"\s*(?:-->|:::) (.*?):\d+:\d+$")
_ROW = re.compile(r"((?:\x1b\[[\d;]*m|[ \t])*)(\d+)(?=(?:\x1b\[[\d;]*m|[ \t])*[|+~-](?:\x1b\[[\d;]*m|[ \t]|$))")
_MENTION = re.compile(rf"({re.escape(PLACEHOLDER)}):(\d+):(\d+)(?:: (\d+):(\d+))?")
_CELL_LINE = re.compile(r"\b([Ll]ine) (\d+)\b")


def in_files(attached: Iterable[Attached], directory: Path) -> Callable[[Iterable[Diagnostic]], tuple[Diagnostic, ...]]:
    """What makes the compiler's messages about a cell ones about the file it is, and about the files it names.

    Args:
        attached: those files, which messages name as they are in the package.
        directory: where shorter names for them start.
    """
    origins = {item.name: relative(Path(item.origin), directory) for item in attached if item.name.endswith(".rs")}

    def place(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        return tuple(_renamed(_shifted(item), origins) for item in diagnostics)

    return place


def relative(path: Path, directory: Path) -> str:
    """A path as text: from ``directory`` where it is below that, else absolute."""
    try:
        return str(path.relative_to(directory))
    except ValueError:
        return str(path)


def of_file(error: CellError, shown: str) -> CellError:
    """The same error, which speaks of a cell's lines, about the file that the cell is."""
    text = _CELL_LINE.sub(lambda match: f"{match[1]} {max(int(match[2]) - 1, 1)}", error.message)
    text = text.replace("of the cell", f"of {shown}").replace("The cell", shown, 1)
    return type(error)(text, advice=error.advice, details=error.details)


def _shifted(diagnostic: Diagnostic) -> Diagnostic:
    spans = tuple(
        dataclasses.replace(span, line=span.line - 1, end_line=span.end_line - 1) if span.in_cell else span
        for span in diagnostic.spans
    )
    lines, here = [], True
    for line in diagnostic.rendered.split("\n"):
        plain = ansi.strip(line)
        if location := _LOCATION.match(plain):
            here = location[1] == PLACEHOLDER
        row = _ROW.match(line) if here else None
        if row is not None:
            number = str(int(row[2]) - 1).ljust(len(row[2]))
            lines.append(row[1] + number + line[row.end(2) :])
        else:
            lines.append(_MENTION.sub(_mention, line))
    return dataclasses.replace(diagnostic, rendered="\n".join(lines), spans=spans)


def _renamed(diagnostic: Diagnostic, origins: Mapping[str, str]) -> Diagnostic:
    text = diagnostic.rendered
    for name, origin in origins.items():
        text = renamed(text, name, origin)
    return dataclasses.replace(diagnostic, rendered=text)


def renamed(text: str, name: str, shown: str) -> str:
    """A compiler's text with ``shown`` where it gives a place in the file that it calls ``name``."""
    mention = re.compile(rf"(\x1b\[[\d;]*m|^|[^\w/.\\-]){re.escape(name)}(?=:\d)", re.MULTILINE)
    return mention.sub(lambda match: match[1] + shown, text)


def _mention(match: re.Match[str]) -> str:
    text = f"{match[1]}:{int(match[2]) - 1}:{match[3]}"
    return f"{text}: {int(match[4]) - 1}:{match[5]}" if match[4] else text
