"""Write the generated code on line 1 of a crate's ``src/lib.rs``: the Python module, wrappers and ufuncs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import quote

from .array_wrappers import wrapper_lines
from .ufunc_wrappers import raises, ufunc_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.cell.syntax import Export, Signature, Syntax

__all__ = ["SUPPORT", "UFUNCS", "WRAPPERS", "module_items", "without_support"]

WRAPPERS = "__pyo3magic_functions"
"""The Rust module on line 1 with the wrappers of functions on arrays."""
_WRAPPED = re.compile(rf"(?:#\[cfg\([^#]*\)\] )*#\[pymodule_export\] use super::{WRAPPERS}::(?:r#)?\w+;")
_DECLARATIVE = (0, 23)  # the first PyO3 whose `#[pymodule] mod` needs no feature
_ADD = "::pyo3::types::PyModuleMethods::add"
_BOUND = (0, 21)  # the first PyO3 with `Bound`
# Listed individually because `warnings` would not override a cell's `#![deny(missing_docs)]`.
_LINTS = (
    "unused",
    "deprecated",
    "missing_docs",
    "nonstandard_style",
    "unreachable_pub",
    "unused_qualifications",
    "unused_results",
    "unexpected_cfgs",
    "rust_2018_idioms",
    "clippy::all",
)

UFUNCS = ("/* ufuncs: */", "/* :ufuncs */")
"""The comments around the code on line 1 that needs the support crate's module ``ufunc``."""
_UFUNCS = re.compile(".*?".join(map(re.escape, UFUNCS)))
SUPPORT = "extern crate pyo3magic_support as _;"
"""The item on line 1 that links the session's support crate."""


def module_items(name: str, syntax: Syntax, pyo3: tuple[int, int], *, keep_gil: bool, parallel: bool) -> Iterator[str]:
    """Yield the Rust items that make a cell a Python module, each on one line.

    Args:
        name: the Python module's name.
        syntax: the cell's syntax; it has no ``#[pymodule]``.
        pyo3: the major and minor version of PyO3.
        keep_gil: whether functions on arrays run with the interpreter lock held.
        parallel: whether long loops of ufuncs use all cores.
    """
    yield _module(name, syntax, pyo3)
    yield from _wrappers(syntax, keep_gil=keep_gil)
    if any(export.ufunc for export in syntax.exports):
        yield _ufuncs(name, syntax, pyo3, parallel=parallel)


def without_support(text: str) -> str:
    """Return the text of a ``src/lib.rs`` without what needs the support crate: wrappers of functions, and ufuncs."""
    first, newline, rest = text.partition("\n")
    wrappers = first.find(f"mod {WRAPPERS} {{")
    if wrappers >= 0:
        first = first[:wrappers] + f"mod {WRAPPERS} {{}} " + first[first.find(SUPPORT, wrappers) :]
        first = _WRAPPED.sub("", first)
    first = _UFUNCS.sub("", first)
    return first.replace(SUPPORT, "", 1) + newline + rest


def _wrappers(syntax: Syntax, *, keep_gil: bool) -> Iterator[str]:
    """Yield the module with the wrappers of functions, on one line."""
    wrapped = [(export, export.signature) for export in syntax.exports if export.signature is not None]
    if wrapped:
        # With a public import, `forbid(unused_imports)` has nothing to say.
        allow = _allow(syntax)
        functions = " ".join(_wrapper(export, signature, keep_gil=keep_gil) for export, signature in wrapped)
        yield f"{allow}mod {WRAPPERS} {{ {'' if allow else 'pub '}use super::*; {functions} }}"


def _wrapper(export: Export, signature: Signature, *, keep_gil: bool) -> str:
    head = _with_cfgs(export) + "".join(f"#[doc = {quote(text)}] " for text in signature.docs)
    head += "#[::pyo3::pyfunction] " + "".join(f"{attribute} " for attribute in signature.attributes)
    lines = wrapper_lines(signature, name=export.rust_name, function=f"super::{export.rust_name}", keep_gil=keep_gil)
    return f"{head}pub {' '.join(line.strip() for line in lines)}"


def _allow(syntax: Syntax, *more: str) -> str:
    """Return an attribute that silences warnings in generated code; empty under `forbid` (E0453)."""
    if syntax.forbidden - {"unsafe_code"}:
        return ""
    return f"#[allow({', '.join((*_LINTS, *more))})] "


def _module(name: str, syntax: Syntax, pyo3: tuple[int, int]) -> str:
    head = f'{_allow(syntax)}#[::pyo3::pymodule] #[pyo3(name = "{name}")] '
    if syntax.docs:
        head = f"#[doc = {quote(syntax.docs)}] {head}"
    if pyo3 >= _DECLARATIVE:
        return f"{head}mod __pyo3magic_module {{ {_declarations(syntax)} }}"
    bound = "module: &::pyo3::Bound<'_, ::pyo3::types::PyModule>"
    before = "_py: ::pyo3::Python<'_>, module: &::pyo3::types::PyModule"
    body = "".join(f"{_with_cfgs(export)}{_addition(export, pyo3)} " for export in syntax.exports if not export.ufunc)
    if any(export.ufunc for export in syntax.exports):
        body += f"{UFUNCS[0]} __pyo3magic_ufuncs(module)?; {UFUNCS[1]} "
    return (
        f"{head}fn __pyo3magic_module({bound if pyo3 >= _BOUND else before}) -> ::pyo3::PyResult<()> "
        f"{{ #[allow(unused_imports)] use ::pyo3::prelude::*; {body}::core::result::Result::Ok(()) }}"
    )


def _ufuncs(module: str, syntax: Syntax, pyo3: tuple[int, int], *, parallel: bool) -> str:
    """Return the function that adds the ufuncs to the module, between the comments `UFUNCS`.

    It is at the crate's root, where the names of types mean the same as in the cell.
    """
    path = "::pyo3magic_support::ufunc"
    kind = "&::pyo3::Bound<'_, ::pyo3::types::PyModule>" if pyo3 >= _BOUND else "&::pyo3::types::PyModule"
    body = f"use {path}::exceptions::*; " if any(map(raises, syntax.exports)) else ""
    for export in syntax.exports:
        if export.ufunc is None:
            continue
        fields = ufunc_fields(export, module, parallel=parallel, path=path)
        written = ", ".join(f"{name}: {value}" for name, value in fields)
        made = f"{path}::Ufunc {{ {written}, ..::core::default::Default::default() }}"
        added = f"{_ADD}(module, {quote(export.name)}, {made}.create(module.py())?)?;"
        body += f"{_with_cfgs(export)}{added if pyo3 >= _BOUND else added.replace(f'{_ADD}(module, ', 'module.add(')} "
    return (
        f"{UFUNCS[0]} {_allow(syntax)}fn __pyo3magic_ufuncs(module: {kind}) -> ::pyo3::PyResult<()> "
        f"{{ {body}::core::result::Result::Ok(()) }} {UFUNCS[1]}"
    )


def _declarations(syntax: Syntax) -> str:
    """Return the body of a declarative module (PyO3 user guide, "Python modules")."""
    uses = [
        f"{_with_cfgs(export)}#[pymodule_export] use super::{_path(export)};"
        for export in syntax.exports
        if export.kind not in {"constant", "ufunc"}
    ]
    if any(export.ufunc for export in syntax.exports):
        uses.append(
            f"{UFUNCS[0]} #[pymodule_init] fn __pyo3magic_init(module: &::pyo3::Bound<'_, ::pyo3::types::PyModule>) "
            f"-> ::pyo3::PyResult<()> {{ super::__pyo3magic_ufuncs(module) }} {UFUNCS[1]}"
        )
    # Added explicitly: a constant's type may not be in scope here, and PyO3 exports constants only since 0.26.
    constants = [
        f"{_with_cfgs(export)}{_ADD}(module, {quote(export.name)}, super::{export.rust_name})?;"
        for export in syntax.exports
        if export.kind == "constant"
    ]
    if constants:
        uses.append(
            "#[pymodule_init] fn __pyo3magic_constants(module: &::pyo3::Bound<'_, ::pyo3::types::PyModule>) "
            f"-> ::pyo3::PyResult<()> {{ {' '.join(constants)} ::core::result::Result::Ok(()) }}"
        )
    return " ".join(dict.fromkeys(uses))


def _path(export: Export) -> str:
    """Return the path, in the crate, of what the module exports."""
    return export.rust_name if export.signature is None else f"{WRAPPERS}::{export.rust_name}"


def _addition(export: Export, pyo3: tuple[int, int]) -> str:
    """Return the statement that adds an export to a module made by a function."""
    name = export.rust_name
    if export.kind == "function":
        return f"module.add_function(::pyo3::wrap_pyfunction!({name}, module)?)?;"
    if export.kind == "class":
        return f"module.add_class::<{name}>()?;"
    if export.kind == "exception":
        get_type = "get_type_bound" if pyo3 >= _BOUND else "get_type"
        return f"module.add({quote(export.name)}, module.py().{get_type}::<{name}>())?;"
    return f"module.add({quote(export.name)}, {name})?;"


def _with_cfgs(export: Export) -> str:
    return "".join(f"{cfg} " for cfg in export.cfgs)
