"""Help at the cursor."""

from __future__ import annotations

import pytest

from pyo3magic.assist.rust_help import help_at

from .cells import GEOMETRY, placed


@pytest.mark.parametrize(
    ("typed", "signature", "label"),
    [
        ("self.start.no¦rm()", "pub fn norm(&self) -> f64", "In[1]"),
        ("geometry::di¦st(a, b)", "pub fn dist(a: &Point, b: &Point) -> f64", "In[1]"),
        ("geometry::dist(a, ¦b)", "pub fn dist(a: &Point, b: &Point) -> f64", "In[1]"),
        ("let p: Po¦int = q;", "pub struct Point { pub x: f64, hidden: i32 }", "In[1]"),
        ("Self::ma¦ke(a, b)", "fn make(start: Point, end: Point) -> Self", ""),
        ("self.scaled(¦", "fn scaled<'a>(&'a self, factor: f64) -> Line", ""),
        ("self.scaled(2.0).le¦n", "len: f64", ""),
        ("Color::Re¦d", "Red", ""),
        ("inner::de¦ep()", "pub fn deep()", ""),
        ("squ¦are!(2)", "macro_rules! square", ""),
        ("fac¦tor", "factor: f64", ""),
        ("unknown.norm¦()", "pub fn norm(&self) -> f64", "In[1]"),
    ],
)
def test_names(typed: str, signature: str, label: str) -> None:
    found = help_at(*placed(typed), [GEOMETRY])
    assert found is not None
    assert (found.description.signature, found.label) == (signature, label)


@pytest.mark.parametrize("typed", ["pri¦nt!()", "12¦", '"LIM¦IT"', "¦", "total¦", "// LIM¦IT"])
def test_nothing_is_known_about_other_words(typed: str) -> None:
    assert help_at(*placed(typed), [GEOMETRY]) is None
