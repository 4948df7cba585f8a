"""rustc's own rendering, without what the reader cannot act on: the generated line 1, PyO3's internals, long paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import ansi
from .diagnostic import GENERATED_LINE, PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .diagnostic import Place, Span

__all__ = ["ROW", "tidy"]

_REGISTRY = re.compile(r"(?:[A-Za-z]:)?[/\\][^\n:\x1b`]*?[/\\]registry[/\\]src[/\\][^/\\\n]+[/\\]")
_LIBRARY = re.compile(
    r"(?:[A-Za-z]:)?[/\\](?:rustc[/\\]\w+|[^\n:\x1b`]*?[/\\]rustlib[/\\]src[/\\]rust)[/\\](?=library[/\\])"
)
# What a plain `pub fn` gets at the end of the line before it.
_ATTRIBUTE = re.compile(r"#\[(?:::pyo3::pyfunction| inline )\]")
_BLOCK = re.compile(r"(?:\s+= )?(?:note|help|warning|error|suggestion)\b[:\[]")
_NOISE = re.compile(
    r"\s*(?:= )?note: .*(?:this (?:error|warning) originates in |`.*pyo3::(?:impl_::|types::PyModuleMethods::add`))"
    r"|help: the following other types implement trait `pyo3::impl_::"
)
_LOCATION = re.compile(r"(\s*)(?:-->|:::) (.*):(\d+):(\d+)$")
ROW = re.compile(r"\s*(\d+) [|+~-](?: |$)")
_GUTTER = re.compile(r"\s+\||\.\.\.$")


def tidy(rendered: str, spans: Sequence[Span], place: Place | None, help_line: str, colour: str) -> str:
    """Return rustc's text without the generated line and without notes on macro expansion and PyO3's internals."""
    blocks: list[list[str]] = []
    for line in rendered.rstrip().split("\n"):
        if not blocks or _BLOCK.match(ansi.strip(line)):
            blocks.append([])
        blocks[-1].append(_ATTRIBUTE.sub("", _LIBRARY.sub("", _REGISTRY.sub("", line))))
    lines: list[str] = []
    pad = next((match[1] for line in blocks[0] if (match := _LOCATION.match(ansi.strip(line)))), " ")
    for number, block in enumerate(blocks):
        if number and _NOISE.match(ansi.strip(block[0])):
            continue
        kept, has_rows = _without_generated(block, spans)
        if has_rows is False and number:
            continue
        lines += kept
        if has_rows is False and place:
            lines += _window(place, spans, pad, colour)
    while lines and _GUTTER.fullmatch(ansi.strip(lines[-1]).rstrip()):
        lines.pop()
    if help_line:
        if _GUTTER.match(ansi.strip(lines[-1])):
            lines.append(_blue(f"{pad} |"))
        lines.append(f"{pad} {_blue('=')} \x1b[1mhelp\x1b[0m: {help_line}")
    return "\n".join(lines) + "\n"


def _without_generated(block: Sequence[str], spans: Sequence[Span]) -> tuple[list[str], bool | None]:
    """Return the block without rows of the generated line, and whether rows are left (None: no row was taken away)."""
    file, taken, dropping = PLACEHOLDER, False, False
    kept: list[str] = []
    rows: list[int] = []
    for line in block:
        plain = ansi.strip(line)
        if location := _LOCATION.match(plain):
            file, dropping = location[2], False
        elif row := ROW.match(plain):
            dropping = file == PLACEHOLDER and int(row[1]) == GENERATED_LINE
            taken = taken or dropping
            if file == PLACEHOLDER and not dropping:
                rows.append(int(row[1]))
        elif not _GUTTER.match(plain):
            dropping = False
        if not dropping:
            kept.append(line)
    if not taken:
        return kept, None
    if not rows:
        context = (_LOCATION, ROW, _GUTTER)
        return [line for line in kept if not any(pattern.match(ansi.strip(line)) for pattern in context)], False
    at = next((f"{span.line}:{span.column}" for span in spans if span.in_cell and span.line in rows), f"{rows[0]}:1")
    return [re.sub(rf"({re.escape(PLACEHOLDER)}):{GENERATED_LINE}:\d+$", rf"\g<1>:{at}", line) for line in kept], True


def _window(place: Place, spans: Sequence[Span], pad: str, colour: str) -> list[str]:
    """Return a window on the cell's line, drawn as rustc draws it."""
    pad = pad.rjust(len(str(place.line)))
    label = next((span.label for span in spans if span.is_primary and span.label), "")
    before = place.text[: place.column - 1].replace("\t", "    ")
    marks = f"{'^' * max(place.width, 1)} {label}".rstrip()
    return [
        f"{pad}{_blue('-->')} {PLACEHOLDER}:{place.line}:{place.column}",
        _blue(f"{pad} |"),
        f"{_blue(f'{place.line:>{len(pad)}} |')} {place.text.rstrip()}".replace("\t", "    "),
        f"{_blue(f'{pad} |')} {' ' * len(before)}\x1b[1m{colour}{marks}\x1b[0m",
        _blue(f"{pad} |"),
    ]


def _blue(text: str) -> str:
    return f"\x1b[1m\x1b[94m{text}\x1b[0m"
