"""Find the items that a cell's module exports to Python, and the reasons why others cannot be exported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .exceptions import exception_name
from .items import modifiers_of
from .lines import Lines
from .number_types import type_aliases
from .signatures import error_of, signature_of
from .syntax import Export, Skipped
from .tree import COMMENTS, plain, text_of, walk
from .ufunc_signatures import UnfitError, read_ufunc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tree_sitter import Node

    from .items import Item

__all__ = ["find_exports", "has_pyo3_items"]

_PYO3 = frozenset({"pyfunction", "pyclass", "pymethods", "pymodule", "pymodule_export"})
_MOVABLE = COMMENTS | {"inner_attribute_item"}
_WORD = re.compile(r"\w+")


def find_exports(
    items: Sequence[Item], text: bytes, *, implicit: bool, ufunc: str | None = None
) -> tuple[tuple[Export, ...], tuple[Skipped, ...]]:
    """Return the exports to Python, and each ``pub fn`` that cannot be exported.

    Args:
        items: the items of the file.
        text: the source.
        implicit: whether to export every ``pub fn``, as in a cell without PyO3 attributes.
        ufunc: the signature if these become NumPy ufuncs, empty for elementwise ones; None for Python functions.

    Raises:
        CellError: the signature is invalid.
    """
    types = _rust_types(items) if implicit else _RustTypes()
    lines = Lines(text)
    found: list[Export | Skipped | None]
    if implicit and ufunc is not None:
        found = list(_ufuncs(items, text, lines, ufunc))
    else:
        found = [_implicit(item, text, lines, types) if implicit else _explicit(item) for item in items]
    exports = tuple(export for export in found if isinstance(export, Export))
    return exports, tuple(item for item in found if isinstance(item, Skipped))


def has_pyo3_items(items: Iterable[Item]) -> bool:
    """Return whether an item has an attribute or a macro of PyO3."""
    return any(item.has(*_PYO3) or exception_name(item.node) for item in items)


def _explicit(item: Item) -> Export | None:
    node, names = item.node, ("pyfunction", "pyclass", "pymodule_export")
    conditions = {found.condition for found in item.attributes if found.name in names and found.condition}
    cfgs = (*item.cfgs(), *(f"#[cfg({condition})]" for condition in sorted(conditions)))
    start = item.start.start_byte
    if name := exception_name(node):
        return Export("exception", text_of(name), plain(text_of(name)), cfgs, start=start, at=name.start_byte)
    if node.type == "function_item" and item.has("pyfunction"):
        return Export("function", item.name, item.python_name("pyfunction"), cfgs, start=start, at=item.at)
    if node.type in {"struct_item", "enum_item"} and item.has("pyclass"):
        return Export("class", item.name, item.python_name("pyclass"), cfgs, start=start, at=item.at)
    if node.type == "const_item" and item.has("pymodule_export"):
        marks = [found.node for found in item.attributes if found.name in {"pymodule_export", "pyo3"}]
        spans = tuple(sorted({(mark.start_byte, mark.end_byte) for mark in marks}))
        kind = text_of(node.child_by_field_name("type"))
        return Export("constant", item.name, item.python_name(), cfgs, kind, start=start, at=item.at, markers=spans)
    return None


def _implicit(item: Item, text: bytes, lines: Lines, types: _RustTypes) -> Export | Skipped | None:
    name = _public_function(item)
    if not name:
        return None
    if reason := _unfit(item.node) or _foreign_type(item.node, types):
        return Skipped(name, reason)
    signature = signature_of(item, text)
    marks = [found.node for found in item.attributes if found.name == "pyo3"] if signature else []
    return Export(
        "function",
        name,
        plain(name),
        item.cfgs(),
        implicit=True,
        start=item.start.start_byte,
        at=item.at,
        attach=_attach(item, text, lines),
        markers=tuple(sorted({(mark.start_byte, mark.end_byte) for mark in marks})),
        signature=signature,
    )


def _ufuncs(items: Sequence[Item], text: bytes, lines: Lines, signature: str) -> Iterator[Export | Skipped]:
    """Yield each ``pub fn`` as a ufunc, or the reason why it cannot be one."""
    aliases = type_aliases(items)
    kinds = {"struct_item", "enum_item", "union_item"}
    defined = frozenset(item.name for item in items if item.node.type in kinds)
    for item in items:
        name = _public_function(item)
        if not name:
            continue
        try:
            ufunc = read_ufunc(item, signature, aliases, defined)
        except UnfitError as error:
            yield Skipped(name, str(error), lines.row(item.at) + 2)
            continue
        yield Export(
            "ufunc",
            name,
            plain(name),
            item.cfgs(),
            start=item.start.start_byte,
            at=item.at,
            attach=_attach(item, text, lines),
            ufunc=ufunc,
        )


def _public_function(item: Item) -> str:
    """Return the name of a ``pub fn`` as written; empty for other items and for ``main``."""
    node = item.node
    if node.type != "function_item":
        return ""
    visibility = next((child for child in node.children if child.type == "visibility_modifier"), None)
    return item.name if text_of(visibility) == "pub" and item.name != "main" else ""


def _unfit(function: Node) -> str:
    """Return why PyO3 cannot wrap a function (PyO3 user guide, "Python functions"); empty if it can."""
    generics = function.child_by_field_name("type_parameters")
    kinds = modifiers_of(function)
    parameters = function.child_by_field_name("parameters")
    if any(
        child.type not in {"lifetime_parameter", *COMMENTS} for child in (generics.named_children if generics else [])
    ):
        return "it has generic parameters, and Python needs one concrete function"
    words = _WORD.findall(text_of(parameters))
    if parameters and "impl" in words and any(node.type == "abstract_type" for node in walk(parameters)):
        return "it has an `impl Trait` argument, and Python needs concrete types"
    if (
        parameters
        and "_" in words
        and any(text_of(child.child_by_field_name("pattern")) == "_" for child in parameters.named_children)
    ):
        return "one of its arguments has no name"
    if "unsafe" in kinds:
        return "it is `unsafe`, and Python cannot uphold its safety requirements"
    if "extern_modifier" in kinds:
        return "it is `extern`, for callers in C rather than Python"
    return ""


@dataclass(frozen=True, slots=True)
class _RustTypes:
    """Types that a cell without PyO3 attributes defines.

    Attributes:
        foreign: the types that PyO3 cannot convert.
        errors: the types among them whose values can become exceptions, because they can be displayed.
    """

    foreign: frozenset[str] = frozenset()
    errors: frozenset[str] = frozenset()


def _rust_types(items: Sequence[Item]) -> _RustTypes:
    """Return the types that a cell without PyO3 attributes defines and that PyO3 cannot convert."""
    converted = {
        word
        for item in items
        if item.node.type == "impl_item" and "PyObject" in text_of(item.node.child_by_field_name("trait"))
        for word in _WORD.findall(text_of(item.node.child_by_field_name("type")))
    }
    displayed = {
        word
        for item in items
        if item.node.type == "impl_item"
        for trait, own in [_implemented(item.node)]
        for word in _WORD.findall(own if "Display" in trait else trait if trait.startswith("From<") else "")
        if "Display" in trait or own == "PyErr"
    }
    foreign = {
        item.name: any(
            attribute.name == "derive" and "Error" in text_of(attribute.node) for attribute in item.attributes
        )
        for item in items
        if item.node.type in {"struct_item", "enum_item", "union_item", "trait_item"}
        and item.name not in converted
        and not any("PyObject" in text_of(attribute.node) for attribute in item.attributes)
    }
    errors = frozenset(name for name, derived in foreign.items() if derived or name in displayed)
    return _RustTypes(frozenset(foreign), errors)


def _implemented(node: Node) -> tuple[str, str]:
    """Return the trait and the type of an ``impl``."""
    return text_of(node.child_by_field_name("trait")), text_of(node.child_by_field_name("type"))


def _foreign_type(function: Node, types: _RustTypes) -> str:
    """Return why a function cannot be exported because of a Rust type in its signature; empty if there is none."""
    foreign = types.foreign
    error = error_of(function)
    for part in ("parameters", "return_type") if foreign else ():
        node = function.child_by_field_name(part)
        for leaf in walk(node) if node and not foreign.isdisjoint(_WORD.findall(text_of(node))) else ():
            if leaf.type == "type_identifier" and text_of(leaf) in foreign:
                if error is not None and error.start_byte <= leaf.start_byte < error.end_byte:
                    if text_of(leaf) in types.errors:
                        continue
                    return (
                        f"its error has the type `{text_of(leaf)}`, which has no text for an exception "
                        "(implement std::fmt::Display for it)"
                    )
                return f"its signature has `{text_of(leaf)}`, which is not a Python type (#[pyclass] makes it one)"
    return ""


def _attach(item: Item, text: bytes, lines: Lines) -> int | None:
    """Return the value of ``Export.attach``."""
    here = item.start.start_byte
    if item.index is None:
        return here
    siblings, index = item.siblings, item.index - 1
    start = here
    while True:
        newline = lines.newline_before(start)
        # Comments and crate-level attributes can be skipped: comments may be anywhere, and attributes are moved away.
        while index >= 0 and siblings[index].start_byte > newline and siblings[index].type in _MOVABLE:
            index -= 1
        before = siblings[index] if index >= 0 else None
        if before is None or before.end_byte <= newline + 1:
            break
        if before.start_byte > newline or before.type not in _MOVABLE:
            return here
        start, index = before.start_byte, index - 1
    if newline < 0:
        return None
    place = newline - (text[newline - 1 : newline] == b"\r")
    return before.start_byte if before and before.type == "line_comment" and before.end_byte >= place else place
