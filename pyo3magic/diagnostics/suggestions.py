"""The compiler's suggestions that need no thought, from rustc's JSON, and a text with them applied.

rustc says in ``suggestion_applicability`` how sure it is ("JSON Output" in the rustc book). Only suggestions whose
parts are all ``MachineApplicable`` are taken, as ``cargo fix`` does.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .diagnostic import GENERATED_LINE, Edit, Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["applied", "suggestions"]


def suggestions(obj: Mapping[str, Any], file_name: str) -> tuple[Suggestion, ...]:
    """Return the machine-applicable suggestions of rustc's JSON diagnostic `obj` that change only the cell.

    Args:
        obj: the diagnostic itself (cargo's ``message``).
        file_name: the crate's root file, as rustc was given it.
    """
    found: list[Suggestion] = []
    for child in obj.get("children") or ():
        spans = [span for span in child.get("spans") or () if span.get("suggested_replacement") is not None]
        if spans and all(_is_certain(span, file_name) for span in spans):
            edits = tuple(sorted({_edit(span) for span in spans}, key=_start))
            # Alternatives to choose from come as one list of spans, which then overlap.
            if all(_end(first) <= _start(second) for first, second in pairwise(edits)):
                found.append(Suggestion(str(child.get("message", "")), edits))
    return tuple(dict.fromkeys(found))


def applied(text: str, wanted: Iterable[Suggestion]) -> tuple[str, list[Suggestion]]:
    """Apply suggestions to a cell's text.

    Args:
        text: the whole cell; its first line is line 1.
        wanted: the suggestions, most important first.

    Returns:
        The new text, and the suggestions that it contains. A suggestion is left out if the text is not what the
        compiler read, or if an earlier suggestion changes the same place.
    """
    starts = [0]
    for line in text.split("\n"):  # other separators are no ends of lines in Rust
        starts.append(starts[-1] + len(line) + 1)
    taken: list[tuple[int, int, str]] = []
    done: list[Suggestion] = []
    for suggestion in wanted:
        parts: list[tuple[int, int, str]] = []
        for edit in suggestion.edits:
            if edit.end_line >= len(starts):
                break
            begin, end = starts[edit.line - 1] + edit.column - 1, starts[edit.end_line - 1] + edit.end_column - 1
            if text[begin:end] != edit.text:
                break
            parts.append((begin, end, edit.replacement))
        free = all(end < other[0] or other[1] < begin for begin, end, _ in parts for other in taken)
        if len(parts) == len(suggestion.edits) and free:
            taken += parts
            done.append(suggestion)
    for begin, end, replacement in sorted(taken, reverse=True):
        text = text[:begin] + replacement + text[end:]
    return text, done


def _is_certain(span: Mapping[str, Any], file_name: str) -> bool:
    return (
        span.get("suggestion_applicability") == "MachineApplicable"
        and span.get("file_name") == file_name
        and span["line_start"] > GENERATED_LINE
        and not span.get("expansion")
    )


def _edit(span: Mapping[str, Any]) -> Edit:
    lines = [str(line["text"])[line["highlight_start"] - 1 : line["highlight_end"] - 1] for line in span["text"]]
    ends = (span["line_start"], span["column_start"], span["line_end"], span["column_end"])
    return Edit(*ends, "\n".join(lines), str(span["suggested_replacement"]))


def _start(edit: Edit) -> tuple[int, int]:
    return edit.line, edit.column


def _end(edit: Edit) -> tuple[int, int]:
    return edit.end_line, edit.end_column
