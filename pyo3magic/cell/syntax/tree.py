"""Parse Rust into tree-sitter's syntax tree, and helpers for its nodes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser, Tree

__all__ = ["COMMENTS", "encode", "identifiers", "parse", "plain", "text_of", "walk"]

COMMENTS = frozenset({"line_comment", "block_comment"})


def encode(source: str) -> bytes:
    """Encode a source as UTF-8, the bytes to which offsets refer; characters that UTF-8 cannot encode become ``?``."""
    return source.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_rust.language()))


@lru_cache(maxsize=16)
def parse(text: bytes) -> Tree:
    """Parse a source; the trees of the latest sources are cached."""
    return _parser().parse(text)


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
