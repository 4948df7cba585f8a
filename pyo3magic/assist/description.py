"""What help shows about an item: its signature, its documentation and its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import Item, encode, items_of, plain, text_of
from pyo3magic.cell.syntax.exceptions import exception_name

from .outline import LiveSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["Description", "describe", "describe_exported"]

_PYTHON_NAMES = ("pyfunction", "pyclass", "pymodule")
_PARTS = frozenset({"field_declaration", "enum_variant"})
_OUTER_DOC = re.compile(
    r"^[ \t]*///(?!/) ?([^\n]*)$|/\*\*(?!\*|/)(.*?)\*/|#\[doc\s*=\s*\"((?:\\.|[^\"\\])*)\"\]", re.MULTILINE | re.DOTALL
)
_STARS = re.compile(r"^[ \t]*\* ?", re.MULTILINE)
_LONGEST_SIGNATURE = 40


@dataclass(frozen=True, slots=True)
class Description:
    """An item of a cell.

    Attributes:
        signature: its declaration without a body and attributes; a struct's and an enum's is whole.
        docs: its doc comment, which is Markdown.
        source: its text, attributes and doc comments included; a type's with all its ``impl`` blocks.
        line: the line of the source where it begins, from 1.
    """

    signature: str
    docs: str
    source: str
    line: int


def describe(source: str, name: str, owner: str = "", live: LiveSource | None = None) -> Description | None:
    """Describe an item by its Rust name; None if the source has no such item.

    Args:
        source: the Rust of a cell.
        name: the item, field or variant.
        owner: the type or trait to which a method, a field or a variant belongs.
        live: what has parsed the source while it was typed.
    """
    text = encode(source)
    for item, belongs in _items(text, live or LiveSource(), name.encode()):
        if belongs == owner and _rust_name(item) == name:
            return _described(text, item)
    return None


def describe_exported(source: str, name: str, class_name: str = "") -> Description | None:
    """Describe an item by its name in Python.

    Args:
        source: the Rust of a cell.
        name: the function, class, method or property; ``__new__`` and ``__init__`` are the ``#[new]`` of the class.
        class_name: the class of a method or property; empty for what the module exports.
    """
    text = encode(source)
    items = list(_items(text, LiveSource()))
    owner = ""
    if class_name:
        classes = (item for item, belongs in items if not belongs and item.has("pyclass"))
        owner = next((plain(item.name) for item in classes if item.python_name("pyclass") == class_name), class_name)
    for item, belongs in items:
        if belongs == owner and _exports(item, name):
            return _described(text, item)
    return None


def _exports(item: Item, name: str) -> bool:
    if name in {"__new__", "__init__"} and item.has("new"):
        return True
    named = item.python_name(*_PYTHON_NAMES) or _rust_name(item)
    for attribute in item.attributes:
        if attribute.name in {"getter", "setter"}:
            given = text_of(attribute.arguments).strip("() ") if attribute.arguments else ""
            return name in {given or named, named.removeprefix("get_" if attribute.name == "getter" else "set_")}
    return named == name


def _rust_name(item: Item) -> str:
    return plain(item.name or text_of(exception_name(item.node)))


def _items(text: bytes, live: LiveSource, word: bytes = b"") -> Iterator[tuple[Item, str]]:
    """Yield each item outside function bodies, with the type or trait that it belongs to.

    Args:
        text: the source, UTF-8.
        live: what has parsed the source.
        word: a word in the items that are wanted; bodies without it are left out.
    """
    root = live.root(text)
    stack = [(item, "") for item in reversed(list(items_of(root)))] if root is not None else []
    while stack:
        item, owner = stack.pop()
        node, body = item.node, item.node.child_by_field_name("body")
        if node.type == "impl_item":
            owner = _implemented(node)
        else:
            yield item, owner
            owner = plain(item.name) if node.type != "mod_item" else ""
        if body is None or node.type in {"function_item", "macro_definition"} or word not in (body.text or b""):
            continue
        inner = _parts(body) if node.type in {"struct_item", "enum_item", "union_item"} else items_of(body)
        stack += [(part, owner) for part in reversed(list(inner))]


def _parts(body: Node) -> Iterator[Item]:
    """Yield the fields or variants of a type, each with the comments and attributes above it."""
    first: Node | None = None
    for child in body.named_children:
        if child.type in _PARTS:
            yield Item(child, first=first)
            first = None
        else:
            first = first or child


def _described(text: bytes, item: Item) -> Description:
    node, start = item.node, item.start.start_byte
    parts = [text[start : node.end_byte]]
    if node.type in {"struct_item", "enum_item", "union_item"}:
        name = plain(item.name)
        blocks = (block for block in item.siblings if block.type == "impl_item" and _implemented(block) == name)
        parts += [_with_attributes(text, block) for block in blocks]
    return Description(
        signature=_signature(text, node),
        docs=_docs(text[start : node.start_byte].decode("utf-8", "replace")),
        source="\n\n".join(cleandoc(part.decode("utf-8", "replace")) for part in parts),
        line=text.count(b"\n", 0, start) + 1,
    )


def _implemented(block: Node) -> str:
    """Return the name of the type that an ``impl`` is for."""
    return text_of(block.child_by_field_name("type")).partition("<")[0].rpartition("::")[2].strip()


def _with_attributes(text: bytes, block: Node) -> bytes:
    first = block
    while (before := first.prev_sibling) is not None and before.type in {"attribute_item", "line_comment"}:
        first = before
    return text[first.start_byte : block.end_byte]


def _signature(text: bytes, node: Node) -> str:
    body = node.child_by_field_name("body")
    is_whole = node.type in {"struct_item", "enum_item", "union_item", *_PARTS}
    if node.type == "macro_definition":
        return f"macro_rules! {text_of(node.child_by_field_name('name'))}"
    end = node.end_byte if body is None or is_whole else body.start_byte
    start = node.start_byte
    column = start - (text.rfind(b"\n", 0, start) + 1)
    written = cleandoc(" " * column + text[start:end].decode("utf-8", "replace"))
    lines = written.rstrip(" \n{;").splitlines() if body is not None and not is_whole else written.splitlines()
    lines = [line for line in lines if not line.strip().startswith(("#[", "///", "//"))]
    return "\n".join(lines if len(lines) <= _LONGEST_SIGNATURE else [*lines[:_LONGEST_SIGNATURE], "..."])


def _docs(above: str) -> str:
    """Return the text of the doc comments and ``#[doc]`` attributes above an item (Rust reference, "Doc comments")."""
    lines: list[str] = []
    for found in _OUTER_DOC.finditer(above):
        if found[1] is not None:
            lines.append(found[1])
        elif found[2] is not None:
            lines.append(cleandoc(_STARS.sub("", found[2])).rstrip())
        else:
            lines.append(found[3].replace('\\"', '"').replace("\\n", "\n"))
    return cleandoc("\n".join(lines))
