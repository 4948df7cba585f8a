"""Where functions are."""

from __future__ import annotations

import pytest

from pyo3magic.programs.functions import Function, functions_of, never_inlined

_SOURCE = b"""
// fn commented() {}
fn a() { fn b() {} }
mod m { pub fn c() {} impl X { fn d(&self) {} } trait T { fn e() {} fn only_declared(); } }
wrap! { fn f() {} }
pub const unsafe extern "C" fn r#g() {}
"""


def test_functions_are_found() -> None:
    found = [(item.path, item.line) for item in functions_of(_SOURCE, "x.rs")]
    assert found == [("a", 3), ("a::b", 3), ("m::c", 4), ("m::impl::d", 4), ("m::T::e", 4), ("f", 5), ("g", 6)]


def test_broken_source_gets_a_best_guess() -> None:
    assert [item.name for item in functions_of(b"fn a() {}\nfn (", "x.rs")][:1] == ["a"]


@pytest.mark.parametrize(
    ("path", "is_it"), [("m::c", True), ("c", True), ("x::m::c", True), ("mc", False), ("m", False)]
)
def test_the_compilers_paths_may_be_shorter_or_longer(path: str, is_it: bool) -> None:
    assert Function("m::c", "x.rs", 1).may_be(path) is is_it


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/// Docs.\npub fn f() {}", "/// Docs.\n#[inline(never)] pub fn f() {}"),
        ("#[inline(always)]\n#[x]\nfn f() {}", "\n#[x]\n#[inline(never)] fn f() {}"),
        ("impl A {\n  fn f(&self) {} }", "impl A {\n  #[inline(never)] fn f(&self) {} }"),
        ("wrap! { fn f() {} }", "wrap! { fn f() {} }"),
    ],
)
def test_a_function_that_is_kept(before: str, after: str) -> None:
    (function,) = functions_of(before.encode(), "x.rs")
    assert never_inlined(before.encode(), function).decode() == after


def test_other_functions_stay_as_they_are() -> None:
    source = b"fn f() {}\nmod m { fn f() {} }\nfn g() {}"
    inner = functions_of(source, "x.rs")[1]
    assert never_inlined(source, inner) == b"fn f() {}\nmod m { #[inline(never)] fn f() {} }\nfn g() {}"
