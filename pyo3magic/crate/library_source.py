"""Make the crate's ``src/lib.rs`` from a cell's source, line for line.

Line 1 corresponds to the cell's ``%%rust`` line and holds all generated code; line k + 1 is line k of the source, at
the same columns. The compiler's positions are therefore the cell's own, and no mapping is needed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import Lines, encode, quote
from pyo3magic.diagnostics import Place

from .array_wrappers import FIRST_PYO3, wrapper_lines
from .ufunc_wrappers import raises, ufunc_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyo3magic.cell.syntax import Export, Signature, Syntax

__all__ = ["SUPPORT", "UFUNCS", "WRAPPERS", "export_places", "library_source", "without_support"]

WRAPPERS = "__pyo3magic_functions"
"""The Rust module on line 1 with the wrappers of functions on arrays."""
_WRAPPED = re.compile(rf"(?:#\[cfg\([^#]*\)\] )*#\[pymodule_export\] use super::{WRAPPERS}::(?:r#)?\w+;")
_PYFUNCTION = b"#[::pyo3::pyfunction]"
_INLINE = b"#[ inline ]"  # with spaces, by which messages tell it from an attribute in the cell
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


def library_source(
    source: str,
    syntax: Syntax,
    *,
    module: str | None,
    pyo3: tuple[int, int] = (0, 30),
    support: bool = True,
    extern_crates: Sequence[str] = (),
    keep_gil: bool = False,
    parallel: bool = False,
) -> str:
    """Return the text of ``src/lib.rs``.

    Args:
        source: the cell's Rust, with its front matter blanked.
        syntax: the result of :func:`pyo3magic.cell.syntax.analyse` for the source.
        module: the Python module's name; None to generate no module, as for a test or a program. If the cell has its
            own ``#[pymodule]``, no module is generated either.
        pyo3: the major and minor version of PyO3.
        support: whether the module exports the session's C functions (the crate ``pyo3magic-support``).
        extern_crates: crates to link even if the code does not name them.
        keep_gil: whether functions on arrays run with the interpreter lock held.
        parallel: whether long loops of ufuncs use all cores.
    """
    if pyo3 < FIRST_PYO3:
        syntax = _without_signatures(syntax)
    text = encode(source)
    generates = module is not None and syntax.main_module is None
    edits = list(_hoisted(text, syntax))
    start_of_source = ""
    for export in syntax.exports if generates else ():
        attribute = _attribute(export)
        if export.attach is None:
            start_of_source += attribute.decode()
        elif attribute:
            edits.append((export.attach, export.attach, attribute))
        edits += [(start, end, _blank(text[start:end])) for start, end in export.markers]
    edited, done = [], 0
    for start, end, new in sorted(edits):
        edited += [text[done:start], new]
        done = end
    edited.append(text[done:])
    parts = [attribute.text for attribute in syntax.inner_attributes]
    if syntax.denies_missing_docs and not syntax.docs:
        parts.append('#![doc = ""]')
    if not syntax.imports_prelude:
        # `forbid` permits no `allow`; a public import is never unused.
        forbids = syntax.forbidden - {"unsafe_code"}
        parts.append(f"{'pub ' if forbids else '#[allow(unused_imports)] '}use ::pyo3::prelude::*;")
    if generates and module is not None:
        parts.append(_module(module, syntax, pyo3))
        parts += _wrappers(syntax, keep_gil=keep_gil)
        if any(export.ufunc for export in syntax.exports):
            parts.append(_ufuncs(module, syntax, pyo3, parallel=parallel))
    if support:
        parts.append(SUPPORT)
    parts += [f"extern crate {name} as _;" for name in extern_crates]
    parts.append(start_of_source)
    return " ".join(parts).replace("\n", " ").rstrip() + "\n" + b"".join(edited).decode()


def export_places(source: str, syntax: Syntax) -> dict[str, Place]:
    """Return the place in the cell of each exported item, by its Rust name, and of each moved attribute, by its text.

    The compiler's messages about the generated line are shown at these places.
    """
    text = encode(source)
    lines = Lines(text)
    places = {
        export.rust_name.removeprefix("r#"): _place(lines, export.at, len(export.rust_name))
        for export in syntax.exports
    }
    for attribute in syntax.inner_attributes:
        if not attribute.is_comment:
            width = len(text[attribute.start : attribute.end].decode().partition("\n")[0].rstrip("\r"))
            places[attribute.text] = _place(lines, attribute.start, width)
    return places


def _without_signatures(syntax: Syntax) -> Syntax:
    """Return the syntax for a PyO3 that is too old for wrappers."""
    return replace(
        syntax,
        exports=tuple(
            replace(export, signature=None, markers=()) if export.signature is not None else export
            for export in syntax.exports
        ),
    )


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


def _place(lines: Lines, at: int, width: int) -> Place:
    return Place(lines.row(at) + 2, lines.column(at) + 1, width, lines.line(at))


def _hoisted(text: bytes, syntax: Syntax) -> Iterator[tuple[int, int, bytes]]:
    """Yield edits that remove crate-level attributes: a doc comment becomes a plain comment, the rest become spaces."""
    if text.startswith(b"#!") and not text[2:].lstrip().startswith(b"["):
        end = text.find(b"\n") if b"\n" in text else len(text)
        yield 0, end, _blank(text[:end])
    for attribute in syntax.inner_attributes:
        if attribute.is_comment:
            yield attribute.start + 2, attribute.start + 3, b" "
        else:
            yield attribute.start, attribute.end, _blank(text[attribute.start : attribute.end])


def _blank(text: bytes) -> bytes:
    """Replace each character with a space, because rustc's columns count characters; line ends stay."""
    return "".join(character if character in "\r\n" else " " for character in text.decode()).encode()


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


def _attribute(export: Export) -> bytes:
    """Return the attribute that a plain function gets; the loop of a ufunc is fast if the function is part of it."""
    if export.ufunc is not None:
        return b"" if export.ufunc.has_inline else _INLINE
    return _PYFUNCTION if export.implicit and export.signature is None else b""


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
