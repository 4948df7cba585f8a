"""Items of a file, a ``mod`` or an ``impl``, with the attributes before them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .literals import on_one_line, string_value
from .tree import COMMENTS, plain, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tree_sitter import Node

__all__ = ["Attribute", "Item", "attributes_of", "functions_of", "items_of", "modifiers_of"]

_KINDS = ("_item", "_invocation", "_declaration", "_definition", "associated_type")
"""Ends of the node types of items; broken code can have millions of other nodes."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an item; each attribute inside a ``cfg_attr`` is separate and has the condition."""

    node: Node
    name: str
    arguments: Node | None = None
    condition: str = ""

    def value(self, key: str) -> str | None:
        """Return the string given as ``key = "..."`` in the attribute's arguments; None if missing."""
        tokens = self.arguments.children if self.arguments else []
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if text_of(first) == key and second.type == "=" and third.type.endswith("string_literal"):
                return string_value(third)
        return None


@dataclass(slots=True)
class Item:
    """A node among its siblings, with the attributes and outer doc comments before it.

    Attributes:
        node: the node.
        attributes: its attributes.
        first: the first attribute or doc comment; None if it has neither.
        siblings: the nodes of the file, the ``mod`` or the ``impl``.
        index: the position of `start` among the siblings; None if it is inside code that cannot be parsed.
    """

    node: Node
    attributes: list[Attribute] = field(default_factory=list)
    first: Node | None = None
    siblings: Sequence[Node] = ()
    index: int | None = None

    @property
    def name(self) -> str:
        """Its name as written."""
        return text_of(self.node.child_by_field_name("name"))

    @property
    def at(self) -> int:
        """The offset of its name."""
        name = self.node.child_by_field_name("name")
        return name.start_byte if name else self.node.start_byte

    @property
    def start(self) -> Node:
        """The first node that belongs to it."""
        return self.first or self.node

    def has(self, *names: str) -> bool:
        """Return whether one of the attributes has one of these names."""
        return any(attribute.name in names for attribute in self.attributes)

    def cfgs(self) -> tuple[str, ...]:
        """Return the texts of its ``#[cfg(...)]`` attributes."""
        return tuple(on_one_line(item.node) for item in self.attributes if item.name == "cfg" and not item.condition)

    def python_name(self, *names: str) -> str:
        """Return the name given by ``#[pyo3(name = ...)]`` or an attribute in ``names``, or else its Rust name."""
        given = (item.value("name") for item in self.attributes if item.name in {"pyo3", *names})
        return next((name for name in given if name), plain(self.name))


def items_of(container: Node) -> Iterator[Item]:
    """Yield the items of a file, a ``mod`` or an ``impl``, each with its attributes and doc comments."""
    siblings = container.children
    pending = Item(container, siblings=siblings)
    stack: list[tuple[Node, int | None]] = list(zip(reversed(siblings), range(len(siblings))[::-1], strict=True))
    while stack:
        node, index = stack.pop()
        kind = node.type
        if kind == "ERROR":
            stack.extend((child, None) for child in reversed(node.children))
            continue
        if kind == "attribute_item":
            pending.attributes.extend(attributes_of(node))
        elif kind in COMMENTS:
            if not node.child_by_field_name("outer"):
                continue
        elif kind == "expression_statement" and node.named_child_count:
            stack.append((node.named_children[0], None))
            continue
        else:
            if pending.first or kind.endswith(_KINDS):
                pending.node = node
                pending.index = pending.index if pending.first else index
                yield pending
                pending = Item(container, siblings=siblings)
            continue
        if pending.first is None:
            pending.first, pending.index = node, index


def functions_of(items: Iterable[Item]) -> Iterator[tuple[Item, bool]]:
    """Yield the functions outside function bodies, each with whether it is inside ``#[pymethods]``."""
    stack = [(item, False) for item in items]
    while stack:
        item, methods = stack.pop()
        body = item.node.child_by_field_name("body")
        if item.node.type == "function_item":
            yield item, methods
        elif body and (item.node.type == "mod_item" or item.has("pymethods")):
            stack += [(inner, item.has("pymethods")) for inner in items_of(body)]


def modifiers_of(function: Node) -> set[str]:
    """Return the node types of the modifiers before ``fn``: ``async``, ``unsafe``, ``extern_modifier``."""
    modifiers = next((child for child in function.children if child.type == "function_modifiers"), None)
    return {child.type for child in modifiers.children} if modifiers else set()


def attributes_of(item: Node) -> Iterator[Attribute]:
    """Yield the attributes in one ``#[...]``: the attribute itself, and all attributes in a ``cfg_attr``."""
    for node in item.named_children:
        if node.type != "attribute" or not node.named_children:
            continue
        path, arguments = node.named_children[0], node.child_by_field_name("arguments")
        name = text_of(path).rpartition("::")[2].strip()
        yield Attribute(item, name, arguments)
        if name == "cfg_attr" and arguments:
            condition: str | None = None
            start, last = arguments.start_byte + 1, ""
            for token in [*arguments.children[1:-1], arguments.children[-1]]:
                if token.type in {",", ")"}:
                    if condition is None:
                        offset = arguments.start_byte
                        condition = (arguments.text or b"")[start - offset : token.start_byte - offset].decode().strip()
                    elif last:
                        yield Attribute(item, last, None, condition)
                    last = ""
                elif token.type == "identifier":
                    last = text_of(token)
                elif token.type == "token_tree" and condition is not None and last:
                    yield Attribute(item, last, token, condition)
                    last = ""
