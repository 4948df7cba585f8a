"""Places of the cursor in Rust."""

from __future__ import annotations

import time

import pytest

from pyo3magic.assist.code_position import CodePosition, code_position


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", CodePosition("name")),
        ("fn f() { va", CodePosition("name", "va")),
        ("a.b.c", CodePosition("member", "c", ("a", "b"))),
        ("a.b(x, (y)).", CodePosition("member", "", ("a", "b()"))),
        ("P::new(1)?.", CodePosition("member", "", ("P::", "new()"))),
        ("(a + b).x", CodePosition("member", "x")),
        ("0..x", CodePosition("name", "x")),
        ("a::b::c", CodePosition("path", "c", ("a", "b"))),
        ("Vec::<f64>::w", CodePosition("path", "w", ("Vec",))),
        ("<T as X>::y", CodePosition("nothing", "y")),
        ("use a::b", CodePosition("use", "b", ("a",))),
        ("use a::{b, c::{d, e", CodePosition("use", "e", ("a", "c"))),
        ("use a::{b, c::{d}, e", CodePosition("use", "e", ("a",))),
        ("use a as b", CodePosition("nothing", "b")),
        ("#[pyc", CodePosition("attribute", "pyc")),
        ("#[pyo3(ge", CodePosition("attribute option", "ge", ("pyo3",))),
        ("#[cfg_attr(x, pyclass(fro", CodePosition("attribute option", "fro", ("pyclass",))),
        ("#[pyo3(name = ", CodePosition("nothing")),
        ("&'a", CodePosition("lifetime", "a")),
        ("let x", CodePosition("let", "x")),
        ("fn x", CodePosition("nothing", "x")),
        ("12", CodePosition("nothing")),
        ("P { a, b", CodePosition("name", "b", literal="P")),
        ("P { a: f(1, 2), b", CodePosition("name", "b", literal="P")),
        ("fn f() -> P { a", CodePosition("name", "a")),
        ("impl P { a", CodePosition("name", "a")),
        ("P { a: b", CodePosition("name", "b")),
    ],
)
def test_places(code: str, expected: CodePosition) -> None:
    assert code_position(code) == expected


@pytest.mark.parametrize(
    "word", ["P { a: 1, ", "P { ", "use a::{", "a.", "a::", "#[a(", "impl X ", "a: 1, ", "(", "<a>::"]
)
def test_the_time_is_bounded(word: str) -> None:
    started = time.process_time()
    code_position("P { " + word * 10_000)
    assert time.process_time() - started < 20
