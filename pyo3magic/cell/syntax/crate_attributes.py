"""Crate-level attributes and documentation, which rustc requires before any item."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING

from .literals import on_one_line, quote, string_value
from .syntax import InnerAttribute
from .tree import COMMENTS, identifiers, text_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["crate_attributes", "doc_text"]


def crate_attributes(root: Node) -> Iterator[InnerAttribute]:
    """Yield the crate-level attributes and inner doc comments before the first item."""
    for node in root.children:
        if node.type in COMMENTS:
            if node.child_by_field_name("outer"):
                return
            if node.child_by_field_name("inner"):
                doc = doc_text(node)
                end = node.start_byte + len((node.text or b"").rstrip(b"\r\n"))
                yield InnerAttribute(node.start_byte, end, f"#![doc = {quote(doc)}]", doc, is_comment=True)
        elif node.type == "inner_attribute_item":
            value = next((leaf for leaf in walk(node) if leaf.type.endswith("string_literal")), None)
            is_doc = next(identifiers(node), "") == "doc" and any(leaf.type == "=" for leaf in walk(node))
            written = string_value(value) if is_doc and value else None
            yield InnerAttribute(node.start_byte, node.end_byte, on_one_line(node), written)
        elif node.type != "shebang":
            return


def doc_text(comment: Node) -> str:
    """Return the text of a doc comment without its markers (Rust reference, "Doc comments")."""
    text = text_of(comment).replace("\r\n", "\n")
    if comment.type == "line_comment":
        return text[3:].rstrip("\n").removeprefix(" ")
    lines = text[3:].removesuffix("*/").split("\n")
    if len(lines) > 1 and all(line.lstrip().startswith("*") for line in lines[1:] if line.strip()):
        lines[1:] = [line.lstrip()[1:] for line in lines[1:]]
    return cleandoc("\n".join(lines)).rstrip()
