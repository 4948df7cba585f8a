"""Local variables."""

from __future__ import annotations

import time

import pytest

from pyo3magic.assist.local_names import local_names

HEAD = (
    "fn f<'a>(&'a self, a: &'a Point, mut b: Vec<(i32, f64)>, (c, d): (i32, i32)) -> Result<i32, E> where T: Into<X> {"
)
ARGUMENTS = {"self": "Self", "a": "&'a Point", "b": "Vec<(i32, f64)>", "c": "", "d": ""}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", {}),
        ("let x = 1; let y: HashMap<String, Vec<u8>> = z;", {"x": "", "y": "HashMap<String, Vec<u8>>"}),
        ("let p = Point { x: 1 };", {"p": "Point"}),
        ("let p = geometry::Point::new(1);", {"p": "geometry::Point"}),
        ("let (left, mut right) = pair;", {"left": "", "right": ""}),
        ("let Point { x: across, y } = p;", {"across": "", "y": ""}),
        ("let Some(inner) = maybe else { return };", {"inner": ""}),
        ("{ let gone = 1; } let here = 2;", {"here": ""}),
        ("for (i, v) in b.iter() {", {"i": "", "v": ""}),
        ("if let Some(t) = maybe {", {"t": ""}),
        ("while let Ok(line) = next() {", {"line": ""}),
        ("match m { Shape::Flat(size) if size > 1 => ", {"size": ""}),
        ("v.map(|k, z: &str| ", {"k": "", "z": "&str"}),
        ("let flag = a || b;", {"flag": ""}),
        ("let unfinished", {"unfinished": ""}),
        ("let", {}),
    ],
)
def test_names_and_types(code: str, expected: dict[str, str]) -> None:
    assert local_names(HEAD + code) == {**ARGUMENTS, **expected}


@pytest.mark.parametrize("word", ["let x = (", "fn f(", "=> ", "| a ", "for ", "if let (", "fn f<T"])
def test_the_time_is_bounded(word: str) -> None:
    started = time.process_time()
    local_names(word * (20_000 // len(word)))
    assert time.process_time() - started < 20
