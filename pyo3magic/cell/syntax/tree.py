"""Parse Rust into tree-sitter's syntax tree, and helpers for its nodes."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from pyo3magic.errors import CellError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser, Tree

__all__ = ["COMMENTS", "encode", "identifiers", "parse", "plain", "reparse", "text_of", "walk"]

COMMENTS = frozenset({"line_comment", "block_comment"})

_SMALL = 1 << 18
"""Size in bytes up to which any text is parsed within a few seconds."""
_SECONDS = 10.0
"""Processor time that a larger text may take. Rust takes 0.2 s for each million bytes, some broken text 15 s."""
_CHUNK = 1 << 20


def encode(source: str) -> bytes:
    """Encode a source as UTF-8, the bytes to which offsets refer; characters that UTF-8 cannot encode become ``?``."""
    return source.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_rust.language()))


@lru_cache(maxsize=4)
def parse(text: bytes, *, name: str = "the cell", lines_above: int = 1) -> Tree:
    """Parse a source; the trees of the latest sources are cached.

    Args:
        text: the source, UTF-8.
        name: its name in messages.
        lines_above: number of lines above its first one; a cell has its ``%%rust`` line there.

    Raises:
        CellError: the text is so broken that reading it takes too long.
    """
    parser = _parser()
    if len(text) <= _SMALL:
        return parser.parse(text)
    given_up = time.thread_time() + _SECONDS

    def check(offset: int, _has_error: bool) -> bool:  # noqa: FBT001 - tree-sitter's signature
        # tree-sitter calls it every hundred steps, which also lets an interrupt through.
        if time.thread_time() > given_up:
            line = text.count(b"\n", 0, offset) + 1 + lines_above
            raise CellError(
                f"Reading {name} as Rust was given up at line {line}, after {_SECONDS:g} s: most of the text before "
                "that line is not Rust.",
                advice="Correct that text; a missing quotation mark can be the reason. Data belongs in a file, which "
                "include_str! or std::fs::read reads.",
            )
        return False

    try:
        tree = parser.parse(lambda offset, _point: text[offset : offset + _CHUNK], progress_callback=check)
    except BaseException:
        parser.reset()  # or the next text would go on where this one ended
        raise
    # The nodes of a tree have texts only if the parser was given bytes. The first tree's nodes are used again.
    return parser.parse(text, tree)


def reparse(text: bytes, earlier: Tree, earlier_text: bytes) -> Tree:
    """Parse a source that was edited since an earlier parse, in time that grows with the edit.

    Only what lies between the first and the last difference is read again, so typing in a long cell costs little. After
    an edit tree-sitter may recover from errors in another way than `parse` does.

    Args:
        text: the source, UTF-8.
        earlier: the tree of the earlier source; it stays unchanged.
        earlier_text: the earlier source, UTF-8.

    Raises:
        CellError: the text is so long and so broken that reading it takes too long.
    """
    if len(text) > _SMALL:
        return parse(text)
    start = _common_start(text, earlier_text)
    longest = min(len(text), len(earlier_text)) - start
    same = _common_start(text[::-1][:longest], earlier_text[::-1][:longest])
    tree = earlier.copy()
    tree.edit(
        start_byte=start,
        old_end_byte=len(earlier_text) - same,
        new_end_byte=len(text) - same,
        start_point=_point(text, start),
        old_end_point=_point(earlier_text, len(earlier_text) - same),
        new_end_point=_point(text, len(text) - same),
    )
    return _parser().parse(text, tree)


def _common_start(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _point(text: bytes, offset: int) -> tuple[int, int]:
    return text.count(b"\n", 0, offset), offset - (text.rfind(b"\n", 0, offset) + 1)


def text_of(node: Node | None) -> str:
    """Return a node's text; empty for None."""
    return (node.text or b"").decode() if node else ""


def plain(name: str) -> str:
    """Return a name without ``r#``."""
    return name.removeprefix("r#")


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and its descendants in order, without recursion because source may nest deeply."""
    stack = [node]
    while stack:
        yield (node := stack.pop())
        stack.extend(reversed(node.children))


def identifiers(node: Node) -> Iterator[str]:
    """Yield the identifiers in a node, in order."""
    return (text_of(leaf) for leaf in walk(node) if leaf.type == "identifier")
