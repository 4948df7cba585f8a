from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import Module, analyse


@pytest.mark.parametrize(
    ("source", "modules", "main"),
    [
        ("pub fn f() {}", (), None),
        ("#[pymodule]\nfn m(m: &Bound<'_, PyModule>) -> PyResult<()> { Ok(()) }", (Module("m", "m"),), "m"),
        ('#[pymodule(name = "n")]\nmod r#type {}', (Module("r#type", "n"),), "n"),
        ('#[pyo3::pymodule]\n#[pyo3(name = "n")]\nmod m {}', (Module("m", "n"),), "n"),
        ("#[pymodule]\nmod m { #[pymodule] mod sub {} }", (Module("m", "m"), Module("sub", "sub", 1, "m")), "m"),
        (
            "mod a { #[pymodule] pub mod sub {} }\n#[pymodule]\nmod m {}",
            (Module("sub", "sub", 1), Module("m", "m")),
            "m",
        ),
        (
            "#[pymodule]\nmod a { #[pymodule_export] use super::{b, other::f}; }\n#[pymodule]\nmod b {}",
            (Module("a", "a"), Module("b", "b")),
            "a",
        ),
        (
            "#[pymodule]\nfn a(m: &Bound<'_, PyModule>) -> PyResult<()> { m.add_wrapped(wrap_pymodule!(b)) }\n#[pymodule]\nmod b {}",
            (Module("a", "a"), Module("b", "b")),
            "a",
        ),
        (
            "#[pymodule]\nfn a(m: &M) { foo!(pyo3::wrap_pymodule!(crate::b)) }\n#[pymodule]\nmod b {}",
            (Module("a", "a"), Module("b", "b")),
            "a",
        ),
        ("#[pymodule]\nmod a {}\n#[pymodule]\nmod b {}", (Module("a", "a"), Module("b", "b")), "b"),
        ("/* #[pymodule] mod a {} */", (), None),
    ],
)
def test_modules(source: str, modules: tuple[Module, ...], main: str | None) -> None:
    syntax = analyse(source)
    assert syntax.modules == modules
    assert syntax.module_names == tuple(module.name for module in modules)
    assert syntax.main_module == main
