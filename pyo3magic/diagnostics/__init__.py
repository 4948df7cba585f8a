"""Compiler messages: values from rustc's JSON, and the text, HTML and ANSI that show them.

rustc's own rendering is kept; what is cut from it is what the reader cannot act on.
"""

from __future__ import annotations

from .diagnostic import PLACEHOLDER, Diagnostic, Place, Span
from .render import folded, ordered, render_ansi, render_folded_html, render_html, render_text, summary
from .rustc_json import from_rustc

__all__ = [
    "PLACEHOLDER",
    "Diagnostic",
    "Place",
    "Span",
    "folded",
    "from_rustc",
    "ordered",
    "render_ansi",
    "render_folded_html",
    "render_html",
    "render_text",
    "summary",
]
