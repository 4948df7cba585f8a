"""The output of code that a remote kernel ran, made harmless: the kernel is not trusted with this notebook."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .wire import Message

__all__ = ["Evaluation", "Output", "output_of"]

# Markdown may hold HTML, which a notebook runs when it trusts the cell; MathJax follows links to JavaScript.
_LATEX_LINKS = re.compile(r"\\(?:href|html|style|class|cssId|require|data)")
_IMAGES = ("image/png", "image/jpeg")
# Colours only: other escape sequences can write a terminal's clipboard or title, or make it answer.
_ESCAPES = re.compile(r"\x1b\[[0-9;]{0,40}m|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Output:
    """One piece of output.

    Attributes:
        kind: a stream's text, a display, the last expression's value, or a traceback.
        data: text by MIME type, safe to show.
    """

    kind: Literal["stdout", "stderr", "display", "result", "error"]
    data: Mapping[str, str]

    @property
    def text(self) -> str:
        """The plain text; empty if there is only another type."""
        return self.data.get("text/plain", "")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All output of evaluated code, in order, and whether the code ended without an error."""

    outputs: tuple[Output, ...]
    ok: bool

    @property
    def result(self) -> Output | None:
        """The value of the last expression; None if it has no value."""
        return next((output for output in reversed(self.outputs) if output.kind == "result"), None)


def output_of(message: Message) -> Output | None:
    """The output in an iopub message; None if the message is malformed or shows nothing."""
    content = message.content
    if message.kind == "stream" and isinstance(content.get("text"), str):
        return Output("stderr" if content.get("name") == "stderr" else "stdout", {"text/plain": _safe(content["text"])})
    if message.kind == "error":
        lines = content.get("traceback")
        if isinstance(lines, list) and lines and all(isinstance(line, str) for line in lines):
            return Output("error", {"text/plain": _safe("\n".join(lines))})
        return Output("error", {"text/plain": _safe(f"{content.get('ename')}: {content.get('evalue')}")})
    if message.kind in {"display_data", "execute_result"} and isinstance(content.get("data"), dict):
        data = _safe_bundle(content["data"])
        return Output("result" if message.kind == "execute_result" else "display", data) if data else None
    return None


def _safe(text: str) -> str:
    return _ESCAPES.sub(lambda match: match[0] if match[0].endswith("m") else "", text)


def _safe_bundle(data: Mapping[str, object]) -> dict[str, str]:
    # HTML is shown in a frame without scripts, SVG as an image; JavaScript, widgets and unknown types are left out.
    safe = {"text/plain": _safe(text)} if isinstance(text := data.get("text/plain"), str) else {}
    if isinstance(formula := data.get("text/latex"), str) and not _LATEX_LINKS.search(formula):
        safe["text/latex"] = formula
    for kind in _IMAGES:
        if isinstance(image := data.get(kind), str) and re.fullmatch(r"[A-Za-z0-9+/=\s]*", image):
            safe[kind] = image
    if isinstance(page := data.get("text/html"), str):
        frame = html.escape(page, quote=True)
        safe["text/html"] = (
            f'<iframe sandbox srcdoc="{frame}" style="width:100%;height:22em;border:0;resize:vertical"></iframe>'
        )
    elif isinstance(drawing := data.get("image/svg+xml"), str):
        encoded = base64.b64encode(drawing.encode("utf-8", "replace")).decode()
        safe["text/html"] = f'<img src="data:image/svg+xml;base64,{encoded}">'
    if "application/json" in data and "text/plain" not in safe:
        safe["text/plain"] = json.dumps(data["application/json"])  # ASCII, and control characters escaped
    return safe
