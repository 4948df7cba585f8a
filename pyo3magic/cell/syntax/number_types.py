"""Read the types of numbers in a cell's Rust: primitive types, aliases, generic parameters and complex numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .tree import COMMENTS, text_of
from .ufunc_types import Number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tree_sitter import Node

    from .items import Item

__all__ = [
    "FLOATS",
    "INTEGERS",
    "Scope",
    "last_segment",
    "number_of",
    "type_aliases",
    "type_arguments",
    "without_aliases",
]

FLOATS = ("f32", "f64")
"""Rust's floating-point types that NumPy has."""
INTEGERS = tuple(f"{kind}{bits}" for bits in (8, 16, 32, 64) for kind in "iu")
"""Rust's integer types that NumPy has, the smallest first."""
_DEEPEST = 10
"""The most aliases of aliases that are followed."""
_PRIMITIVES = frozenset({"bool", *INTEGERS, "isize", "usize", *FLOATS})
_COMPLEX = {"Complex64": "f64", "Complex32": "f32", "c64": "f64", "c32": "f32"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names of types mean: the cell's aliases, the types it defines, and the function's generic parameter."""

    aliases: Mapping[str, Node]
    defined: frozenset[str]
    generics: Mapping[str, str]


def type_aliases(items: Sequence[Item]) -> dict[str, Node]:
    """Return the type that each top-level ``type`` without parameters stands for."""
    found = {}
    for item in items:
        kind = item.node.child_by_field_name("type") if item.node.type == "type_item" else None
        if kind is not None and item.node.child_by_field_name("type_parameters") is None:
            found[item.name] = kind
    return found


def without_aliases(node: Node | None, scope: Scope) -> Node | None:
    """Return the type that a type stands for if its name is an alias, else the type itself."""
    for _ in range(_DEEPEST):
        if node is not None and node.type == "type_identifier" and text_of(node) in scope.aliases:
            node = scope.aliases[text_of(node)]
    return node


def number_of(node: Node | None, scope: Scope, depth: int = 0) -> Number | None:
    """Return the type of an array's elements; None for other types."""
    if node is None or depth > _DEEPEST:
        return None
    text = text_of(node)
    if text in scope.generics:
        return Number(scope.generics[text])
    if text in scope.aliases:
        return number_of(scope.aliases[text], scope, depth + 1)
    if node.type == "primitive_type":
        return Number(text) if text in _PRIMITIVES else None
    return None if last_segment(node) in scope.defined else _complex(node, scope, depth)


def _complex(node: Node, scope: Scope, depth: int) -> Number | None:
    """Return a type of the crate num-complex; None for other types."""
    text, last = text_of(node), last_segment(node)
    if node.type in {"type_identifier", "scoped_type_identifier"} and last in _COMPLEX:
        return Number(f"Complex<{_COMPLEX[last]}>", text)
    if node.type == "generic_type" and last == "Complex" and (arguments := type_arguments(node)):
        part = number_of(arguments[0], scope, depth + 1)
        if part is not None and part.name in FLOATS:
            return Number(f"Complex<{part.name}>", f"{text_of(node.child_by_field_name('type'))}<{part.name}>")
    return None


def last_segment(node: Node) -> str:
    """Return the last segment of a type's path, without its arguments."""
    return (
        text_of(node.child_by_field_name("type") if node.type == "generic_type" else node).rpartition("::")[2].strip()
    )


def type_arguments(node: Node) -> list[Node]:
    """Return the arguments of a type, as ``f64`` of ``Complex<f64>``."""
    found = node.child_by_field_name("type_arguments")
    return [child for child in found.named_children if child.type not in COMMENTS] if found else []
