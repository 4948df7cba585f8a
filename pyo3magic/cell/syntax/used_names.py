"""Collect the names that a source mentions in paths and imports, to find the crates and cells that it uses."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .items import attributes_of
from .tree import COMMENTS, identifiers, plain, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tree_sitter import Node

    from .items import Item

__all__ = ["Uses", "use_paths"]

_PYTHON_CFG = re.compile(r"Py_3_\d+|Py_GIL_DISABLED|Py_LIMITED_API|PyPy|GraalPy|RustPython|py_sys_config")
_NO_CRATE = frozenset({"std", "core", "alloc", "proc_macro", "test"})
_NUMBERS = frozenset({f"{kind}{bits}" for kind in "iu" for bits in (8, 16, 32, 64, 128, "size")} | {"f32", "f64"})
_TYPES = frozenset({"struct_item", "enum_item", "union_item", "type_item", "trait_item"})
_SCOPED = frozenset({"scoped_identifier", "scoped_type_identifier"})
_WORDS = re.compile(rb"::|mod|use|extern|test|Py|py_sys_config|wrap_pymodule")
"""What code with a name that counts contains."""


@dataclass(slots=True)
class Uses:
    """The names that a source mentions."""

    paths: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    wrapped: set[str] = field(default_factory=set)
    python_cfgs: bool = False
    tests: bool = False

    def visit(self, root: Node, text: bytes) -> None:
        """Collect the names in the whole tree below ``root``. Nodes without one of the words for it are not looked at.

        Args:
            root: the root of the tree.
            text: the source of the tree.
        """
        words = [match.start() for match in _WORDS.finditer(text)]
        stack = [root]
        while stack:
            node = stack.pop()
            nearest = bisect_left(words, node.start_byte)
            if nearest == len(words) or words[nearest] >= node.end_byte:
                continue
            kind = node.type
            if kind == "use_declaration":
                self._use(node)
                continue
            stack.extend(node.children)
            if kind == "token_tree":
                self._tokens(node)
            elif kind in _SCOPED:
                self._path(node)
            elif kind == "mod_item":
                self.defined.add(plain(text_of(node.child_by_field_name("name"))))
            else:
                self._other(node)

    def define_types(self, items: Iterable[Item]) -> None:
        """Add the types that the items of a file define."""
        self.defined.update(plain(item.name) for item in items if item.index is not None and item.node.type in _TYPES)

    def _path(self, node: Node) -> None:
        first = node.child_by_field_name("path") or node.child_by_field_name("name")
        if first and first.type == "identifier":
            self.paths.add(plain(text_of(first)))

    def _other(self, node: Node) -> None:
        if node.type == "extern_crate_declaration":
            self.imported.add(plain(text_of(node.child_by_field_name("name"))))
            self.defined.add(plain(text_of(node.child_by_field_name("alias"))))
        elif node.type == "attribute_item":
            self.tests = self.tests or any(attribute.name == "test" for attribute in attributes_of(node))
        elif node.type == "macro_invocation" and text_of(node.child_by_field_name("macro")).endswith("wrap_pymodule"):
            self.wrapped.update(plain(word) for word in list(identifiers(node))[-1:])

    def _tokens(self, tree: Node) -> None:
        tokens = tree.children
        kinds = [token.type for token in tokens]
        for index, kind in enumerate(kinds):
            if kind != "identifier":
                continue
            name = text_of(tokens[index])
            if _PYTHON_CFG.fullmatch(name):
                self.python_cfgs = True
            before = kinds[max(index - 2, 0) : index]
            follows = kinds[index + 1 : index + 2] == ["::"]
            if follows and before[-1:] != ["."] and (before[-1:] != ["::"] or before[0] in {"::", ","}):
                self.paths.add(plain(name))
            if name == "wrap_pymodule" and index + 2 < len(tokens):
                self.wrapped.update(plain(word) for word in list(identifiers(tokens[index + 2]))[-1:])

    def _use(self, node: Node) -> None:
        for path, bound in use_paths(node).items():
            if path and path[0] not in {"self", "super", "crate", "*"}:
                self.imported.add(path[0])
            # `use shapes::{self}` and `use shapes::shapes` bind a name that equals the crate's own.
            if bound and path[0] != bound:
                self.defined.add(bound)

    def crates(self) -> tuple[str, ...]:
        """Return the possible crates, sorted. By convention, a capitalised name is a type, except in a ``use``."""
        lower = {path for path in self.paths if not path[:1].isupper()} - _NUMBERS - {"str", "char", "bool"}
        known = self.defined | _NO_CRATE | {"", "self", "super", "crate", "Self"}
        return tuple(sorted((lower | self.imported) - known))


def use_paths(declaration: Node) -> dict[tuple[str, ...], str]:
    """Return the paths that a ``use`` imports, with the name each binds; a glob ends in ``*`` and binds nothing."""
    paths: dict[tuple[str, ...], str] = {}
    stack: list[tuple[Node | None, tuple[str, ...]]] = [(declaration.child_by_field_name("argument"), ())]
    while stack:
        node, prefix = stack.pop()
        if node is None:
            continue
        if node.type == "use_list":
            stack += [(child, prefix) for child in node.named_children]
        elif node.type == "scoped_use_list":
            stack.append((node.child_by_field_name("list"), (*prefix, *_segments(node.child_by_field_name("path")))))
        elif node.type == "use_wildcard":
            segments = [segment for child in node.named_children for segment in _segments(child)]
            path = (*prefix, *segments, "*")
            paths[path] = ""
        elif node.type == "use_as_clause":
            path = (*prefix, *_segments(node.child_by_field_name("path")))
            paths[path] = plain(text_of(node.child_by_field_name("alias")))
        elif node.type not in COMMENTS:
            path = (*prefix, *_segments(node))
            named = [segment for segment in path if segment != "self"]
            paths[path] = named[-1] if named else ""
    return paths


def _segments(path: Node | None) -> tuple[str, ...]:
    return tuple(plain(part.strip()) for part in text_of(path).split("::") if part.strip())
