"""Compiler messages -> spans in the cell, text, HTML and ANSI.

rustc's own rendering is kept; what is cut from it is what the reader cannot act on: the generated line 1, PyO3's
internals and the summaries. Source of the form: "JSON Output" in the rustc book.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from . import ansi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "PLACEHOLDER",
    "Diagnostic",
    "Hoisted",
    "Place",
    "Span",
    "from_rustc",
    "ordered",
    "render_ansi",
    "render_html",
    "render_text",
    "summary",
]

PLACEHOLDER = "src/lib.rs"
"""The cell's file name in stored text; a cell's label (``In[3]``) is only known when it is shown."""

_GENERATED_LINE = 1
_SUMMARY = re.compile(
    r"aborting due to |For more information about |Some errors have detailed explanations|could not compile "
    r"|\d+ warnings? emitted"
)
_INTERNALS = re.compile(r"\b(?:_PYO3_DEF|MakeDef|wrap_into_ptr|__pyfunction_\w+|__pymethod_\w+)\b")
_PYO3_MACRO = re.compile(r"#\[(?:::)?(?:pyo3::)?py")
# JupyterLab and nbconvert give a <pre> in an output a proportional font, which moves the carets.
_PRE_STYLE = (
    "white-space: pre; overflow-x: auto; line-height: 1.3; font-size: var(--jp-code-font-size, 13px); "
    "font-family: var(--vscode-editor-font-family, var(--jp-code-font-family, monospace))"
)
# Codes that follow from another error when they concern generated code: names that are missing, doubled or ambiguous.
_ECHO_CODES = frozenset({"E0034", "E0252", "E0255", "E0425", "E0428", "E0432", "E0433", "E0592", "E0599"})
_MENTION = re.compile(r"(\x1b\[[\d;]*m|^|[^\w/.\\-])src/lib\.rs(?![\w/])", re.MULTILINE)
_REGISTRY = re.compile(r"(?:[A-Za-z]:)?[/\\][^\n:\x1b`]*?[/\\]registry[/\\]src[/\\][^/\\\n]+[/\\]")
_LIBRARY = re.compile(
    r"(?:[A-Za-z]:)?[/\\](?:rustc[/\\]\w+|[^\n:\x1b`]*?[/\\]rustlib[/\\]src[/\\]rust)[/\\](?=library[/\\])"
)
# What a plain `pub fn` gets at the end of the line before it.
_ATTRIBUTE = re.compile(r"#\[::pyo3::pyfunction\]")
_BLOCK = re.compile(r"(?:\s+= )?(?:note|help|warning|error|suggestion)\b[:\[]")
_NOISE = re.compile(
    r"\s*(?:= )?note: .*(?:this (?:error|warning) originates in |`.*pyo3::(?:impl_::|types::PyModuleMethods::add`))"
    r"|help: the following other types implement trait `pyo3::impl_::"
)
_LOCATION = re.compile(r"(\s*)(?:-->|:::) (.*):(\d+):(\d+)$")
_ROW = re.compile(r"\s*(\d+) [|+~-](?: |$)")
_GUTTER = re.compile(r"\s+\||\.\.\.$")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the file, as rustc counts: lines and columns from 1, columns in characters, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int
    is_primary: bool = False
    label: str | None = None
    in_cell: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where something the generated line mentions really stands: its position, width in characters and whole line."""

    line: int
    column: int
    width: int
    text: str


@dataclass(frozen=True, slots=True)
class Hoisted:
    """A crate attribute that was moved into the generated line, at `column`, and where the cell has it."""

    column: int
    place: Place


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message of the compiler about the cell.

    `rendered` is rustc's text with escapes, with `PLACEHOLDER` for the cell's name. `echo` says that it probably
    follows from another error, and need not be shown beside one.
    """

    level: str
    message: str
    code: str | None = None
    rendered: str = ""
    spans: tuple[Span, ...] = ()
    echo: bool = False

    @property
    def is_error(self) -> bool:
        """Whether the cell does not compile because of this."""
        return self.level.startswith("error")

    @property
    def explanation_url(self) -> str | None:
        """Where the code is explained: rustc's error index or clippy's list of lints; None for rustc's lints."""
        if self.code is None:
            return None
        if re.fullmatch(r"E\d{4}", self.code):
            return f"https://doc.rust-lang.org/error_codes/{self.code}.html"
        if self.code.startswith("clippy::"):
            return f"https://rust-lang.github.io/rust-clippy/stable/index.html#{self.code.removeprefix('clippy::')}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, as plain JSON values."""
        return {**asdict(self), "spans": [asdict(span) for span in self.spans]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Diagnostic:
        """Return the diagnostic that `to_dict` wrote; unknown keys are ignored, missing ones have their defaults."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        names = {field.name for field in fields(Span)}
        spans = tuple(
            Span(**{name: value for name, value in span.items() if name in names})
            for span in known.get("spans") or ()
            if isinstance(span, dict) and {"line", "column", "end_line", "end_column"} <= span.keys()
        )
        return cls(**{"level": "error", "message": "", **known, "spans": spans})


def from_rustc(
    obj: Mapping[str, Any],
    *,
    file_name: str = PLACEHOLDER,
    exports: Mapping[str, Place] | None = None,
    hoisted: Sequence[Hoisted] = (),
) -> Diagnostic | None:
    """Return rustc's JSON diagnostic `obj` as one about the cell, or None when it has nothing to say to the reader.

    Args:
        obj: the object itself (cargo's ``message``).
        file_name: the crate's root file as rustc was given it.
        exports: exported items by name, to show the cell's line instead of the generated one.
        hoisted: crate attributes moved into the generated line, in the order of their columns.
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
    place, name = _place(generated, raw, exports or {}, hoisted, file_name)
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
    text = _tidy(rendered, spans, place if only_generated else None, help_line, colour)
    return Diagnostic(level, message, code, text, spans, echo)


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return what to show: errors, then the rest, in the compiler's order; echoes only when nothing else is wrong."""
    errors: list[Diagnostic] = []
    rest: list[Diagnostic] = []
    for diagnostic in dict.fromkeys(diagnostics):
        (errors if diagnostic.is_error else rest).append(diagnostic)
    return ([error for error in errors if not error.echo] or errors) + rest


def render_ansi(
    diagnostics: Iterable[Diagnostic],
    label: str,
    *,
    links: bool = False,
    hint: Callable[[Diagnostic], str | None] | None = None,
) -> str:
    """Return the diagnostics as a terminal shows them, one blank line between two.

    Args:
        diagnostics: in the compiler's order.
        label: the cell's name, for `PLACEHOLDER`.
        links: whether error codes become OSC 8 links to their explanation.
        hint: what gives a line to put under a diagnostic (`pyo3magic.hints.hint_for`).
    """
    texts: list[str] = []
    for diagnostic in ordered(diagnostics):
        text = "\n".join(_label_line(line, label) for line in diagnostic.rendered.rstrip("\n").split("\n"))
        if links and diagnostic.explanation_url:
            text = text.replace(
                f"[{diagnostic.code}]", f"[{ansi.link(diagnostic.explanation_url, str(diagnostic.code))}]", 1
            )
        advice = hint(diagnostic) if hint else None
        if advice:
            text += f"\n\x1b[1m\x1b[96mhint\x1b[0m: {advice}"
        texts.append(f"{text}\n")
    return "\n".join(texts)


def render_text(
    diagnostics: Iterable[Diagnostic], label: str, *, hint: Callable[[Diagnostic], str | None] | None = None
) -> str:
    """Return the diagnostics as plain text."""
    return ansi.strip(render_ansi(diagnostics, label, hint=hint))


def render_html(
    diagnostics: Iterable[Diagnostic], label: str, *, hint: Callable[[Diagnostic], str | None] | None = None
) -> str:
    """Return the diagnostics as one ``<pre>`` in the colours of the notebook's theme, error codes linked."""
    body = ansi.to_html(render_ansi(diagnostics, label, links=True, hint=hint))
    return f'<pre class="pyo3magic-diagnostics" style="{_PRE_STYLE}">{body}</pre>'


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the numbers and the first message, as in ``2 errors, 1 warning: cannot find value `x` in this scope``."""
    shown = ordered(diagnostics)
    errors = sum(diagnostic.is_error for diagnostic in shown)
    warnings = sum(diagnostic.level == "warning" for diagnostic in shown)
    counts = [f"{n} {word}{'s'[: n != 1]}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return f"{', '.join(counts)}: {shown[0].message}" if counts else ""


def _label_line(line: str, label: str) -> str:
    return line if _ROW.match(ansi.strip(line)) else _MENTION.sub(lambda match: match[1] + label, line)


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
    return span.get("file_name") == file_name and span.get("line_end") == _GENERATED_LINE


def _span(span: Mapping[str, Any], file_name: str, place: Place | None) -> Span:
    found = Span(
        span["line_start"],
        span["column_start"],
        span["line_end"],
        span["column_end"],
        bool(span.get("is_primary")),
        span.get("label"),
        span.get("file_name") == file_name and span["line_end"] > _GENERATED_LINE,
    )
    if place is None:
        return found
    ends = (place.line, place.column + place.width)
    return replace(found, line=place.line, column=place.column, end_line=ends[0], end_column=ends[1], in_cell=True)


def _place(
    generated: Sequence[Mapping[str, Any]],
    spans: Sequence[Mapping[str, Any]],
    exports: Mapping[str, Place],
    hoisted: Sequence[Hoisted],
    file_name: str,
) -> tuple[Place | None, str | None]:
    """Return where the generated spans' subject stands in the cell, and the item's name (None: an attribute)."""
    for span in generated:
        for part in hoisted:
            offset = span["column_start"] - part.column
            if 0 <= offset < part.place.width:
                width = min(span["column_end"] - span["column_start"], part.place.width - offset)
                return replace(part.place, column=part.place.column + offset, width=width), None
    for span in generated:
        text = next((line["text"] for line in span.get("text") or ()), "")
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
        if span.get("file_name") == file_name and span["line_start"] > _GENERATED_LINE:
            text = next((line["text"] for line in span.get("text") or ()), "")
            found = re.search(r"\b(?:fn|struct|enum|const)\s+(?:r#)?(\w+)", text[span["column_start"] - 1 :])
            return None, found[1] if found else ""
    return None, ""


def _tidy(rendered: str, spans: Sequence[Span], place: Place | None, help_line: str, colour: str) -> str:
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
    for line in block:
        plain = ansi.strip(line)
        if location := _LOCATION.match(plain):
            file, dropping = location[2], False
        elif row := _ROW.match(plain):
            dropping = file == PLACEHOLDER and int(row[1]) == _GENERATED_LINE
            taken = taken or dropping
        elif not _GUTTER.match(plain):
            dropping = False
        if not dropping:
            kept.append(line)
    if not taken:
        return kept, None
    rows = [int(match[1]) for line in kept if (match := _ROW.match(ansi.strip(line)))]
    if not rows:
        return [line for line in kept if not (_LOCATION.match(p := ansi.strip(line)) or _GUTTER.match(p))], False
    at = next((f"{span.line}:{span.column}" for span in spans if span.in_cell and span.line in rows), f"{rows[0]}:1")
    return [re.sub(rf"({re.escape(PLACEHOLDER)}):{_GENERATED_LINE}:\d+$", rf"\g<1>:{at}", line) for line in kept], True


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
