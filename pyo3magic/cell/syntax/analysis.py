"""Analyse a cell's Rust."""

from __future__ import annotations

from functools import lru_cache
from inspect import cleandoc
from typing import TYPE_CHECKING

from .crate_attributes import crate_attributes
from .exports import find_exports, has_pyo3_items
from .items import functions_of, items_of, modifiers_of
from .modules import find_modules, main_module
from .syntax import Syntax
from .tree import COMMENTS, encode, identifiers, parse
from .used_names import Uses, use_paths

if TYPE_CHECKING:
    from .items import Item

__all__ = ["analyse"]


@lru_cache(maxsize=32)
def analyse(source: str, ufunc: str | None = None) -> Syntax:
    """Analyse a cell's Rust, with its front matter blanked. Broken code gets a best guess.

    The latest results are cached, because preparing, compiling and exporting a cell all need them.

    Args:
        source: the Rust.
        ufunc: None if the functions of a cell without PyO3 attributes become Python functions. Otherwise they become
            NumPy ufuncs with this signature, an empty one if they are elementwise.

    Raises:
        CellError: the text is so broken that reading it takes too long, or the signature is invalid.
    """
    text = encode(source)
    root = parse(text).root_node
    items = list(items_of(root))
    uses = Uses()
    uses.visit(root, text)
    uses.define_types(items)
    inner = tuple(crate_attributes(root))
    inner_words = [set(identifiers(node)) for node in root.children if node.type == "inner_attribute_item"]
    modules, exported = find_modules(items)
    main = main_module(modules, exported | uses.wrapped)
    has_pyo3 = bool(modules) or has_pyo3_items(items)
    exports, skipped = find_exports(items, text, implicit=not has_pyo3, ufunc=ufunc)
    implicit = {export.start for export in exports if export.implicit}
    return Syntax(
        exports=exports,
        skipped=skipped,
        modules=tuple(modules),
        main_module=main.name if main else None,
        inner_attributes=inner,
        docs=cleandoc("\n".join(attribute.doc for attribute in inner if attribute.doc is not None)),
        crates=uses.crates(),
        forbidden=frozenset().union(*(words for words in inner_words if "forbid" in words)) - {"forbid", "cfg_attr"},
        denies_missing_docs=any("missing_docs" in words for words in inner_words),
        imports_prelude=any(
            ("pyo3", "prelude", "*") in use_paths(item.node)
            for item in items
            if item.node.type == "use_declaration" and not item.cfgs()
        ),
        uses_python_cfgs=uses.python_cfgs,
        uses_async=b"async" in text
        and any(_is_async(item, methods=methods, implicit=implicit) for item, methods in functions_of(items)),
        has_main=any(item.node.type == "function_item" and item.name == "main" for item in items),
        has_tests=uses.tests,
        is_empty=all(node.type in COMMENTS for node in root.children),
        has_pyo3_items=has_pyo3,
    )


def _is_async(item: Item, *, methods: bool, implicit: set[int]) -> bool:
    if "async" not in modifiers_of(item.node):
        return False
    return methods or item.has("pyfunction") or item.start.start_byte in implicit
