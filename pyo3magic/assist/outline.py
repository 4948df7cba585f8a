"""The names that a Rust source declares, from its syntax tree and, where that is broken, from its words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import encode, parse, plain, reparse, text_of
from pyo3magic.cell.syntax.exceptions import exception_name
from pyo3magic.cell.syntax.used_names import use_paths

from .blank_code import blanked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Tree

__all__ = ["Declared", "LiveSource", "outline_of"]

_ITEMS = {
    "function_item": "function",
    "function_signature_item": "function",
    "struct_item": "struct",
    "union_item": "struct",
    "enum_item": "enum",
    "trait_item": "trait",
    "type_item": "type",
    "associated_type": "type",
    "const_item": "constant",
    "static_item": "constant",
    "mod_item": "module",
    "macro_definition": "macro",
}
_WORDS = {
    "fn": "function",
    "struct": "struct",
    "union": "struct",
    "enum": "enum",
    "trait": "trait",
    "type": "type",
    "const": "constant",
    "static": "constant",
    "mod": "module",
}
_DECLARATION = re.compile(rf"\b({'|'.join(_WORDS)})\s+(?:mut\s+)?((?:r#)?[^\W\d]\w*)|\bmacro_rules!\s*([^\W\d]\w*)")
_WORD = re.compile(r"\w+")
_LONGEST = 200_000
"""Longer sources, in bytes, are read by their words: parsing broken ones can take seconds."""
_NESTED = frozenset({"ERROR", "expression_statement", "declaration_list", "foreign_mod_item", "block"})


@dataclass(frozen=True, slots=True)
class Declared:
    """A name that a source declares.

    Attributes:
        name: the name, without ``r#``.
        kind: ``function``, ``struct``, ``enum``, ``variant``, ``field``, ``constant``, ``trait``, ``type``, ``module``,
            ``macro``, or ``import`` for a name that a ``use`` binds.
        module: the path of modules it is in, joined by ``::``; empty at the top.
        owner: the type or trait that it belongs to, for methods, fields and variants.
        type: the type of a field or constant, what a function returns, or the path of an import; as written.
        is_public: whether it has a visibility, or belongs to a public type's trait or enum.
        takes_self: whether it is a method with a receiver.
    """

    name: str
    kind: str
    module: str = ""
    owner: str = ""
    type: str = ""
    is_public: bool = False
    takes_self: bool = False


class LiveSource:
    """A source while it is typed: each new text is parsed as an edit of the one before."""

    def __init__(self) -> None:
        self._text = b""
        self._tree: Tree | None = None
        self._known: dict[bytes, tuple[Declared, ...]] = {}
        self._whole: tuple[Declared, ...] = ()

    def root(self, text: bytes) -> Node | None:
        """Return the root of a source's syntax tree; None if reading it could take long.

        Args:
            text: the source, UTF-8.
        """
        if len(text) > _LONGEST:
            return None
        if self._tree is None or text != self._text:
            self._tree = parse(text) if self._tree is None else reparse(text, self._tree, self._text)
            self._text = text
        return self._tree.root_node

    def outline(self, source: str) -> tuple[Declared, ...]:
        """Return the names that a source declares, in its order; never raises."""
        root = self.root(encode(source))
        if root is None:
            return tuple(_spoken(source))
        found: list[Declared] = []
        known: dict[bytes, tuple[Declared, ...]] = {}
        for node in root.children:
            words = node.text or b""
            if words not in known:
                known[words] = self._known.get(words) or tuple(_declared(node, ""))
            found += known[words]
        self._known = known
        if not root.has_error:
            self._whole = tuple(found)
            return self._whole
        return tuple(self._completed(found, source))

    def _completed(self, found: list[Declared], source: str) -> Iterator[Declared]:
        """Yield the names of a broken source; an error hides what is around it.

        What the source declared when it was last whole is right as long as its words are still there.
        """
        words = set(_WORD.findall(source))
        kept = [item for item in self._whole if item.name in words and (not item.owner or item.owner in words)]
        names = {item.name for item in kept}
        yield from kept
        for item in (*found, *(() if kept else _spoken(source))):
            if item.name not in names:
                yield item
        self._whole = tuple(kept)


@lru_cache(maxsize=512)
def outline_of(source: str) -> tuple[Declared, ...]:
    """Return the names that a finished source declares; the latest results are cached."""
    return LiveSource().outline(source)


def _declared(start: Node, module: str) -> Iterator[Declared]:
    stack = [(start, module, "")]
    while stack:
        node, place, owner = stack.pop()
        body = node.child_by_field_name("body")
        if node.type in _NESTED or (node.type == "function_item" and body and _holds_items(body)):
            stack += [(child, place, owner) for child in reversed((body or node).children)]
        if node.type == "impl_item":
            owner = plain(_last_name(node.child_by_field_name("type")))
            stack += [(child, place, owner) for child in reversed(body.children if body else [])]
        elif node.type in {"use_declaration", "macro_invocation"}:
            yield from _bound(node, place)
        elif (item := _item(node, place, owner)) is not None:
            yield item
            if node.type in {"struct_item", "union_item", "enum_item"}:
                yield from _parts(node, item)
            elif node.type in {"mod_item", "trait_item"} and body:
                inner = (
                    (f"{place}::{item.name}".removeprefix("::"), "") if item.kind == "module" else (place, item.name)
                )
                stack += [(child, *inner) for child in reversed(body.children)]


def _bound(node: Node, module: str) -> Iterator[Declared]:
    """Yield the names that a ``use`` or a ``create_exception!`` binds."""
    if name := exception_name(node):
        yield Declared(plain(text_of(name)), "struct", module, is_public=True)
    elif node.type == "use_declaration":
        for path, bound in use_paths(node).items():
            if bound and bound != "_":
                yield Declared(bound, "import", module, type="::".join(path), is_public=_is_public(node))


def _item(node: Node, module: str, owner: str) -> Declared | None:
    kind, name = _ITEMS.get(node.type), plain(text_of(node.child_by_field_name("name")))
    if kind is None or not name or name == "_":
        return None
    kept = node.child_by_field_name("return_type" if kind == "function" else "type")
    parameters = node.child_by_field_name("parameters")
    receiver = parameters is not None and any(child.type == "self_parameter" for child in parameters.named_children)
    return Declared(name, kind, module, owner, text_of(kept), _is_public(node), receiver)


def _parts(node: Node, whole: Declared) -> Iterator[Declared]:
    body = node.child_by_field_name("body")
    part = replace(whole, owner=whole.name, type="")
    for child in body.named_children if body else []:
        if child.type == "field_declaration":
            name, kind = plain(text_of(child.child_by_field_name("name"))), text_of(child.child_by_field_name("type"))
            yield replace(part, name=name, kind="field", type=kind, is_public=_is_public(child))
        elif child.type == "enum_variant":
            yield replace(part, name=plain(text_of(child.child_by_field_name("name"))), kind="variant")


def _is_public(node: Node) -> bool:
    return any(child.type == "visibility_modifier" for child in node.children)


def _holds_items(body: Node) -> bool:
    return any(child.type in _ITEMS for child in body.children)


def _last_name(node: Node | None) -> str:
    """Return the name of a type without its path and arguments."""
    return text_of(node).partition("<")[0].rpartition("::")[2].strip(" &")


def _spoken(source: str) -> Iterator[Declared]:
    """Yield what the words of a source declare, whatever is around them; macros' bodies count as well."""
    for found in _DECLARATION.finditer(blanked(source)):
        if found[3]:
            yield Declared(found[3], "macro")
        elif found[2] not in {"fn", "unsafe", "extern", "async", "_"}:
            yield Declared(plain(found[2]), _WORDS[found[1]])
