from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import CoreArgument, Number, Ufunc, analyse

F32, F64, BOOL = Number("f32"), Number("f64"), Number("bool")


def _ufunc(source: str, signature: str = "") -> Ufunc:
    (export,) = analyse(source, signature).exports
    assert export.kind == "ufunc"
    assert export.ufunc is not None
    return export.ufunc


def _types(source: str) -> list[str]:
    loops = _ufunc(source).loops
    return [
        " ".join(number.name for number in loop.inputs) + " -> " + " ".join(number.name for number in loop.outputs)
        for loop in loops
    ]


@pytest.mark.parametrize(
    ("source", "types"),
    [
        ("pub fn f(x: f64) -> f64 { x }", ["f64 -> f64"]),
        ("pub const fn f(mut a: u8, _: bool) -> (i64, usize) {}", ["u8 bool -> i64 usize"]),
        ("pub fn f(x: i32) -> Result<i32, String> {}", ["i32 -> i32"]),
        ("pub fn f(x: i32) -> std::io::Result<(i32, f32)> {}", ["i32 -> i32 f32"]),
        ("pub fn f(x: i32) -> PyResult<bool> {}", ["i32 -> bool"]),
        ("type A = B; type B = f64; type R = Result<A, E>; pub fn f(x: A) -> R {}", ["f64 -> f64"]),
        ("pub fn f<T: Float>(x: T) -> T {}", ["f32 -> f32", "f64 -> f64"]),
        (
            "pub fn f<T>(x: T, y: f64) -> bool where T: Copy + num_traits::real::Real {}",
            ["f32 f64 -> bool", "f64 f64 -> bool"],
        ),
        ("pub fn f<'a, T: 'a + num_traits::Float>(x: T) -> T {}", ["f32 -> f32", "f64 -> f64"]),
        ("pub fn f(z: num_complex::Complex<f32>) -> Complex64 {}", ["Complex<f32> -> Complex<f64>"]),
        ("pub fn f<T: Float>(z: Complex<T>) -> T {}", ["Complex<f32> -> f32", "Complex<f64> -> f64"]),
    ],
)
def test_types_of_loops(source: str, types: list[str]) -> None:
    assert _types(source) == types


def test_integers_come_in_the_order_of_their_sizes() -> None:
    assert [kind.partition(" ")[0] for kind in _types("pub fn f<T: PrimInt>(x: T) -> T {}")] == [
        *("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")
    ]


def test_details() -> None:
    source = "/// One.\n///\n///   Two.\n#[inline(never)]\npub fn f(\n  x: f64,\n) -> Result<(f64, bool), String> { Ok((x, true)) }"
    ufunc = _ufunc(source)
    (loop,) = ufunc.loops
    assert (loop.is_tuple, loop.is_result, loop.returns, ufunc.has_inline) == (True, True, (F64, BOOL), True)
    assert ufunc.docs == "One.\n\nTwo."
    assert _ufunc("pub fn f(\n  x: f64,\n) -> f64 { x }").docs == "pub fn f( x: f64, ) -> f64"
    assert _ufunc('#[doc = "Said."]\npub fn f(x: f64) -> f64 { x }').docs == "Said."
    assert _ufunc("pub fn f(z: nc::Complex<f64>) -> f64 {}").loops[0].inputs == (
        Number("Complex<f64>", "nc::Complex<f64>"),
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pub fn f() -> f64 {}", "no arguments"),
        ("pub fn f(x: f64) {}", "returns nothing"),
        ("pub fn f(x: f64) -> () {}", "returns nothing"),
        ("pub fn f(x: &str) -> f64 {}", "`&str`; a ufunc takes numbers"),
        ("pub fn f(x: &[f64]) -> f64 {}", "--ufunc '(n)->()'"),
        ("pub fn f(x: u128) -> f64 {}", "`u128`; a ufunc takes"),
        ("pub fn f(x: char) -> f64 {}", "`char`; a ufunc takes"),
        ("pub fn f(x: f64) -> String {}", "`String`; a ufunc returns"),
        ("pub fn f(x: f64) -> Option<f64> {}", "f64::NAN"),
        ("pub struct Complex<T>(T); pub fn f(x: Complex<f64>) -> f64 {}", "a ufunc takes"),
        ("pub fn f<T>(x: T) -> T {}", "no bound"),
        ("pub fn f<T: Clone>(x: T) -> T {}", "no bound"),
        ("pub fn f<T: Float, U: Float>(x: T, y: U) -> T {}", "several generic"),
        ("pub fn f<const N: usize>(x: f64) -> f64 {}", "`const` parameter"),
        ("pub async fn f(x: f64) -> f64 {}", "async"),
        ("pub unsafe fn f(x: f64) -> f64 {}", "unsafe"),
        ('pub extern "C" fn f(x: f64) -> f64 {}', "extern"),
        ("type A = B; type B = A; pub fn f(x: A) -> f64 {}", "`A`; a ufunc takes"),
        (f"pub fn f({', '.join(f'x{i}: f64' for i in range(11))}) -> f64 {{}}", "11 arguments"),
        (f"pub fn f(x: f64) -> ({', '.join(['f64'] * 11)}) {{}}", "11 values"),
    ],
)
def test_functions_that_cannot_be_ufuncs(source: str, words: str) -> None:
    syntax = analyse(f"\n{source}\nfn helper(x: &str) {{}}\npub fn main() {{}}", "")
    assert not syntax.exports
    (skipped,) = syntax.skipped
    assert (skipped.name, skipped.line) == ("f", 3)
    assert words in skipped.reason


def test_arguments_of_generalized_ufuncs() -> None:
    ufunc = _ufunc("pub fn f<T: Float>(a: &[T], s: i64, out: &mut [bool]) -> Result<T, String> {}", "(n),()->(n),()")
    assert [loop.generic for loop in ufunc.loops] == ["f32", "f64"]
    loop = ufunc.loops[1]
    assert (loop.inputs, loop.outputs, loop.returns) == ((F64, Number("i64")), (BOOL, F64), (F64,))
    assert loop.arguments == (
        CoreArgument(F64, "slice", 0, 1),
        CoreArgument(Number("i64"), "number", 1),
        CoreArgument(BOOL, "slice", 2, 1, is_output=True),
    )
    view = _ufunc("pub fn f(a: nd::ArrayView2<'_, f32>, out: ArrayViewMut1<f32>) {}", "(m,n)->(m)").loops[0].arguments
    assert view == (
        CoreArgument(F32, "view", 0, 2, view="nd::ArrayView2<f32>"),
        CoreArgument(F32, "view", 1, 1, is_output=True, view="ArrayViewMut1<f32>"),
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pub fn f(a: &[f64]) -> f64 {}", "fewer arguments than (n),(n)->() has inputs"),
        ("pub fn f(a: &[f64], b: &[f64], c: &[f64]) -> f64 {}", "`c` is one more than the inputs"),
        ("pub fn f(a: &[f64], b: &[f64], c: &mut [f64]) -> f64 {}", "one more than the outputs with core dimensions"),
        ("pub fn f(a: &[f64], b: f64) -> f64 {}", "`b` is a number, and (n)"),
        ("pub fn f(a: &[f64], b: &[f64]) {}", "returns 0 numbers"),
        ("pub fn f(a: &[f64], b: &[f64]) -> (f64, f64) {}", "returns 2 numbers"),
        ("pub fn f(a: &[f64], b: ArrayView2<f64>) -> f64 {}", "`b` has 2 axes, and (n)"),
        ("pub fn f(a: &[f64], b: &[Complex64]) -> f64 {}", "slices of real numbers"),
        ("pub fn f(a: &[f64], b: &[f64; 3]) -> f64 {}", "slices of real numbers"),
        ("pub fn f(a: &[f64], b: Vec<f64>) -> f64 {}", "slices of real numbers"),
    ],
)
def test_functions_that_do_not_fit_the_signature(source: str, words: str) -> None:
    (skipped,) = analyse(source, "(n),(n)->()").skipped
    assert words in skipped.reason


def test_slices_are_no_numbers_and_outputs_need_arguments() -> None:
    (skipped,) = analyse("pub fn f(a: &[f64]) -> f64 {}", "()->()").skipped
    assert "`a` is a slice, and ()" in skipped.reason
    (skipped,) = analyse("pub fn f(a: &[f64]) -> Vec<f64> {}", "(n)->(n)").skipped
    assert "needs an argument `&mut [T]`" in skipped.reason
