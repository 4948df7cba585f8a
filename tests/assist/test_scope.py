"""Types and modules at the cursor."""

from __future__ import annotations

import pytest

from pyo3magic.assist.scope import Scope, item_start


@pytest.mark.parametrize(
    ("header", "owner"),
    [
        ("impl Point {", "Point"),
        ("impl<'a, T: Into<Vec<u8>>> Holder<'a, T> where T: Clone {", "Holder"),
        ("impl<T> fmt::Display for shapes::Point<T> {", "Point"),
        ("impl From<&Point> for Other {", "Other"),
        ("fn f() {", ""),
    ],
)
def test_the_type_of_an_impl(header: str, owner: str) -> None:
    assert Scope((), (), f"{header}\n    fn m(&self) {{ ", "").owner == owner


def test_the_module_around_the_cursor() -> None:
    assert Scope((), (), "#[pymodule]\npub mod inner { fn f() { ", "").module == "inner"
    assert Scope((), (), "fn f() { ", "").module == ""


def test_an_item_begins_at_the_last_unindented_line_that_begins_one() -> None:
    source = "fn a() {\n    fn b() {}\n}\n/// Doc.\npub fn c() {\n    1\n}\n"
    assert source[item_start(source, source.index("1")) :].startswith("pub fn c")
    assert item_start(source, 12) == 0
