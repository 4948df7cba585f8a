"""Find the functions of a cell, each with its path in the compiler's form and its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["Function", "functions_of", "never_inlined"]

_SCOPES = frozenset({"mod_item", "trait_item", "function_item"})


@dataclass(frozen=True, slots=True)
class Function:
    """A function in a cell.

    Attributes:
        path: names of the enclosing modules, traits and functions, then its own; ``impl`` stands for an impl block.
        file: the file's path as passed to the compiler.
        line: its line in the file.
    """

    path: str
    file: str
    line: int

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("::")[2]

    def may_be(self, path: str) -> bool:
        """Return whether a path from the compiler may be this function; either path may lack its first parts."""
        return f"::{self.path}".endswith(f"::{path}") or f"::{path}".endswith(f"::{self.path}")


def functions_of(source: bytes, file: str) -> tuple[Function, ...]:
    """Return the functions in Rust source in order, including functions in a macro's arguments."""
    found = (function for function, _ in _within(parse(source).root_node, file))
    return tuple(sorted(found, key=lambda item: item.line))


def never_inlined(source: bytes, function: Function) -> bytes:
    """Return the source with ``#[inline(never)]`` in place of any other ``#[inline]`` of a function; adds no line.

    A function in a macro's arguments is not changed.
    """
    for found, node in _within(parse(source).root_node, function.file):
        if found != function or node is None:
            continue
        edits = [(node.start_byte, node.start_byte, b"#[inline(never)] ")]
        before = node.prev_named_sibling
        while before is not None and before.type in {"attribute_item", "line_comment", "block_comment"}:
            if _text(before).startswith("#[inline"):
                edits.append((before.start_byte, before.end_byte, b""))
            before = before.prev_named_sibling
        for start, end, new in sorted(edits, reverse=True):
            source = source[:start] + new + source[end:]
    return source


def _within(root: Node, file: str) -> Iterator[tuple[Function, Node | None]]:
    """Yield each function with its node; None for a function in a macro's arguments, which have no syntax tree."""
    stack: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, around = stack.pop()
        inner = around
        if node.type in _SCOPES:
            inner = (*around, _text(node.child_by_field_name("name")))
            if node.type == "function_item":
                yield Function("::".join(inner), file, _line(node.child_by_field_name("name") or node)), node
        elif node.type == "impl_item":
            inner = (*around, "impl")
        elif node.type == "token_tree":
            for keyword, name in zip(node.children, node.children[1:], strict=False):
                if _text(keyword) == "fn" and name.type == "identifier":
                    yield Function("::".join((*around, _text(name))), file, _line(name)), None
        stack += [(child, inner) for child in reversed(node.children)]


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace").removeprefix("r#") if node is not None else ""
