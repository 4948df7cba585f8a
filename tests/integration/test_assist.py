"""Completion and help as a front end asks for them: by the messages of a kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .kernel import Kernel

pytestmark = pytest.mark.cargo

GEOMETRY = """
/// A point of the plane.
#[pyclass]
pub struct Point { #[pyo3(get)] pub x: f64 }

#[pymethods]
impl Point {
    /// Makes a point.
    #[new]
    fn new(x: f64) -> Self { Point { x } }
    /// Distance from the *origin*.
    fn norm(&self) -> f64 { self.x.abs() }
    /// Where all begins.
    #[staticmethod]
    fn origin() -> Point { Point { x: 0.0 } }
}

/// Distance of **two** points.
#[pyfunction]
#[pyo3(signature = (a, b, *, scale = 1.0))]
pub fn dist(a: &Point, b: &Point, scale: f64) -> f64 { (a.x - b.x).abs() * scale }
"""


@pytest.fixture(scope="module")
def geometry(kernel: Kernel) -> Kernel:
    kernel.rust(GEOMETRY, "-m geometry")
    return kernel


def completed(kernel: Kernel, typed: str) -> list[str]:
    before, _, after = typed.partition("¦")
    content = kernel.client.complete(before + after, len(before), reply=True, timeout=60)["content"]
    assert content["status"] == "ok"
    assert content["cursor_end"] == len(before)
    matches: list[str] = content["matches"]
    return matches


def inspected(kernel: Kernel, typed: str, level: int = 0) -> dict[str, str] | None:
    before, _, after = typed.partition("¦")
    message = kernel.client.inspect(before + after, len(before), detail_level=level, reply=True, timeout=60)
    content: dict[str, Any] = message["content"]
    assert content["status"] == "ok"
    return content["data"] if content["found"] else None


def test_completion(geometry: Kernel) -> None:
    assert completed(geometry, "%%rust\nuse geometry::¦") == ["Point", "dist"]
    assert completed(geometry, "%%rust\nfn f(p: &geometry::Point) { p.¦ }") == ["x"]  # norm is private
    assert completed(geometry, "%%rust\nfn größe() { let länge = 1; län¦ }") == ["länge"]
    assert completed(geometry, "%%rust\nprint_is_python¦") == []
    assert completed(geometry, "%%rust -m ¦") == ["geometry"]
    assert completed(geometry, "%pyo3_wheel ¦") == ["geometry"]
    assert completed(geometry, "%%rust --target ¦") != []
    assert "print" in completed(geometry, "prin¦")


def test_help_in_a_rust_cell(geometry: Kernel) -> None:
    found = inspected(geometry, "%%rust\nuse geometry::dist;\nfn f() { dist(1, ¦2) }")
    assert found is not None
    assert "pub fn dist(a: &Point, b: &Point, scale: f64) -> f64" in found["text/plain"]
    assert found["text/markdown"].startswith("```rust\npub fn dist(")
    assert "Distance of **two** points." in found["text/markdown"]
    own = inspected(geometry, "%%rust\n/// Half of it.\nfn half(x: f64) -> f64 { x / 2.0 }\nfn g() { ha¦lf(1.0) }")
    assert own is not None
    assert "Half of it." in own["text/plain"]
    assert inspected(geometry, "%%rust\nfn f() { pri¦nt!(1) }") is None  # no help on Python's print
    option = inspected(geometry, "%%rust --targ¦et x86_64-unknown-linux-gnu\nfn f() {}")
    assert option is not None
    assert option["text/plain"].startswith("--target TRIPLE\n\nbuild for another machine")
    magic = inspected(geometry, "%%ru¦st -m x\nfn f() {}")
    assert magic is not None
    assert "--profile-build" in magic["text/plain"]
    exported = inspected(geometry, "x = 1\nwheel = %pyo3_wheel --na¦me x")
    assert exported is not None
    assert exported["text/plain"].startswith("--name N\n\nthe project's name")
    python = inspected(geometry, "pri¦nt")
    assert python is not None
    assert "Prints the values" in python["text/plain"]


@pytest.mark.parametrize(
    ("name", "signature", "docs", "source"),
    [
        (
            "dist",
            "pub fn dist(a: &Point, b: &Point, scale: f64) -> f64",
            "Distance of **two** points.",
            "(a.x - b.x).abs()",
        ),
        ("Point", "pub struct Point", "A point of the plane.", "fn norm(&self)"),
        ("Point.norm", "fn norm(&self) -> f64", "Distance from the *origin*.", "self.x.abs()"),
        ("Point.origin", "fn origin() -> Point", "Where all begins.", "#[staticmethod]"),
        ("geometry.dist", "pub fn dist(", "Distance of", "(a.x - b.x).abs()"),
        ("Point.x", "pub x: f64", "", "pub x: f64"),
        ("geometry", "pub fn dist(", "", "fn norm(&self)"),
    ],
)
def test_help_on_what_python_has(geometry: Kernel, name: str, signature: str, docs: str, source: str) -> None:
    found = inspected(geometry, f"{name}¦")
    assert found is not None
    for text in (found["text/plain"], found["text/markdown"]):
        assert signature in text
        assert docs in text
    assert re.search(r"^\*In\[\d+\]", found["text/markdown"], re.MULTILINE)
    detailed = inspected(geometry, f"{name}¦", level=1)
    assert detailed is not None
    assert source in detailed["text/markdown"]
    assert re.match(r"\*In\[\d+\](, line \d+)?\*\n", detailed["text/markdown"])
    assert "```rust\n" in detailed["text/markdown"]


def test_a_value_keeps_pythons_help_and_has_the_source_of_its_class(geometry: Kernel) -> None:
    geometry.run("value = Point(2.0)")
    found = inspected(geometry, "value¦")
    assert found is not None
    assert "text/markdown" not in found
    assert "String form:" in found["text/plain"]
    detailed = inspected(geometry, "value¦", level=1)
    assert detailed is not None
    assert "fn norm(&self)" in detailed["text/markdown"]


def test_the_pager(geometry: Kernel) -> None:
    assert "dist(a, b, *, scale=1.0)" in geometry.run("dist?").page
    source = geometry.run("p = Point(1.0)\np.norm??").page
    assert "fn norm(&self) -> f64 { self.x.abs() }" in source
    assert "// In[" in source


def test_source_has_the_colours_of_rust(geometry: Kernel) -> None:
    found = inspected(geometry, "dist¦", level=1)
    assert found is not None
    assert "\x1b[" in found["text/plain"].partition("Source:")[2]
    assert "pub fn dist" not in found["text/plain"]  # the words are coloured one by one
    geometry.run("get_ipython().colors = 'nocolor'")
    try:
        found = inspected(geometry, "dist¦", level=1)
    finally:
        geometry.run("get_ipython().colors = 'neutral'")
    assert found is not None
    assert "pub fn dist" in found["text/plain"]
