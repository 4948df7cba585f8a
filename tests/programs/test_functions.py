"""Where functions are."""

from __future__ import annotations

import pytest

from pyo3magic.programs.functions import Function, functions_of

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
