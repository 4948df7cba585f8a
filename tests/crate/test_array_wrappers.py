from __future__ import annotations

from pyo3magic.cell.syntax import analyse
from pyo3magic.crate.array_wrappers import wrapper_lines
from pyo3magic.crate.library_source import export_places, library_source
from pyo3magic.crate.python_module import without_support

WRAPPER = """\
fn f(py: ::pyo3::Python<'_>, out: &::pyo3::Bound<'_, ::pyo3::PyAny>, x: &::pyo3::Bound<'_, ::pyo3::PyAny>, by: f64) -> ::pyo3::PyResult<f64> {
    use arrays::{ViaDisplay as _, ViaError as _, ViaPyErr as _, ViaTrait as _};
    let mut out_buffer = arrays::SliceMut::<f64>::new("out", out)?;
    let x_buffer = arrays::Slice::<f64>::new("x", x)?;
    let _claims = arrays::claim(py, [out_buffer.span(), x_buffer.span()])?;
    let out = out_buffer.get();
    let x = x_buffer.get();
    ::core::result::Result::Ok(arrays::released(py, || super::f(out, x, by).map_err(|error| \
{ let exception = (&&&&arrays::Caught(&error)).exception(); exception(error) }))?)
}"""


def _lines(source: str, *, keep_gil: bool = False) -> list[str]:
    (export,) = analyse(source).exports
    assert export.signature
    return list(wrapper_lines(export.signature, name="f", function="super::f", arrays="arrays", keep_gil=keep_gil))


def test_a_wrapper_in_full() -> None:
    source = "pub fn f(out: &mut [f64], x: &[f64], by: f64) -> Result<f64, String> { Ok(by) }"
    assert "\n".join(_lines(source)) == WRAPPER


def test_the_lock_is_kept_on_demand_and_for_python_objects() -> None:
    plain = "pub fn f(x: &[f64]) -> f64 { 0.0 }"
    assert "released" in "".join(_lines(plain))
    assert "released" not in "".join(_lines(plain, keep_gil=True))
    for more in ("py: Python<'_>", "y: &Bound<'_, PyAny>", "y: Py<PyAny>"):
        assert "released" not in "".join(_lines(plain.replace("x:", f"{more}, x:")))
    assert "released" not in "".join(_lines("pub fn f(x: f64) -> Result<f64, String> { Ok(x) }"))


def test_names_of_parameters_stay_free() -> None:
    text = "".join(_lines("pub fn f(py: f64, x: &[f64], x_buffer: &[f64], r#in: &[f64]) {}"))
    assert "fn f(python: ::pyo3::Python<'_>, py: f64" in text
    assert "let x_buffer_ = " in text
    assert 'let in_buffer_ = arrays::Slice::<f64>::new("in", r#in)?' in text


def test_wrappers_are_on_line_1_and_the_function_stays_as_written() -> None:
    source = "/// Doc.\npub fn f(x: &[f64]) {}\npub fn g(x: f64) {}"
    first, *rest = library_source(source, analyse(source), module="cell").split("\n")
    assert rest == ["/// Doc.", "pub fn f(x: &[f64]) {}#[::pyo3::pyfunction]", "pub fn g(x: f64) {}"]
    assert '#[doc = " Doc."] #[::pyo3::pyfunction] pub fn f(py: ' in first
    assert "#[pymodule_export] use super::__pyo3magic_functions::f; #[pymodule_export] use super::g;" in first
    assert export_places(source, analyse(source))["f"].line == 3
    assert "__pyo3magic_functions" not in library_source(source, analyse(source), module=None)
    old = library_source(source, analyse(source), module="cell", pyo3=(0, 22))
    assert "__pyo3magic_functions" not in old
    assert old.count("pyfunction]") == 2


def test_a_cell_compiled_into_another_one_has_no_wrappers() -> None:
    source = "#[cfg(unix)]\npub fn f(x: &[f64]) {}\npub fn g(x: f64) {}"
    first, *rest = without_support(library_source(source, analyse(source), module="cell")).split("\n")
    assert "pyo3magic_support" not in first
    assert "__pyo3magic_functions::f" not in first
    assert first.rstrip().endswith("mod __pyo3magic_functions {}")
    assert "mod __pyo3magic_module { #[pymodule_export] use super::g; }" in " ".join(first.split())
    assert rest[1].startswith("pub fn f(x: &[f64]) {}")
