"""Read PyO3's macro ``create_exception!(module, Name, Base, "documentation")``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tree import COMMENTS, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["exception_arguments", "exception_name"]


def exception_arguments(node: Node) -> list[list[Node]]:
    """Return the arguments of a ``create_exception!``, each as its tokens without comments; empty for other nodes."""
    if node.type != "macro_invocation":
        return []
    if text_of(node.child_by_field_name("macro")).rpartition("::")[2].strip() != "create_exception":
        return []
    tree = next((child for child in node.children if child.type == "token_tree"), None)
    arguments: list[list[Node]] = [[]]
    for token in tree.children[1:-1] if tree else []:
        if token.type == ",":
            arguments.append([])
        elif token.type not in COMMENTS:
            arguments[-1].append(token)
    return arguments


def exception_name(node: Node) -> Node | None:
    """Return the name in a ``create_exception!``; None for other nodes."""
    arguments = exception_arguments(node)
    named = arguments[1] if len(arguments) > 1 else []
    return next((token for token in named if token.type == "identifier"), None)
