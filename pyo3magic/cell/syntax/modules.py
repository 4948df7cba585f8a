"""Find the ``#[pymodule]`` items of a cell, and choose the module to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .items import items_of
from .syntax import Module
from .tree import plain
from .used_names import use_paths

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from .items import Item

__all__ = ["find_modules", "main_module"]


def find_modules(items: Iterable[Item]) -> tuple[list[Module], set[str]]:
    """Return every ``#[pymodule]`` outside function bodies, and the names that the modules export with ``use``.

    Args:
        items: the items of the file.
    """
    found: list[Module] = []
    exported: set[str] = set()
    stack: list[tuple[Item, int, str | None]] = [(item, 0, None) for item in reversed(list(items))]
    while stack:
        item, depth, parent = stack.pop()
        if item.node.type == "use_declaration" and item.has("pymodule_export"):
            exported.update(path[-1] for path in use_paths(item.node))
        if item.node.type in {"function_item", "mod_item"} and item.has("pymodule"):
            found.append(Module(item.name, item.python_name("pymodule"), depth, parent))
            inside = found[-1].name
        else:
            inside = parent or ""
        body = item.node.child_by_field_name("body")
        if item.node.type == "mod_item" and body:
            stack += [(inner, depth + 1, inside or None) for inner in reversed(list(items_of(body)))]
    return found, exported


def main_module(modules: Sequence[Module], inner: Container[str]) -> Module | None:
    """Return the module to import: the last top-level module that is not part of another module.

    Args:
        modules: all modules of the cell.
        inner: plain Rust names of modules that another module exports or wraps.
    """
    roots = [module for module in modules if module.parent is None]
    top = min((module.depth for module in roots), default=0)
    roots = [module for module in roots if module.depth == top]
    mains = [module for module in roots if plain(module.rust_name) not in inner] or roots
    return mains[-1] if mains else None
