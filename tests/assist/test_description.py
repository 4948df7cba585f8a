"""Signatures, documentation and source of items."""

from __future__ import annotations

import pytest

from pyo3magic.assist.description import describe, describe_exported

from .cells import CELL, GEOMETRY


@pytest.mark.parametrize(
    ("name", "owner", "signature", "docs"),
    [
        ("Line", "", "struct Line { start: Point, end: Point, len: f64 }", "A line from one point\nto another."),
        ("make", "Line", "fn make(start: Point, end: Point) -> Self", "Makes a line."),
        ("scaled", "Line", "fn scaled<'a>(&'a self, factor: f64) -> Line", ""),
        ("start", "Line", "start: Point", ""),
        ("Green", "Color", "Green(i32)", ""),
        ("inner", "", "mod inner", ""),
        ("deep", "", "pub fn deep()", ""),
        ("LIMIT", "", "const LIMIT: usize = 3;", ""),
        ("square", "", "macro_rules! square", ""),
    ],
)
def test_items_of_a_cell(name: str, owner: str, signature: str, docs: str) -> None:
    found = describe(CELL, name, owner)
    assert found is not None
    assert (found.signature, found.docs) == (signature, docs)


def test_names_that_python_sees() -> None:
    free = describe_exported(CELL, "free_line")
    assert free is not None
    assert free.signature.startswith("fn free(line: &Line")
    new = describe_exported(CELL, "__new__", "Line")
    assert new is not None
    assert "fn make" in new.source
    getter = describe_exported(CELL, "length", "Line")
    assert getter is not None
    assert getter.signature == "fn get_len(&self) -> f64"
    assert describe_exported(CELL, "missing") is None


def test_a_classs_source_has_its_methods_and_its_place() -> None:
    found = describe(GEOMETRY.body, "Point")
    assert found is not None
    assert found.line == 2
    assert found.source.startswith("/// A point of the plane.\n#[pyclass]\npub struct Point")
    assert "#[pymethods]\nimpl Point {" in found.source
    assert "pub fn norm" in found.source
    assert "dist" not in found.source


def test_forms_of_documentation() -> None:
    source = '/** Block\n *  of lines */\n#[doc = "An \\"attribute\\""]\n/// Line\n//// no doc\nfn f(\n    a: i32, // one\n    b: i32,\n) -> i32 { a }'
    found = describe(source, "f")
    assert found is not None
    assert found.docs == 'Block\nof lines\nAn "attribute"\nLine'
    assert found.signature == "fn f(\n    a: i32, // one\n    b: i32,\n) -> i32"
