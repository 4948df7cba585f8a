"""Make the crate's ``src/lib.rs`` from a cell's source, line for line.

Line 1 corresponds to the cell's ``%%rust`` line and holds all generated code; line k + 1 is line k of the source, at
the same columns. The compiler's positions are therefore the cell's own, and no mapping is needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import Lines, encode
from pyo3magic.diagnostics import Place

from .array_wrappers import FIRST_PYO3
from .python_module import SUPPORT, module_items

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyo3magic.cell.syntax import Export, Syntax

__all__ = ["export_places", "library_source"]

_PYFUNCTION = b"#[::pyo3::pyfunction]"
_INLINE = b"#[ inline ]"  # with spaces, by which messages tell it from an attribute in the cell


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
        parts += module_items(module, syntax, pyo3, keep_gil=keep_gil, parallel=parallel)
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


def _attribute(export: Export) -> bytes:
    """Return the attribute that a plain function gets; the loop of a ufunc is fast if the function is part of it."""
    if export.ufunc is not None:
        return b"" if export.ufunc.has_inline else _INLINE
    return _PYFUNCTION if export.implicit and export.signature is None else b""
