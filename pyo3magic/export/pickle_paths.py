"""Where Python finds the types of an exported cell; without a word of it PyO3 says ``builtins``, where pickle fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rust_syntax import KEYWORDS, exception_calls, top_level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["Edit", "homes"]

Edit = tuple[int, int, bytes]
"""Start, end and new text of a place in a source."""


def homes(root: Node, path: str) -> Iterator[Edit]:
    """Edits that write the module's path into each class and exception (PyO3 guide, ``#[pyclass(module = "...")]``).

    Args:
        root: the cell's syntax tree.
        path: the module's dotted path.
    """
    attributes: list[Node] = []
    for node in top_level(root):
        if node.type == "attribute_item":
            attributes.append(node)
        elif node.type not in {"line_comment", "block_comment"}:
            if node.type in {"struct_item", "enum_item"}:
                yield from _of_class(attributes, path)
            attributes = []
    if KEYWORDS & set(path.split(".")):
        return  # `create_exception!` takes an expression there
    for tokens in exception_calls(root):
        first = tokens[0]
        yield first[0].start_byte, first[-1].end_byte, path.encode()


def _of_class(items: list[Node], path: str) -> Iterator[Edit]:
    attributes = [attribute for item in items for attribute in item.children if attribute.type == "attribute"]
    if any(_says_module(attribute) for attribute in attributes if _name(attribute) in {"pyclass", "pyo3"}):
        return
    for attribute in attributes:
        if _name(attribute) == "pyclass":
            given = f'module = "{path}"'
            arguments = attribute.child_by_field_name("arguments")
            if arguments is None:
                yield attribute.end_byte, attribute.end_byte, f"({given})".encode()
            else:
                more = ", " if arguments.child_count > 2 else ""  # noqa: PLR2004 - the parentheses
                yield arguments.start_byte + 1, arguments.start_byte + 1, f"{given}{more}".encode()


def _name(attribute: Node) -> str:
    return (attribute.children[0].text or b"").decode().rpartition("::")[2]


def _says_module(attribute: Node) -> bool:
    arguments = attribute.child_by_field_name("arguments")
    return arguments is not None and any(child.text == b"module" for child in arguments.children)
