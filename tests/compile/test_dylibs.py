from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell.syntax import analyse
from pyo3magic.compile.dylibs import inherited_dependencies, used_cells
from pyo3magic.errors import CellError

from .conftest import artifact

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("use geometry::Point;", True),
        ("use geometry::{self, Point};", True),
        ("use geometry::geometry;", True),
        ("use geometry::Point as geometry;", True),
        ("use ::geometry::Point;", True),
        ("use {geometry::P, std::fmt};", True),
        ("extern crate geometry;", True),
        ("extern crate geometry as g;", True),
        ("fn f() { geometry::point!(1); }", True),
        ("fn f() { vec![geometry::A]; }", True),
        ("#[derive(geometry::D)] struct S;", True),
        ("#[pyclass(extends=geometry::Base)] struct S;", True),
        ("fn f(x: &dyn geometry::Shape) {}", True),
        ("const X: f64 = <geometry::P as Default>::X;", True),
        ("mod m { use geometry::X; }", True),
        ("mod geometry { pub struct X; } use geometry::X;", False),
        ("use other::geometry; fn f() { geometry::x() }", False),
        ("// geometry::Point", False),
        ('const T: &str = "geometry::Point";', False),
        ("use a::{geometry::P};", False),
    ],
)
def test_found_by_syntax(code: str, used: bool) -> None:
    named = {"geometry": artifact("geometry")}
    assert (set(used_cells(analyse(code).crates, (), named, None)) == {"geometry"}) is used


def test_a_declared_crate_wins() -> None:
    named = {"my_crate": artifact("my_crate")}
    assert used_cells(["my_crate"], ["my-crate"], named, None) == {}
    assert used_cells(["my_crate"], ["pyo3"], named, None) == named


def test_circles() -> None:
    named = {"a": artifact("a"), "b": artifact("b", cells={"a": "a"}), "c": artifact("c", cells={"b": "b"})}
    with pytest.raises(CellError, match="a uses c uses b uses a"):
        used_cells(["c"], (), named, "a")
    with pytest.raises(CellError, match="uses itself"):
        used_cells(["a"], (), named, "a")
    assert set(used_cells(["b", "a"], (), named, "c")) == {"a", "b"}


def test_dependencies_that_are_inherited(tmp_path: Path) -> None:
    for name, entries in {
        "a": 'chrono = "0.4"\nhex = "*"\npyo3magic-support = { path = "support" }',
        "b": 'chrono = { version = "0.4", features = ["serde"] }\nrare = { version = "1", optional = true }',
    }.items():
        crate = tmp_path / name / "crate"
        crate.mkdir(parents=True)
        (crate / "Cargo.toml").write_text(f'[dependencies]\npyo3 = "0.30"\n{entries}\n')
    used = {name: artifact(name, folder=tmp_path / name) for name in ("a", "b")}
    assert list(inherited_dependencies(used, {"hex"}).values()) == [
        {"package": "chrono", "version": "0.4", "features": ["serde"]}
    ]
    assert inherited_dependencies({}, ()) == {}
