"""Compiler messages: values from rustc's JSON, and the text, HTML and ANSI that show them.

rustc's own rendering is kept; what is cut from it is what the reader cannot act on.
"""

from __future__ import annotations

from .diagnostic import PLACEHOLDER, Diagnostic, Edit, Place, Span, Suggestion
from .front_end import for_front_end
from .render import folded, ordered, render_ansi, render_folded_html, render_html, render_text, summary
from .rustc_json import from_rustc
from .suggestions import applied

__all__ = [
    "PLACEHOLDER",
    "Diagnostic",
    "Edit",
    "Place",
    "Span",
    "Suggestion",
    "applied",
    "folded",
    "for_front_end",
    "from_rustc",
    "ordered",
    "render_ansi",
    "render_folded_html",
    "render_html",
    "render_text",
    "summary",
]
