"""Hints for compiler errors that have one usual cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyo3magic.diagnostics import ansi

from .idioms import IDIOMS

if TYPE_CHECKING:
    from pyo3magic.diagnostics import Diagnostic

__all__ = ["hint_for"]

_CRATE = re.compile(
    r"unlinked crate `([a-z]\w*)`|cannot find module or crate `([a-z]\w*)`|can't find crate for `([a-z]\w*)`"
)
_PRIVATE = re.compile(
    r"^(?:unit |tuple )?(struct|enum|union|trait|function|constant|static|type alias) `(\w+)` is private"
)
_KEYWORDS = {"function": "fn", "constant": "const", "type alias": "type"}
_EXPORTED = re.compile(r"in the code that exports the cell's items to Python: `(\w+)`")


def hint_for(diagnostic: Diagnostic) -> str | None:  # noqa: PLR0911 - one for each cause
    """Return a one-line hint for an error in the cell, or None if there is nothing to add to the compiler's message."""
    if not diagnostic.is_error:
        return None
    rendered = ansi.strip(diagnostic.rendered)
    text = "\n".join([diagnostic.message, *(span.label or "" for span in diagnostic.spans), rendered])
    if diagnostic.code in {"E0432", "E0433", "E0463"} and not _EXPORTED.search(rendered):
        if target := re.search(r"the `([^`]+)` target may not be installed", text):
            return f"install Rust's standard library for it: `rustup target add {target[1]}`"
        if (crate := _CRATE.search(text)) and "similar name" not in text:
            name = next(filter(None, crate.groups()))
            return f"add it: `%%rust -d {name}` (if `{name}` is a cell, run that one first, with `-m {name}`)"
    for idiom in IDIOMS:
        if match := re.search(idiom.pattern, text):
            name = next(filter(None, match.groups()), "")
            return idiom.advice(name)
    if private := _PRIVATE.search(diagnostic.message):
        kind, name = private.groups()
        return f"if `{name}` is in another cell, write `pub {_KEYWORDS.get(kind, kind)} {name}` there"
    if diagnostic.code == "E0277" and (exported := _EXPORTED.search(rendered)):
        return f"if Python need not see `{exported[1]}`, remove its `pub` or its PyO3 attribute"
    return None
