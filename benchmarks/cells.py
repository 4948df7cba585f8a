"""The same two functions for every contender; ``edit`` is a number that makes each version of them another one."""

from __future__ import annotations

__all__ = ["LIBRARY", "crate_source", "cython_cell", "rust_cell", "rustimport_cell"]

LIBRARY = "equal"
"""Name of the module of the equal crate."""

_ITEMS = """
/// The n-th Fibonacci number.
#[pyfunction]
{public}fn fib(n: u64) -> u64 {{
    if n < 2 {{ n }} else {{ fib(n - 1) + fib(n - 2) }}
}}

/// a + b as text.
#[pyfunction]
{public}fn sum_as_string(a: usize, b: usize) -> String {{
    (a + b + {edit}).to_string()
}}

/// One more: next to no work, so that only the call is measured.
#[pyfunction]
{public}fn increment(n: i64) -> i64 {{
    n + 1
}}
"""


def rust_cell(edit: int) -> str:
    """What stands below ``%%rust``."""
    return _ITEMS.format(edit=edit, public="").lstrip()


def rustimport_cell(edit: int, pyo3: str) -> str:
    """What stands below ``%%rustimport``; its own default asks for a pyo3 of years ago, so the manifest names one."""
    manifest = f'//: [dependencies]\n//: pyo3 = {{ version = "{pyo3}", features = ["extension-module"] }}\n'
    return f"{manifest}\nuse pyo3::prelude::*;\n{_ITEMS.format(edit=edit, public='')}"


def crate_source(edit: int) -> str:
    """``src/lib.rs`` of the equal crate, as the PyO3 guide would have it written by hand."""
    names = "".join(
        f"    #[pymodule_export]\n    use super::{name};\n" for name in ("fib", "sum_as_string", "increment")
    )
    items = _ITEMS.format(edit=edit, public="")
    return f"use pyo3::prelude::*;\n{items}\n#[pymodule]\nmod {LIBRARY} {{\n{names}}}\n"


def cython_cell(edit: int) -> str:
    """What stands below ``%%cython``."""
    return f"""
cpdef unsigned long long fib(unsigned long long n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def sum_as_string(size_t a, size_t b):
    return str(a + b + {edit})

def increment(long long n):
    return n + 1
"""
