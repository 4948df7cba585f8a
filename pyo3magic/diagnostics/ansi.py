"""The part of ECMA-48 that rustc and cargo print (SGR colours, OSC 8 links), as HTML or as plain text."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["link", "strip", "to_html"]

# CSI sequences (group 1: parameters and final byte), OSC sequences (group 2), other escapes, control characters.
_ESCAPE = re.compile(
    r"\x1b\[([0-?]*[ -/]*[@-~])|\x1b\]([^\x07\x1b]*)(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_URL = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]]")

# Theme variables of VS Code, then Jupyter; the fallbacks have a contrast of at least 3.9:1 on white and on near-black.
_COLOURS = (
    "var(--vscode-terminal-ansiBlack, var(--jp-ui-font-color2, #777777))",
    "var(--vscode-terminal-ansiRed, var(--jp-error-color0, #e0403a))",
    "var(--vscode-terminal-ansiGreen, var(--jp-success-color0, #2b8a45))",
    "var(--vscode-terminal-ansiYellow, var(--jp-warn-color0, #a5741a))",
    "var(--vscode-terminal-ansiBlue, var(--jp-brand-color0, #3b7ddd))",
    "var(--vscode-terminal-ansiMagenta, #b35fc0)",
    "var(--vscode-terminal-ansiCyan, var(--jp-info-color0, #1b8799))",
    "var(--vscode-terminal-ansiWhite, var(--jp-ui-font-color2, #777777))",
)
_ATTRIBUTES = {
    "1": "font-weight: bold",
    "2": "opacity: 0.7",
    "3": "font-style: italic",
    "4": "text-decoration: underline",
}
_RESETS = {"22": ("1", "2"), "23": ("3",), "24": ("4",), "39": ("fg",)}


def link(url: str, text: str) -> str:
    """Return `text` as an OSC 8 terminal link to `url`."""
    return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"


def strip(text: str) -> str:
    """Return `text` without escape sequences and control characters; newlines and tabs stay."""
    return _ESCAPE.sub("", text.replace("\r\n", "\n"))


def to_html(text: str) -> str:
    """Return `text` as HTML to be put into a ``<pre>``: everything escaped, colours as theme variables, links kept.

    Unknown sequences are dropped; only http and https addresses become links.
    """
    style: dict[str, str] = {}
    url = ""
    parts: list[str] = []
    end = 0
    text = text.replace("\r\n", "\n")
    for match in _ESCAPE.finditer(text):
        parts.append(_span(text[end : match.start()], style, url))
        end = match.end()
        csi, osc = match.groups()
        if csi and csi.endswith("m"):
            style = _select(style, csi[:-1])
        elif osc and osc.startswith("8;"):
            target = osc.split(";", 2)[2] if osc.count(";") > 1 else ""
            url = target if target.startswith(("https://", "http://")) else ""
    parts.append(_span(text[end:], style, url))
    return "".join(parts)


def _span(text: str, style: dict[str, str], url: str) -> str:
    if not text:
        return ""
    body = _anchor(url, text) if url else _linkify(text)
    return f'<span style="{"; ".join(style.values())}">{body}</span>' if style else body


def _linkify(text: str) -> str:
    parts: list[str] = []
    end = 0
    for match in _URL.finditer(text):
        parts += [html.escape(text[end : match.start()]), _anchor(match[0], match[0])]
        end = match.end()
    return "".join([*parts, html.escape(text[end:])])


def _anchor(url: str, text: str) -> str:
    attributes = 'target="_blank" rel="noopener noreferrer" style="color: inherit; text-decoration: underline"'
    return f'<a href="{html.escape(url)}" {attributes}>{html.escape(text)}</a>'


def _select(style: dict[str, str], parameters: str) -> dict[str, str]:
    """Return the style after one SGR sequence (ECMA-48 8.3.117; 38 and 48 as in ITU T.416)."""
    style = dict(style)
    codes = iter(re.split("[;:]", parameters))
    for code in codes:
        number = code.lstrip("0") or "0"
        if number == "0":
            style.clear()
        elif number in _ATTRIBUTES:
            style[number] = _ATTRIBUTES[number]
        elif number in _RESETS:
            for name in _RESETS[number]:
                style.pop(name, None)
        elif len(number) == 2 and number[0] in "39" and number[1] in "01234567":  # noqa: PLR2004
            style["fg"] = f"color: {_COLOURS[int(number[1])]}"
        elif number in {"38", "48"}:
            colour = _extended(codes)
            if colour and number == "38":
                style["fg"] = f"color: {colour}"
    return style


def _extended(codes: Iterator[str]) -> str:
    """Return the colour of a ``5;N`` or ``2;R;G;B`` form, or "" when it is malformed; `codes` is read past it."""
    count = {"5": 1, "2": 3}.get(next(codes, ""), 0)
    values = [
        int(code) if re.fullmatch("[0-9]{1,3}", code) else 256 for code in (next(codes, "") for _ in range(count))
    ]
    if not values or max(values) > 255:  # noqa: PLR2004
        return ""
    if count == 3:  # noqa: PLR2004
        return "#{:02x}{:02x}{:02x}".format(*values)
    index = values[0]
    if index < 16:  # noqa: PLR2004
        return _COLOURS[index % 8]
    if index < 232:  # noqa: PLR2004
        red, green, blue = ((index - 16) // 36, (index - 16) // 6 % 6, (index - 16) % 6)
        return "#{:02x}{:02x}{:02x}".format(*(55 + 40 * level if level else 0 for level in (red, green, blue)))
    return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (index - 232))
