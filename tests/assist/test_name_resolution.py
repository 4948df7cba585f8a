"""Meanings of names."""

from __future__ import annotations

import pytest

from pyo3magic.assist.name_resolution import Resolved, resolve

from .cells import GEOMETRY, placed


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("self.start.norm", Resolved("norm", ("Point",))),
        ("unknown.norm", Resolved("norm", ("Point",))),
        ("geometry::dist", Resolved("dist", ("",), "geometry")),
        ("geometry::Point::norm", Resolved("norm", ("Point", ""), "geometry")),
        ("Self::make", Resolved("make", ("Line", ""))),
        ("factor", Resolved("factor", is_local=True, type="f64")),
        ("Self", Resolved("Line")),
        ("LIMIT", Resolved("LIMIT")),
        ("Line { start", Resolved("start", ("Line", ""))),
    ],
)
def test_names(typed: str, expected: Resolved) -> None:
    assert resolve(*placed(typed), [GEOMETRY]) == expected


@pytest.mark.parametrize("typed", ["// LIMIT", '"LIMIT', "1 + ", "#[pyclass(frozen", "&'a"])
def test_no_names(typed: str) -> None:
    assert resolve(*placed(typed), [GEOMETRY]) is None
