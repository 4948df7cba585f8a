"""Diagnostics as the front end takes them: plain JSON values, described in ``docs/protocol.md``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .render import ordered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .diagnostic import Diagnostic

__all__ = ["PROTOCOL_VERSION", "for_front_end"]

PROTOCOL_VERSION = 1


def for_front_end(diagnostics: Iterable[Diagnostic], label: str) -> dict[str, Any]:
    """Return the message about a cell that travels with what is shown of its diagnostics.

    Args:
        diagnostics: in the compiler's order.
        label: the cell's name, ``In[3]``.
    """
    return {
        "version": PROTOCOL_VERSION,
        "cell": label,
        "diagnostics": [
            {
                "level": item.level,
                "message": item.message,
                "code": item.code,
                "url": item.explanation_url,
                "spans": [
                    {
                        "line": span.line,
                        "column": span.column,
                        "end_line": span.end_line,
                        "end_column": span.end_column,
                        "primary": span.is_primary,
                        "label": span.label,
                    }
                    for span in item.spans
                    if span.in_cell
                ],
                "suggestions": [asdict(suggestion) for suggestion in item.suggestions],
            }
            for item in ordered(diagnostics)
        ],
    }
