"""Writes the part of an exported crate that makes NumPy ufuncs: a module ``ufunc``, and a function for each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyo3magic.crate.ufunc_wrappers import raises, ufunc_fields
from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rust_syntax import Member

__all__ = ["MODULE", "check_ufuncs", "ufunc_function", "ufuncs_of"]

MODULE = """\
/// Makes ufuncs of functions; this crate needs a part of it.
#[allow(dead_code, unreachable_pub, unsafe_code, unused_imports)]
mod ufunc;
"""
"""The declaration of the module ``ufunc``, whose files are those of `pyo3magic.crate.ufunc_files`."""


def ufuncs_of(members: Iterable[Member]) -> bool:
    """Return whether a cell's functions become NumPy ufuncs."""
    return any(export.ufunc for member in members for export in member.syntax.exports)


def check_ufuncs(members: tuple[Member, ...]) -> None:
    """Refuse cells next to which the module ``ufunc`` cannot be.

    Raises:
        OptionError: a cell has that name, or forbids unsafe code in the whole crate.
    """
    if not ufuncs_of(members):
        return
    if any(member.module == "ufunc" for member in members):
        raise OptionError(
            "A cell is called 'ufunc', as the module that makes NumPy ufuncs in the exported crate.",
            advice="Give the cell another name, for example: %%rust -m my_ufuncs",
        )
    if any("unsafe_code" in member.syntax.forbidden for member in members):
        raise OptionError(
            "A cell has #![forbid(unsafe_code)], and the exported crate needs unsafe code to call NumPy.",
            advice="Write #![deny(unsafe_code)], which the module with that code can permit for itself.",
        )


def ufunc_function(member: Member, name: str, home: str) -> str:
    """Return the Rust function that adds a cell's ufuncs to its Python module; empty for a cell without ufuncs.

    Args:
        member: the cell.
        name: the function's name.
        home: the dotted name of the Python module where pickle finds the ufuncs.
    """
    if not ufuncs_of((member,)):
        return ""
    lines = [
        "/// Adds the NumPy ufuncs to the Python module.",
        f"fn {name}(module: &Bound<'_, PyModule>) -> PyResult<()> {{",
        *(["    use crate::ufunc::exceptions::*;"] if any(map(raises, member.syntax.exports)) else []),
        "    use crate::ufunc::{self, Ufunc};",
        "",
    ]
    for export in member.syntax.exports:
        if export.ufunc is None:
            continue
        fields = ufunc_fields(export, home, parallel=member.cell.options.parallel, path="ufunc")
        lines += (f"    {cfg}" for cfg in export.cfgs)
        lines += ["    module.add(", f'        "{export.name}",', "        Ufunc {"]
        lines += (f"            {field}: {value}," for field, value in fields)
        lines += ["            ..Ufunc::default()", "        }", "        .create(module.py())?,", "    )?;"]
    return "\n".join([*lines, "    Ok(())", "}", "", ""])
