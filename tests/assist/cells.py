"""Cells to complete."""

from __future__ import annotations

from pyo3magic.assist.suggestion import KnownCell

GEOMETRY = KnownCell(
    "geometry",
    "In[1]",
    """
/// A point of the plane.
#[pyclass]
pub struct Point { pub x: f64, hidden: i32 }
#[pymethods]
impl Point {
    /// Distance from the origin.
    pub fn norm(&self) -> f64 { self.x.abs() }
    fn secret(&self) {}
}
/// Distance of two points.
pub fn dist(a: &Point, b: &Point) -> f64 { (a.x - b.x).abs() }
fn private() {}
pub enum Shape { Round, Flat(f64) }
pub mod units { pub const METRE: f64 = 1.0; fn internal() {} }
""",
)

CELL = """use geometry::Point;
use std::collections::HashMap as Table;

/// A line from one point
/// to another.
#[pyclass(frozen)]
struct Line { start: Point, end: Point, len: f64 }

#[pymethods]
impl Line {
    /// Makes a line.
    #[new]
    #[pyo3(signature = (start, end))]
    fn make(start: Point, end: Point) -> Self { todo!() }

    #[getter(length)]
    fn get_len(&self) -> f64 { self.len }

    fn scaled<'a>(&'a self, factor: f64) -> Line {
        let total = 1.0;
        // HERE
    }
}

enum Color { Red, Green(i32) }
mod inner { pub fn deep() {} pub const K: i32 = 1; }
const LIMIT: usize = 3;
macro_rules! square { ($x:expr) => { $x * $x } }
create_exception!(module, Broken, PyException);

#[pyfunction(name = "free_line")]
fn free(line: &Line, pt: PyRef<'_, Point>, table: Table<String, Vec<(i32, f64)>>) -> Line {
    // THERE
}
"""


def placed(text: str, *, where: str = "// HERE", cell: str = CELL) -> tuple[str, int]:
    """A cell with a text in the place of a comment, and the offset of the text's end or of the broken bar in it."""
    before, _, after = cell.partition(where)
    typed, _, rest = text.partition("\N{BROKEN BAR}")
    return before + typed + rest + after, len(before) + len(typed)
