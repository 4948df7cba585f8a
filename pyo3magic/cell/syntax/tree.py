"""tree-sitter's tree of a cell's Rust, and the little that every reader of it needs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser, Tree

__all__ = ["COMMENTS", "encode", "identifiers", "parse", "plain", "text_of", "walk"]

COMMENTS = frozenset({"line_comment", "block_comment"})


def encode(source: str) -> bytes:
    """The bytes that offsets count; what UTF-8 cannot say becomes ``?``."""
    return source.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_rust.language()))


@lru_cache(maxsize=16)
def parse(text: bytes) -> Tree:
    """The syntax tree of a source; the trees of the latest sources are kept."""
    return _parser().parse(text)


def text_of(node: Node | None) -> str:
    """A node's text; empty for none."""
    return (node.text or b"").decode() if node else ""


def plain(name: str) -> str:
    """A name without ``r#``."""
    return name.removeprefix("r#")


def walk(node: Node) -> Iterator[Node]:
    """The node and all under it, in order; a stack, since source may nest deeper than Python recurses."""
    stack = [node]
    while stack:
        yield (node := stack.pop())
        stack.extend(reversed(node.children))


def identifiers(node: Node) -> Iterator[str]:
    """The identifiers in a node, in order."""
    return (text_of(leaf) for leaf in walk(node) if leaf.type == "identifier")
