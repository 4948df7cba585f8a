"""Convert between string literals and their values, and put token text on one line."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from .tree import COMMENTS, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["on_one_line", "quote", "string_value"]


def string_value(node: Node) -> str:
    """Return the value of a string literal, with escapes as in the Rust reference, "Tokens"."""
    text = text_of(node)
    if node.type == "raw_string_literal":
        return text.lstrip("r").strip("#")[1:-1]
    named = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}

    def unescape(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code:
            value = int(code.replace("_", ""), 16)
            return chr(value).encode("utf-8", "ignore").decode() if value <= sys.maxunicode else ""
        return "" if match[3][0] == "\n" else named.get(match[3], match[3])

    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F_]{1,8})\}|(\n\s*|.))", unescape, text[1:-1], flags=re.DOTALL)


def quote(text: str) -> str:
    """Return a text as a Rust string literal on one line."""
    for character, escape in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.items():
        text = text.replace(character, escape)
    return f'"{text}"'


def on_one_line(node: Node) -> str:
    """Return the node's text on one line, with each run of comments and white space replaced by one space."""
    parts, end = [], node.start_byte
    stack = [node]
    while stack:
        leaf = stack.pop()
        literal = leaf.type.endswith("string_literal")
        if leaf.children and not literal and leaf.type not in COMMENTS:
            stack.extend(reversed(leaf.children))
            continue
        if leaf.type in COMMENTS:
            continue
        text = text_of(leaf)
        plain = literal and "\n" in text and not text.startswith(("b", "c"))
        parts += [" " * (leaf.start_byte > end), quote(string_value(leaf)) if plain else text]
        end = leaf.end_byte
    return "".join(parts)
