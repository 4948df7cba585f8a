"""rustc's JSON as diagnostics of the cell ("JSON Output" in the rustc book)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .diagnostic import GENERATED_LINE, PLACEHOLDER, Diagnostic, Place, Span
from .suggestions import suggestions
from .tidy import tidy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["from_rustc"]

_SUMMARY = re.compile(
    r"aborting due to |For more information about |Some errors have detailed explanations|could not compile "
    r"|\d+ warnings? emitted"
)
_INTERNALS = re.compile(r"\b(?:_PYO3_DEF|MakeDef|wrap_into_ptr|__pyfunction_\w+|__pymethod_\w+)\b")
_PYO3_MACRO = re.compile(r"#\[(?:::)?(?:pyo3::)?py")
# Codes that follow from another error when they concern generated code: names that are missing, doubled or ambiguous.
_ECHO_CODES = frozenset({"E0034", "E0252", "E0255", "E0425", "E0428", "E0432", "E0433", "E0592", "E0599"})


def from_rustc(
    obj: Mapping[str, Any],
    *,
    file_name: str = PLACEHOLDER,
    exports: Mapping[str, Place] | None = None,
) -> Diagnostic | None:
    """Return rustc's JSON diagnostic `obj` as one about the cell, or None when it has nothing to say to the reader.

    Args:
        obj: the object itself (cargo's ``message``).
        file_name: the crate's root file as rustc was given it.
        exports: exported items by name, and the crate's attributes, which were moved into the generated line, by their
            text; to show the cell's line instead.
    """
    level, message = str(obj.get("level", "error")), str(obj.get("message", ""))
    code = (obj.get("code") or {}).get("code")
    raw = [_in_file(span, file_name) for span in obj.get("spans") or ()]
    if level == "failure-note" or (not raw and _SUMMARY.match(message)):
        return None
    if code == "unused_imports" and message == "unused import: `pyo3::prelude::*`":
        return None  # the generated line has it too
    rendered = str(obj.get("rendered") or f"{level}: {message}\n")
    if file_name != PLACEHOLDER:
        rendered = rendered.replace(file_name, PLACEHOLDER)
    generated = [span for span in raw if _is_generated(span, file_name)]
    primary = [span for span in raw if span.get("is_primary")]
    only_generated = bool(primary) and all(span in generated for span in primary)
    place, name = _place(generated, raw, exports or {}, file_name)
    is_hoisted = place is not None and name is None
    if only_generated and not is_hoisted and not level.startswith("error"):
        return None
    spans = tuple(_span(span, file_name, place if span in generated else None) for span in raw)
    labels = " ".join([message, *(span.label or "" for span in spans)])
    macros = [(span.get("expansion") or {}).get("macro_decl_name", "") for span in primary]
    inner = bool(macros) and all(_PYO3_MACRO.match(macro) for macro in macros)
    echo = code in _ECHO_CODES and ((only_generated and not is_hoisted) or inner or bool(_INTERNALS.search(labels)))
    help_line = ""
    if generated and not is_hoisted:
        what = "this is" if only_generated else "the other one is"
        help_line = f"{what} in the code that exports the cell's items to Python" + (f": `{name}`" if name else "")
    colour = "\x1b[91m" if level.startswith("error") else "\x1b[33m"
    text = tidy(rendered, spans, place if only_generated else None, help_line, colour)
    return Diagnostic(level, message, code, text, spans, echo, suggestions(obj, file_name))


def _in_file(span: Mapping[str, Any], file_name: str) -> Mapping[str, Any]:
    """Return the place in the file from which a macro of another file was called, or the span itself."""
    at: Mapping[str, Any] = span
    while at.get("file_name") != file_name:
        expansion = at.get("expansion")
        if not expansion:
            return span
        at = expansion["span"]
    return {**at, "is_primary": span.get("is_primary"), "label": span.get("label")}


def _is_generated(span: Mapping[str, Any], file_name: str) -> bool:
    return span.get("file_name") == file_name and span.get("line_end") == GENERATED_LINE


def _span(span: Mapping[str, Any], file_name: str, place: Place | None) -> Span:
    found = Span(
        span["line_start"],
        span["column_start"],
        span["line_end"],
        span["column_end"],
        bool(span.get("is_primary")),
        span.get("label"),
        span.get("file_name") == file_name and span["line_end"] > GENERATED_LINE,
    )
    if place is None:
        return found
    ends = (place.line, place.column + place.width)
    return replace(found, line=place.line, column=place.column, end_line=ends[0], end_column=ends[1], in_cell=True)


def _source_line(span: Mapping[str, Any]) -> str:
    return next((str(line["text"]) for line in span.get("text") or ()), "")


def _in_attribute(span: Mapping[str, Any], exports: Mapping[str, Place]) -> Place | None:
    """Return where the cell has what a generated span says of a crate-level attribute; None if it is about none."""
    text = _source_line(span)
    for attribute, place in exports.items():
        offset = span["column_start"] - 1 - text.find(attribute)
        if attribute.startswith("#!") and attribute in text and 0 <= offset < len(attribute):
            if offset >= place.width:  # on a further line of the attribute
                return place
            width = min(span["column_end"] - span["column_start"], place.width - offset)
            return replace(place, column=place.column + offset, width=width)
    return None


def _place(
    generated: Sequence[Mapping[str, Any]],
    spans: Sequence[Mapping[str, Any]],
    exports: Mapping[str, Place],
    file_name: str,
) -> tuple[Place | None, str | None]:
    """Return where the generated spans' subject stands in the cell, and the item's name (None: an attribute)."""
    for span in generated:
        if attribute := _in_attribute(span, exports):
            return attribute, None
    for span in generated:
        text = _source_line(span)
        before, lit = text[: span["column_start"] - 1], text[span["column_start"] - 1 : span["column_end"] - 1]
        scope, _, lit = lit.rpartition("::")
        # The item's own name is lit, or stands before the lit part of its wrapper's signature.
        names = re.findall(r"\b(?:fn|const|super::\{?)\s*(?:r#)?(\w+)", text[: span["column_end"] - 1])
        for name in (lit, *reversed(names[-1:])):
            if name in exports:
                return exports[name], name
        if lit.isidentifier() and re.search(r"super(?:::\{?\s*)?$", scope or before):
            return None, lit
    for span in spans if generated else ():
        if span.get("file_name") == file_name and span["line_start"] > GENERATED_LINE:
            text = _source_line(span)
            found = re.search(r"\b(?:fn|struct|enum|const)\s+(?:r#)?(\w+)", text[span["column_start"] - 1 :])
            return None, found[1] if found else ""
    return None, ""
