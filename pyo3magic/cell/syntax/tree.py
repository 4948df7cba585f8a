"""Parse Rust into tree-sitter's syntax tree, and helpers for its nodes."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from pyo3magic.errors import CellError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Language, Node, Parser, Query, Tree

__all__ = ["COMMENTS", "encode", "identifiers", "nodes_of", "parse", "plain", "text_of", "walk"]

COMMENTS = frozenset({"line_comment", "block_comment"})


def encode(source: str) -> bytes:
    """Encode a source as UTF-8, the bytes to which offsets refer; characters that UTF-8 cannot encode become ``?``."""
    return source.encode("utf-8", "replace")


_LARGE = 300_000
_CHUNK = 1 << 16
_SECONDS = 10
"""How long reading a large text may take. 5 MB of Rust take 0.3 s; only text that is not Rust takes long."""


@lru_cache(maxsize=1)
def _language() -> Language:
    import tree_sitter_rust
    from tree_sitter import Language

    return Language(tree_sitter_rust.language())


@lru_cache(maxsize=1)
def _parser() -> Parser:
    from tree_sitter import Parser

    return Parser(_language())


@lru_cache(maxsize=16)
def parse(text: bytes) -> Tree:
    """Parse a source; the trees of the latest sources are cached.

    Raises:
        CellError: parsing takes too long.
    """
    if len(text) > _LARGE:
        _check_time(text)
    return _parser().parse(text)


def _check_time(text: bytes) -> None:
    """Parse a text for the time that this takes: a parser can be stopped only where it asks for more text."""
    ends = time.monotonic() + _SECONDS

    def read(at: int, _: object) -> bytes:
        if time.monotonic() > ends:
            raise TimeoutError
        return text[at : at + _CHUNK]

    try:
        _parser().parse(read)
    except SystemError:  # what tree-sitter makes of an exception in `read`
        _parser().reset()
        raise CellError(
            f"The cell's {len(text) / 1e6:.1f} MB of text cannot be read as Rust within {_SECONDS} seconds.",
            advice="Put data into a file and read it with include_str!, or make a crate and use it with --crate.",
        ) from None


@lru_cache(maxsize=16)
def _query(kinds: tuple[str, ...]) -> Query:
    from tree_sitter import Query

    query: Query = Query(_language(), "\n".join(f"({kind}) @{kind}" for kind in kinds))
    return query


def nodes_of(root: Node, *kinds: str) -> dict[str, list[Node]]:
    """Return all nodes of some types at and below a node, by type and in the order of the source.

    Args:
        root: the node.
        kinds: the types; a type without nodes is left out of the result.
    """
    from tree_sitter import QueryCursor

    found = QueryCursor(_query(kinds)).captures(root)
    return {kind: sorted(nodes, key=lambda node: node.start_byte) for kind, nodes in found.items()}


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
