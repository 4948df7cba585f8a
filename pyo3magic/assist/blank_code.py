"""Rust's comments and literals, found without a parser, so that half-written code can be read by its words."""

from __future__ import annotations

import re
from collections import deque

__all__ = ["blanked", "is_in_text"]

_TEXT = re.compile(
    r"""
      //[^\n]*
    | /\*.*?(?:\*/|\Z)
    | \bb?c?r(?P<hashes>\#*)"(?:.*?"(?P=hashes)|.*\Z)
    | "(?:\\.|[^"\\])*(?:"|\Z)
    | b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACES = re.compile(r"[^\n]")


def blanked(source: str) -> str:
    """Return the source with spaces in place of its comments, strings and characters; its length stays the same."""
    return _TEXT.sub(lambda found: _SPACES.sub(" ", found[0]), source)


def is_in_text(source: str) -> bool:
    """Return whether a source ends inside a comment or a string.

    Args:
        source: the source from its beginning, or from the beginning of an item, to the cursor.
    """
    last = next(iter(deque(_TEXT.finditer(source), maxlen=1)), None)
    if last is None or last.end() < len(source):
        return False
    text = last[0]
    if text.startswith("//"):
        return True
    if text.startswith("/*"):
        return not text.endswith("*/") or len(text) < len("/**/")
    if text.endswith("'"):
        return False
    opening = text.index('"')
    ending = '"' + "#" * text[:opening].count("#")
    escaped = ending == '"' and "r" not in text[:opening] and _is_escaped(text)
    return not text[opening + 1 :].endswith(ending) or escaped


def _is_escaped(text: str) -> bool:
    before = text[1:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
