from __future__ import annotations

import pytest

from pyo3magic.cell.syntax import analyse


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
