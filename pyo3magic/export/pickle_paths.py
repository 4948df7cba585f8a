"""Writes into classes and exceptions where Python finds them; PyO3's default is ``builtins``, where pickle fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import items_of, text_of

from .rust_syntax import KEYWORDS, exception_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from pyo3magic.cell.syntax import Item

    from .rust_syntax import Edit

__all__ = ["pickle_paths"]


def pickle_paths(root: Node, path: str) -> Iterator[Edit]:
    """Edits that write the module's path into each class and exception (PyO3 guide, ``#[pyclass(module = "...")]``).

    Args:
        root: the cell's syntax tree.
        path: the module's dotted path.
    """
    for item in items_of(root):
        if item.node.type in {"struct_item", "enum_item"}:
            yield from _of_class(item, path)
    if KEYWORDS & set(path.split(".")):
        return  # `create_exception!` takes an expression there
    for tokens in exception_calls(root):
        first = tokens[0]
        yield first[0].start_byte, first[-1].end_byte, path.encode()


def _of_class(item: Item, path: str) -> Iterator[Edit]:
    attributes = [found for found in item.attributes if not found.condition]
    named = (found.arguments for found in attributes if found.name in {"pyclass", "pyo3"} and found.arguments)
    if any(text_of(token) == "module" for arguments in named for token in arguments.children):
        return
    for attribute in attributes:
        if attribute.name == "pyclass":
            given = f'module = "{path}"'
            if attribute.arguments is None:
                end = attribute.node.named_children[0].end_byte
                yield end, end, f"({given})".encode()
            else:
                place = attribute.arguments.start_byte + 1
                more = ", " if attribute.arguments.child_count > 2 else ""  # noqa: PLR2004 - the parentheses
                yield place, place, f"{given}{more}".encode()
