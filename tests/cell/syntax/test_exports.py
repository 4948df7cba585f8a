from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import analyse, encode


def _exports(source: str) -> list[tuple[str, str, str]]:
    return [(export.kind, export.rust_name, export.name) for export in analyse(source).exports]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("#[pyfunction]\nfn f() {}", [("function", "f", "f")]),
        ("#[pyo3::pyfunction(signature = (a = 1))]\npub(crate) fn f(a: i32) {}", [("function", "f", "f")]),
        ('#[pyfunction]\n#[pyo3(name = "g")]\nfn f() {}', [("function", "f", "g")]),
        ('#[pyfunction(name = "g")] fn f() {}', [("function", "f", "g")]),
        ("#[pyfunction]\nfn r#type() {}", [("function", "r#type", "type")]),
        ("/// doc\n#[pyclass]\nstruct P { x: i32 }", [("class", "P", "P")]),
        ('#[pyo3::pyclass(eq, name = "Q")]\nenum P { A }', [("class", "P", "Q")]),
        ("create_exception!(m, E, PyValueError);", [("exception", "E", "E")]),
        ('pyo3::create_exception!{ m, E, PyValueError, "doc" }', [("exception", "E", "E")]),
        ("::pyo3::create_exception!(\n  m::n,\n  E,\n  PyValueError\n);", [("exception", "E", "E")]),
        ("#[pymodule_export]\nconst K: i32 = 3;", [("constant", "K", "K")]),
        ('#[pyo3::pymodule_export]\n#[pyo3(name = "k")]\nconst K: i32 = 3;', [("constant", "K", "k")]),
        ('#[cfg_attr(feature = "x", derive(Clone), pyclass)]\nstruct P;', [("class", "P", "P")]),
        ("pub fn f() {}\nfn g() {}\npub(crate) fn h() {}\npub(super) fn i() {}", [("function", "f", "f")]),
        ("pub fn f<'a>(x: &'a str) -> &'a str { x }\npub fn main() {}", [("function", "f", "f")]),
        ("pub async fn f() {}\npub const fn g() {}", [("function", "f", "f"), ("function", "g", "g")]),
        ("#[pyclass]\nstruct P;\npub fn f() {}", [("class", "P", "P")]),
        ("#[pymethods]\nimpl P {}\npub fn f() {}", []),
        ("// #[pyfunction]\n/* #[pyfunction] fn a() {} /* b */ */\npub fn f() {}", [("function", "f", "f")]),
        ('const S: &str = "#[pyfunction] fn a() {}";\npub fn f() {}', [("function", "f", "f")]),
        ('const S: &str = r#"\n#[pyfunction]\nfn a() {}\n"#;\npub fn f() {}', [("function", "f", "f")]),
        ("macro_rules! m { () => { #[pyfunction] fn a() {} pub fn b() {} } }\npub fn f() {}", [("function", "f", "f")]),
        ("mod m { #[pyfunction] pub fn a() {} }\npub fn f() { pub fn b() {} }", [("function", "f", "f")]),
        ("/// été ü\n#[pyfunction]\nfn ф() {}", [("function", "ф", "ф")]),
        ("#[pyfunction] // why\n/* é */ #[inline]\nfn f() {}", [("function", "f", "f")]),
        ("pub fn a( { \n\n#[pyfunction]\nfn f() { let x = ; }", [("function", "f", "f")]),
        ("", []),
    ],
)
def test_exports(source: str, expected: object) -> None:
    assert _exports(source) == expected


def test_details_of_exports() -> None:
    source = (
        '// é\n\n#[cfg(all(\n  unix, // why\n  Py_3_9))]\n/// doc\n#[pyfunction]\nfn f() {}\n#[cfg_attr(feature = "x", pyclass)]\nstruct P;\n'
        '#[pymodule_export] /* a */ #[pyo3(name = "k")]\nconst K: [&\'static str; 2] = ["a", "b"];\n'
    )
    function, kind, constant = analyse(source).exports
    assert function.cfgs == ("#[cfg(all( unix, Py_3_9))]",)
    assert encode(source)[function.start :].startswith(b"#[cfg(all(")
    assert kind.cfgs == ('#[cfg(feature = "x")]',)
    assert constant.type == "[&'static str; 2]"
    marked = [encode(source)[start:end].decode() for start, end in constant.markers]
    assert marked == ["#[pymodule_export]", '#[pyo3(name = "k")]']


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("pub fn f<T: Clone>(x: T) {}", "generic"),
        ("pub fn f<'a, const N: usize>(x: &'a [u8; N]) {}", "generic"),
        ("pub fn f(x: &mut impl Iterator<Item = i32>) {}", "impl Trait"),
        ("pub unsafe fn f() {}", "unsafe"),
        ('pub extern "C" fn f() {}', "extern"),
    ],
)
def test_skipped(source: str, word: str) -> None:
    syntax = analyse(source)
    assert [item.name for item in syntax.skipped] == ["f"]
    assert word in syntax.skipped[0].reason
    assert not syntax.exports


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("fn a() {}\npub fn f() {}", "\npub fn f"),
        ("fn a() {}\r\npub fn f() {}", "\r\npub fn f"),
        ("fn a() {} // é\npub fn f() {}", "// é\npub fn f"),
        ("// a\n// b\npub fn f() {}", "// b\npub fn f"),
        ("//! a\n// b\npub fn f() {}", "// b\npub fn f"),
        ("//! a\npub fn f() {}", "//! a\npub fn f"),
        ("/* a\n b */\npub fn f() {}", "\npub fn f"),
        ("\n\n  pub fn f() {}", "\n  pub fn f"),
        ("\n/* a\n b */ pub fn f() {}", "\n/* a"),
        ("fn a() {} /* a\n b */ pub fn f() {}", "pub fn f"),
        ("fn a() {}\n/* a\n b */ /* c\n*/ pub fn f() {}", "\n/* a"),
        ("fn a() {\n} pub fn f() {}", "pub fn f"),
        ("\n/* a */ pub fn f() {}", "\n/* a */ pub fn f"),
        ("fn a() {} pub fn f() {}", "pub fn f"),
        ('const A: &str = "\n"; pub fn f() {}', "pub fn f"),
        ("fn a() {}\n\n\n/// doc\n#[inline]\npub fn f() {}", "\n/// doc"),
    ],
)
def test_attach(source: str, rest: str) -> None:
    (export,) = analyse(source).exports
    assert encode(source)[export.attach :].decode().startswith(rest)


@pytest.mark.parametrize(
    "source", ["pub fn f() {}", "/* a\n */ pub fn f() {}", "#![allow(\n  unused)] /// doc\npub fn f() {}"]
)
def test_attach_before_the_source(source: str) -> None:
    assert analyse(source).exports[0].attach is None
