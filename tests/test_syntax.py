from __future__ import annotations

import time

import pytest

from pyo3magic.syntax import Module, Syntax, analyse, encode


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


def test_inner_attributes() -> None:
    source = (
        "//! One é.\r\n//!   two\r\n#![allow(\n  dead_code, // why\n  unused\n)]\r\n/*!\n * three\n */\n"
        '#![doc = "fo\\u{fc}r\n"] #![doc(hidden)]\nfn f() { #![allow(unused)] }\n//! late\n'
    )
    syntax = analyse(source)
    assert [attribute.text for attribute in syntax.inner_attributes] == [
        '#![doc = "One é."]',
        '#![doc = "  two"]',
        "#![allow( dead_code, unused )]",
        '#![doc = "three"]',
        '#![doc = "foür\\n"]',
        "#![doc(hidden)]",
    ]
    assert syntax.docs == "One é.\n  two\nthree\nfoür"
    first = syntax.inner_attributes[0]
    assert encode(source)[first.start : first.end].decode() == "//! One é."


@pytest.mark.parametrize(
    ("source", "crates"),
    [
        ("use serde::Deserialize;", {"serde"}),
        ("use ::serde;\nuse numpy as np;\nuse {a::b, c};", {"serde", "numpy", "a", "c"}),
        ("use foo::{bar::Baz, self as f, *};\nfn g() { f::x(); Baz::y(); }", {"foo"}),
        ("extern crate zed as z;\nfn f() { z::x() }", {"zed"}),
        (
            "fn f() { geometry::Point::new(); m::mac!(q::r::s, ::t::u, x.y::<z::w>()); }",
            {"geometry", "m", "q", "t", "z"},
        ),
        ("fn f(x: shapes::Point) -> r#loop::X { Vec::<u8>::new(); i32::MAX; u8::from(1) }", {"shapes", "loop"}),
        (
            "use std::collections;\nuse super::a; use self::b; use crate::c;\nfn f() { collections::x(); core::y() }",
            set(),
        ),
        (
            'mod a { pub mod b {} }\nuse a::b;\nenum Color { R }\nuse Color::*;\nfn f() { a::x(); println!("{}", b::y()) }',
            set(),
        ),
        ("pub fn geometry() { geometry::area() }", {"geometry"}),
        ("#[derive(serde::Serialize)]\nstruct S;", {"serde"}),
        ('// use a::b\nconst S: &str = "c::d";', set()),
    ],
)
def test_crates(source: str, crates: set[str]) -> None:
    assert set(analyse(source).crates) == crates


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("imports_prelude", "use pyo3::{prelude::*, types::PyList};", "mod m { use pyo3::prelude::*; }"),
        ("uses_python_cfgs", "fn f() { if cfg!(all(Py_3_9, unix)) {} }", "fn f() { let Py_3_9 = 1; }"),
        ("uses_python_cfgs", '#[cfg(py_sys_config = "Py_DEBUG")]\nfn f() {}', '#[cfg(feature = "Py_3_9")]\nfn f() {}'),
        ("uses_async", "#[pyfunction]\nasync fn f() {}", "#[pyfunction]\nfn f() {}\nasync fn g() {}"),
        ("uses_async", "#[pymethods]\nimpl P { async fn f(&self) {} }", "impl P { async fn f(&self) {} }"),
        ("uses_async", "pub async fn f() {}", "async fn f() {}"),
        ("forbids_unsafe", "#![forbid(unused, unsafe_code)]", "#![deny(unsafe_code)]"),
        ("no_std", "#![no_std]", "// #![no_std]"),
        ("has_main", "fn main() {}", "mod m { fn main() {} }"),
        ("has_tests", "mod tests { #[test] fn t() {} }", "// #[test]"),
        ("is_empty", " \n// a\n/* b */\n", "use a;"),
        ("has_pyo3_items", "#[pymethods]\nimpl P {}", "use pyo3::prelude::*;"),
    ],
)
def test_facts(name: str, yes: str, no: str) -> None:
    assert getattr(analyse(yes), name) is True
    assert getattr(analyse(no), name) is False


@pytest.mark.parametrize(
    "source",
    ["}}}{{{", "#![", "#[pyfunction", '"', 'r#"', "/*", "fn", "pub fn", "#[pymodule]", "\x00\ud800", "use {{{", "é" * 100,
     "create_exception!(", "#[cfg_attr(]fn f(){}", "[" * 5000, "use a::{" * 2000, "mod a {" * 2000, '#![doc = "\\u{ffffffff}"]',
     "#[cfg_attr(x, pyclass(name = 1))] struct", '#![doc = r#"a\n"#]'],
)  # fmt: skip
def test_any_text_has_an_answer(source: str) -> None:
    assert isinstance(analyse(source), Syntax)


def test_small_cells_take_milliseconds() -> None:
    source = "#[pyfunction]\nfn fib(n: u64) -> u64 { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }\n" * 5
    analyse(source)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        analyse(source)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02
