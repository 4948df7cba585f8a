from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import analyse
from pyo3magic.crate.library_source import library_source
from pyo3magic.crate.ufunc_wrappers import loop_expression, ufunc_fields


def _loops(source: str, signature: str = "") -> list[str]:
    (export,) = analyse(source, signature).exports
    assert export.ufunc is not None
    return [loop_expression(export.rust_name, loop, "u") for loop in export.ufunc.loops]


@pytest.mark.parametrize(
    ("source", "signature", "expected"),
    [
        ("pub fn f(x: f64) -> f64 {}", "", ["u::elementwise(f)"]),
        (
            "pub fn r#loop(x: f64) -> Result<(f64, bool), String> {}",
            "",
            ["u::elementwise(|x1: f64| r#loop(x1).map_err(|error| (&&u::Raised(&error)).exception()(error)))"],
        ),
        ("pub fn f<T: Float>(x: T) -> T {}", "", ["u::elementwise(f::<f32>)", "u::elementwise(f::<f64>)"]),
        (
            "pub fn f(z: Complex64, x: f64) -> Complex<f64> {}",
            "",
            [
                (
                    "u::elementwise(|x1: u::Complex<f64>, x2: f64| { let y1 = f(<Complex64>::new(x1.re, x1.im), x2); "
                    "u::Complex { re: y1.re, im: y1.im } })"
                )
            ],
        ),
        (
            "pub fn f(x: f64) -> Result<(f64, Complex64), E> {}",
            "",
            [
                "u::elementwise(|x1: f64| f(x1).map_err(|error| (&&u::Raised(&error)).exception()(error)).map(|(y1, y2)| (y1, u::Complex { re: y2.re, im: y2.im })))"
            ],
        ),
        (
            "pub fn f(a: &[f64], s: u8, o: &mut [f64]) -> bool {}",
            "(n),()->(n),()",
            [
                (
                    "u::generalized(&[<f64 as u::Element>::TYPE, <u8 as u::Element>::TYPE, <f64 as u::Element>::TYPE, "
                    "<bool as u::Element>::TYPE], 2, |core| core.give(f(core.slice::<f64>(0), core.number::<u8>(1), "
                    "core.slice_mut::<f64>(2))))"
                )
            ],
        ),
        (
            "pub fn f(a: ArrayView2<f64>) -> f64 {}",
            "(m,n)->()",
            [
                (
                    "u::generalized(&[<f64 as u::Element>::TYPE, <f64 as u::Element>::TYPE], 1, |core| core.give(f("
                    '<ArrayView2<f64>>::from_shape(core.shape::<2>(0), core.slice::<f64>(0)).expect("the elements are next '
                    'to each other"))))'
                )
            ],
        ),
    ],
)
def test_loops(source: str, signature: str, expected: list[str]) -> None:
    assert _loops(source, signature) == expected


def test_fields() -> None:
    (export,) = analyse('/// A "doc".\npub fn f(a: &[f64]) -> f64 {}', "(n)->()").exports
    assert dict(ufunc_fields(export, "m", parallel=True, path="u")) | {"loops": ""} == {
        "name": '"f"',
        "module": '"m"',
        "doc": '"A \\"doc\\"."',
        "signature": '"(n)->()"',
        "parallel": "true",
        "loops": "",
    }


@pytest.mark.parametrize("pyo3", [(0, 30), (0, 22), (0, 20)])
def test_the_cell_keeps_its_lines(pyo3: tuple[int, int]) -> None:
    source = "// first\npub fn f(x: f64) -> f64 { x }\n#[inline]\npub fn g(x: f64) -> f64 { x }\n"
    first, *rest = library_source(source, analyse(source, ""), module="cell", pyo3=pyo3).split("\n")
    assert rest == ["#[ inline ]// first", *source.split("\n")[1:]]
    assert first.count("::pyo3magic_support::ufunc::Ufunc {") == 2
    assert ("PyModuleMethods::add(" in first) == (pyo3 >= (0, 21))
    assert "pyfunction" not in first


def test_tests_and_programs_have_the_plain_functions() -> None:
    source = "pub fn f(x: f64) -> f64 { x }\n"
    made = library_source(source, analyse(source, ""), module=None, support=False)
    assert made.partition("\n")[2] == source
    assert "ufunc" not in made
