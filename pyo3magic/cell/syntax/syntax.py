"""The results of `analyse`: the exports, modules and crate-level attributes of a cell's Rust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .signatures import Signature
    from .ufunc_types import Ufunc

__all__ = ["Export", "InnerAttribute", "Module", "Skipped", "Syntax"]

Kind = Literal["function", "class", "exception", "constant", "ufunc"]


@dataclass(frozen=True, slots=True)
class Export:
    """An item that the cell's module exports to Python.

    Attributes:
        kind: its kind in Python.
        rust_name: its name as written, with any ``r#``.
        name: its name in Python.
        cfgs: the texts of its ``#[cfg(...)]`` attributes, as written.
        type: a constant's type as written; empty for other items.
        implicit: whether it is a plain ``pub fn`` that still needs a ``#[pyfunction]``.
        start: the offset where it starts, including its attributes and outer doc comments.
        at: the offset of its name.
        attach: the offset where an attribute can be inserted without moving code: the end of the previous line (before
            a comment there), None for the end of the line before the source, or ``start`` if there is no such place.
        markers: spans of PyO3 attributes that belong to generated code: a constant's, which rustc accepts only inside a
            ``#[pymodule]``, and those of a function with a signature.
        signature: the signature of a plain ``pub fn`` that needs a wrapper, such as one that takes slices.
        ufunc: the loops of a ufunc; None for other items.
    """

    kind: Kind
    rust_name: str
    name: str
    cfgs: tuple[str, ...] = ()
    type: str = ""
    implicit: bool = False
    start: int = 0
    at: int = 0
    attach: int | None = None
    markers: tuple[tuple[int, int], ...] = ()
    signature: Signature | None = None
    ufunc: Ufunc | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A top-level ``pub fn`` that cannot be a Python function, and why; ``line`` is its line in the cell, if told."""

    name: str
    reason: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Module:
    """A ``#[pymodule]``: its Rust and Python names, its depth in Rust modules, its parent module's Python name."""

    rust_name: str
    name: str
    depth: int = 0
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class InnerAttribute:
    """A crate-level ``#![...]`` or inner doc comment; ``text`` has it as an attribute on one line."""

    start: int
    end: int
    text: str
    doc: str | None = None
    is_comment: bool = False


@dataclass(frozen=True, slots=True)
class Syntax:
    """What a cell's Rust exports and uses; made by :func:`analyse`.

    Attributes:
        exports: the exported items, in source order.
        skipped: the ``pub fn`` items that a cell without PyO3 attributes cannot export.
        modules: every ``#[pymodule]``, in source order.
        main_module: the Python name of the ``#[pymodule]`` to import; None if the cell has none.
        inner_attributes: crate-level attributes and doc comments, which rustc requires before any item.
        docs: the text of the crate-level documentation.
        crates: first segments of paths that may be crates or other cells, sorted.
        forbidden: the lints under ``#![forbid(...)]``.
        denies_missing_docs: whether a crate-level attribute mentions ``missing_docs``.
    """

    exports: tuple[Export, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    modules: tuple[Module, ...] = ()
    main_module: str | None = None
    inner_attributes: tuple[InnerAttribute, ...] = ()
    docs: str = ""
    crates: tuple[str, ...] = ()
    forbidden: frozenset[str] = frozenset()
    denies_missing_docs: bool = False
    imports_prelude: bool = False
    uses_python_cfgs: bool = False
    uses_async: bool = False
    has_main: bool = False
    has_tests: bool = False
    is_empty: bool = False
    has_pyo3_items: bool = False

    @property
    def module_names(self) -> tuple[str, ...]:
        """The Python names of all ``#[pymodule]`` items."""
        return tuple(module.name for module in self.modules)
