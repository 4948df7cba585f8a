"""Names that a source declares."""

from __future__ import annotations

import time

import pytest

from pyo3magic.assist.outline import LiveSource, outline_of

from .cells import CELL, GEOMETRY


def names(source: str) -> list[tuple[str, str, str]]:
    return [(item.name, item.kind, item.owner) for item in outline_of(source)]


def test_items_members_and_imports() -> None:
    assert names(CELL) == [
        ("Point", "import", ""),
        ("Table", "import", ""),
        ("Line", "struct", ""),
        ("start", "field", "Line"),
        ("end", "field", "Line"),
        ("len", "field", "Line"),
        ("make", "function", "Line"),
        ("get_len", "function", "Line"),
        ("scaled", "function", "Line"),
        ("Color", "enum", ""),
        ("Red", "variant", "Color"),
        ("Green", "variant", "Color"),
        ("inner", "module", ""),
        ("deep", "function", ""),
        ("K", "constant", ""),
        ("LIMIT", "constant", ""),
        ("square", "macro", ""),
        ("Broken", "struct", ""),
        ("free", "function", ""),
    ]


def test_visibility_receivers_modules_and_types() -> None:
    found = {item.name: item for item in outline_of(GEOMETRY.body)}
    assert (found["norm"].is_public, found["norm"].takes_self, found["norm"].type) == (True, True, "f64")
    assert not found["secret"].is_public
    assert not found["hidden"].is_public
    assert found["METRE"].module == "units"
    assert found["x"].type == "f64"


@pytest.mark.parametrize(
    "source",
    [
        "fn f( { struct Later { x: i32 }",
        "impl { fn f",
        "}} mod inner { fn f() {",
        "#[pyclass struct Later; const f: u8",
    ],
)
def test_broken_code_is_read_by_its_words(source: str) -> None:
    assert {"Later", "f", "inner"} & {item.name for item in outline_of(source)}


def test_edits_give_what_a_new_parse_gives() -> None:
    live = LiveSource()
    live.outline(CELL)
    for old, new in (
        ("LIMIT", "LIMITS"),
        ("Red, ", ""),
        ("enum Color", "/* é */ enum Colour"),
        ("pub fn deep() {}", ""),
    ):
        edited = CELL.replace(old, new)
        assert live.outline(edited) == outline_of(edited)
    assert live.outline("") == ()
    assert live.outline(CELL) == outline_of(CELL)


def test_a_huge_broken_source_takes_no_long_parse() -> None:
    started = time.process_time()
    found = LiveSource().outline("fn known() {}\n" + "((((" * 100_000)
    assert [item.name for item in found] == ["known"]
    assert time.process_time() - started < 5
