"""Diagnostics as a terminal, a notebook and a file show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import ansi
from .tidy import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .diagnostic import Diagnostic

__all__ = ["folded", "ordered", "render_ansi", "render_folded_html", "render_html", "render_text", "summary"]

_SHOWN = 6
"""How many messages are shown before the rest is folded; one more than this is not folded."""

# JupyterLab and nbconvert give a <pre> in an output a proportional font, which moves the carets.
_PRE_STYLE = (
    "white-space: pre; overflow-x: auto; line-height: 1.3; font-size: var(--jp-code-font-size, 13px); "
    "font-family: var(--vscode-editor-font-family, var(--jp-code-font-family, monospace))"
)
_MENTION = re.compile(r"(\x1b\[[\d;]*m|^|[^\w/.\\-])src/lib\.rs(?![\w/])", re.MULTILINE)


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return what to show: errors, then the rest, in the compiler's order; echoes only when nothing else is wrong."""
    errors: list[Diagnostic] = []
    rest: list[Diagnostic] = []
    for diagnostic in dict.fromkeys(diagnostics):
        (errors if diagnostic.is_error else rest).append(diagnostic)
    return ([error for error in errors if not error.echo] or errors) + rest


def folded(diagnostics: Iterable[Diagnostic]) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """Split what `ordered` returns into the messages that are shown at once and the rest, which may be empty."""
    items = ordered(diagnostics)
    return (items, []) if len(items) <= _SHOWN + 1 else (items[:_SHOWN], items[_SHOWN:])


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
        hint: what gives a line to put under a diagnostic (`pyo3magic.compile.hints.hint_for`).
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


def render_folded_html(diagnostics: Iterable[Diagnostic], label: str) -> str:
    """Return the messages as `render_html` does; of many, their number comes first and all but a few are folded."""
    shown, rest = folded(diagnostics)
    if not rest:
        return render_html(shown, label)
    return (
        f"<div>{_counts([*shown, *rest])}</div>{render_html(shown, label)}"
        f"<details><summary>{len(rest)} more</summary>{render_html(rest, label)}</details>"
    )


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the numbers and the first message, as in ``2 errors, 1 warning: cannot find value `x` in this scope``."""
    shown = ordered(diagnostics)
    counts = _counts(shown)
    return f"{counts}: {shown[0].message}" if counts else ""


def _counts(shown: list[Diagnostic]) -> str:
    errors = sum(diagnostic.is_error for diagnostic in shown)
    warnings = sum(diagnostic.level == "warning" for diagnostic in shown)
    counts = ((errors, "error"), (warnings, "warning"))
    return ", ".join(f"{n} {word}{'s'[: n != 1]}" for n, word in counts if n)


def _label_line(line: str, label: str) -> str:
    return line if ROW.match(ansi.strip(line)) else _MENTION.sub(lambda match: match[1] + label, line)
