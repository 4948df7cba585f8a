from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import Parameter, Result, Signature, analyse


def _signature(source: str) -> Signature | None:
    (export,) = analyse(source).exports
    return export.signature


def _parameter(kind: str) -> Parameter:
    signature = _signature(f"pub fn f(x: {kind}) {{}}")
    assert signature
    return signature.parameters[0]


@pytest.mark.parametrize(
    "source",
    [
        "pub fn f() {}",
        "pub fn f(x: f64, y: &str, z: Vec<f64>) -> Vec<f64> { z }",
        "pub fn f(x: i64) -> PyResult<i64> { Ok(x) }",
        "pub fn f(x: i64) -> Result<i64, PyErr> { Ok(x) }",
        "pub fn f(x: &[Point]) {}",
        "pub fn f(x: &[i128]) {}",
        "pub fn f(x: &mut [String]) {}",
        "pub fn f(x: &Vec<f64>) {}",
        "pub fn f((x, y): (f64, f64), z: &[f64]) {}",
        "pub async fn f(x: &[f64]) {}",
        "#[pyfunction] fn f(x: &[u8]) {}",
        "pub fn f(x: ArrayView2<Point>) {}",
        "pub fn f(x: ArrayView<f64, D>) {}",
    ],
)
def test_functions_that_need_no_wrapper(source: str) -> None:
    assert _signature(source) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("&[f64]", Parameter("x", "&[f64]", "slice", "f64")),
        ("&'a [u8]", Parameter("x", "&'a [u8]", "slice", "u8")),
        ("&mut [bool]", Parameter("x", "&mut [bool]", "slice", "bool", is_exclusive=True)),
        ("&[ [f32; 3] ]", Parameter("x", "&[ [f32; 3] ]", "slice", "[f32; 3]")),
        ("Option<&[usize]>", Parameter("x", "Option<&[usize]>", "slice", "usize", is_optional=True)),
        ("&[Complex<f64>]", Parameter("x", "&[Complex<f64>]", "slice", "Complex<f64>", "f64")),
        ("&[num_complex::Complex32]", Parameter("x", "&[num_complex::Complex32]", "slice", "num_complex::Complex32", "f32")),
        ("ArrayView2<'_, f64>", Parameter("x", "ArrayView2<'_, f64>", "view", "f64", dimensions=2)),
        ("ndarray::ArrayViewD<i8>", Parameter("x", "ndarray::ArrayViewD<i8>", "view", "i8")),
        ("ArrayViewMut1<f64>", Parameter("x", "ArrayViewMut1<f64>", "view", "f64", is_exclusive=True, dimensions=1)),
        ("ArrayView<'a, f64, Ix3>", Parameter("x", "ArrayView<'a, f64, Ix3>", "view", "f64", dimensions=3)),
        ("ArrayView<f64, IxDyn>", Parameter("x", "ArrayView<f64, IxDyn>", "view", "f64")),
        ("&[String]", Parameter("x", "&[String]", "strings", "String")),
        ("&[&'a str]", Parameter("x", "&[&'a str]", "texts", "&'a str")),
    ],
)  # fmt: skip
def test_arrays(kind: str, expected: Parameter) -> None:
    assert _parameter(kind) == expected


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("()", Result("nothing", "()")),
        ("f64", Result("plain", "f64")),
        ("Vec<f64>", Result("vector", "Vec<f64>", "f64")),
        ("Vec<[f64; 2]>", Result("vector", "Vec<[f64; 2]>", "[f64; 2]")),
        ("Vec<u8>", Result("plain", "Vec<u8>")),
        ("Vec<String>", Result("plain", "Vec<String>")),
        ("[f64; 2]", Result("array", "[f64; 2]", "f64")),
        ("&[i32]", Result("slice", "&[i32]", "i32")),
        ("Vec<Complex64>", Result("vector", "Vec<Complex64>", "Complex64", "f64")),
        ("Array2<f32>", Result("ndarray", "Array2<f32>", "f32")),
        ("(f64, i64)", Result("plain", "(f64, i64)")),
        ("Option<String>", Result("plain", "Option<String>")),
        ("(f64, Vec<f64>)", Result("tuple", "(f64, Vec<f64>)", parts=(Result("plain", "f64"), Result("vector", "Vec<f64>", "f64")))),
        ("Option<[u8; 4]>", Result("option", "Option<[u8; 4]>", parts=(Result("array", "[u8; 4]", "u8"),))),
        ("io::Result<Vec<f64>>", Result("result", "io::Result<Vec<f64>>", parts=(Result("vector", "Vec<f64>", "f64"),))),
        ("impl Iterator<Item = f64> + Send", Result("iterator", "impl Iterator<Item = f64> + Send", parts=(Result("plain", "f64"),))),
    ],
)  # fmt: skip
def test_results_of_functions_on_arrays(returned: str, expected: Result) -> None:
    signature = _signature(f"pub fn f(x: &[f64]) -> {returned} {{ todo!() }}")
    assert signature
    assert signature.result == expected


@pytest.mark.parametrize(
    "returned", ["Result<f64, String>", "std::io::Result<()>", "impl Iterator<Item = u8>", "Array1<f64>"]
)
def test_results_that_need_a_wrapper_by_themselves(returned: str) -> None:
    assert _signature(f"pub fn f(n: u64) -> {returned} {{ todo!() }}")


def test_documentation_and_attributes_belong_to_the_wrapper() -> None:
    source = "/// One.\n/** Two. */\n#[doc = \"Three\"] #[pyo3(signature = (x, y = 1))] #[inline]\npub fn f<'a>(x: &'a [f64], y: i64) {}"
    signature = _signature(source)
    assert signature
    assert signature.docs == (" One.", " Two. ", "Three")
    assert signature.attributes == ("#[pyo3(signature = (x, y = 1))]",)
    assert signature.generics == "<'a>"
    (export,) = analyse(source).exports
    assert [source[start:end] for start, end in export.markers] == ["#[pyo3(signature = (x, y = 1))]"]


def test_what_needs_python() -> None:
    with_python = _signature("pub fn f(py: Python<'_>, x: &[f64]) {}")
    with_object = _signature("pub fn f(x: &[f64], y: &Bound<'_, PyAny>) {}")
    without = _signature("pub fn f(x: &[f64], y: Pyramid) {}")
    assert with_python
    assert with_object
    assert with_python.uses_python
    assert with_object.uses_python
    assert without is not None


def test_error_types_of_the_cell() -> None:
    function = "pub fn f(x: f64) -> Result<f64, Bad> { Err(Bad) }\npub struct Bad;"
    (skipped,) = analyse(function).skipped
    assert skipped.reason == (
        "its error has the type `Bad`, which has no text for an exception (implement std::fmt::Display for it)"
    )
    for more in (
        "impl std::fmt::Display for Bad {}",
        "impl From<Bad> for PyErr {}",
        "",
    ):
        derived = (
            function.replace("pub struct", "#[derive(Debug, thiserror::Error)] pub struct") if not more else function
        )
        assert [export.name for export in analyse(derived + more).exports] == ["f"]
    (skipped,) = analyse(function.replace("<f64, Bad>", "<Bad, Bad>") + "impl Display for Bad {}").skipped
    assert "not a Python type" in skipped.reason
