"""Completion of Rust: names of the cell, of other cells and of the language, in whole and in half-written code."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyo3magic.assist.rust_completion import RustCompleter
from pyo3magic.assist.rust_help import help_at
from pyo3magic.assist.suggestion import KnownCell, Suggestions

from .cells import CELL, GEOMETRY, placed


def suggested(text: str, where: str = "// HERE") -> Suggestions:
    return RustCompleter().complete(*placed(text, where=where), [GEOMETRY], ["rayon"])


def texts(text: str, where: str = "// HERE") -> list[str]:
    return [item.text for item in suggested(text, where).items]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("self.", ["start", "end", "len", "get_len", "scaled"]),
        ("self.st", ["start"]),
        ("self.start.", ["x", "norm"]),
        ("self.scaled(2.0).", ["start", "end", "len", "get_len", "scaled"]),
        ("self.scaled(self.start.norm()).en", ["end"]),
        ("self.start.clone().", ["x", "norm"]),
        ("Self::", ["make", "get_len", "scaled"]),
        ("Line::ma", ["make"]),
        ("let l = Line::make(a, b); l.le", ["len"]),
        ("let p: &Point = q; p.", ["x", "norm"]),
        ("Color::", ["Red", "Green"]),
        ("Some(Color::G", ["Green"]),
        ("inner::", ["deep", "K"]),
        ("crate::inner::de", ["deep"]),
        ("crate::LIM", ["LIMIT"]),
        ("geometry::", ["Point", "dist", "Shape", "units"]),
        ("geometry::Shape::", ["Round", "Flat"]),
        ("geometry::units::", ["METRE"]),
        ("geometry::Point::no", ["norm"]),
        ("Line { ", ["start", "end", "len"]),
        ("Line { start, e", ["end"]),
        ("Line { start: self.start.clone(), len: 1.0, e", ["end"]),
        ("tot", ["total"]),
        ("fac", ["factor"]),
        ("squ", ["square!"]),
        ("Brok", ["Broken"]),
        ("Tab", ["Table"]),
        ("&'a", ["a"]),
        ("whi", ["while"]),
        ("PyV", []),
        ("pyo3::exceptions::PyV", ["PyValueError"]),
        ("pyo3::types::PyLis", ["PyList"]),
        ("std::collections::HashM", ["HashMap"]),
        ("vec", ["Vec", "vec!"]),
        ("Vec::<f64>::with", ["with_capacity"]),
        ("f64::NA", ["NAN"]),
        ("let mu", ["mut"]),
    ],
)
def test_in_a_method(typed: str, expected: list[str]) -> None:
    found = texts(typed)
    assert found[: len(expected)] == expected
    if not typed.startswith("Line {") and expected:
        assert len(found) == len(expected) or typed[-1].isalnum()


@pytest.mark.parametrize(
    "typed",
    ["1", "1.", "1.0e", 'let s = "to', "// to", "/* to", "fn ne", "struct Ne", "factor.", 'r#"to', "factor.abs()."],
)
def test_nothing_is_suggested_for_numbers_text_new_names_and_unknown_types(typed: str) -> None:
    assert texts(typed) == []


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("line.", ["start", "end", "len", "get_len", "scaled"]),
        ("pt.", ["x", "norm"]),
        ("line.start.n", ["norm"]),
        ("free(line, pt).st", ["start"]),
        ("for (index, value) in items { ind", ["index"]),
        ("if let Some(found) = line { fou", ["found"]),
        ("match line { Line { len, .. } => le", ["len", "let"]),
        ("let c = |left: i32, right| lef", ["left"]),
        ("let Point { x: across, .. } = pt; acr", ["across"]),
        ("{ let hidden_name = 1; } hidden_n", []),
        ("unknown.", ["start", "end", "len", "get_len", "scaled", "x", "norm"]),
        ("use geometry::{Point, di", ["dist"]),
        ("use geometry::{units::{ME", ["METRE"]),
        ("use geo", ["geometry"]),
        ("use ray", ["rayon"]),
        ("use std::sync::{Arc, Mut", ["Mutex", "MutexGuard"]),
        ("use std::fmt as f", []),
    ],
)
def test_in_a_function(typed: str, expected: list[str]) -> None:
    assert texts(typed, "// THERE") == expected


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ("#[pyf", ["pyfunction"]),
        ("#[pyo3(sig", ["signature"]),
        ("#[pyclass(froz", ["frozen"]),
        ("#[pyclass(frozen, get_", ["get_all"]),
        ("#[derive(Clone, Deb", ["Debug"]),
        ("#[pyclass(name = ", []),
        ("#[pyo3(signature = (a", []),
        ("#![allow(unused_v", ["unused_variables"]),
    ],
)
def test_attributes(above: str, expected: list[str]) -> None:
    assert texts(above, "create_exception!(module, Broken, PyException);") == expected


def test_an_attribute_of_a_method() -> None:
    assert texts("#[get", "// HERE") == ["getter"]
    assert texts("#[pymethods]\nimpl Color {\n    #[stat", "create_exception!") == ["staticmethod"]


def test_kinds_are_told() -> None:
    kinds = {item.text: item.kind for item in suggested("").items}
    assert kinds["total"] == "variable"
    assert kinds["Line"] == "struct"
    assert kinds["Color"] == "enum"
    assert kinds["LIMIT"] == "constant"
    assert kinds["square!"] == "macro"
    assert kinds["inner"] == "module"
    assert kinds["if"] == "keyword"
    assert {item.text: item.kind for item in suggested("self.").items}["scaled"] == "method"


def test_own_names_come_before_the_languages() -> None:
    found = texts("")
    assert found.index("total") < found.index("Line") < found.index("if") < found.index("Vec") < found.index("vec!")


def test_what_an_unfinished_string_hides_is_remembered_while_its_words_are_there() -> None:
    completer = RustCompleter()
    completer.complete(*placed("Color::"))
    broken, at = placed('Color::¦;\nlet text = "not closed')
    assert [item.text for item in completer.complete(broken, at).items] == ["Red", "Green"]
    assert [item.text for item in RustCompleter().complete(broken, at).items] == []
    renamed = broken.replace("Green", "Blue")
    assert [item.text for item in completer.complete(renamed, at).items] == ["Red"]


def test_a_cell_of_the_session_is_replaced_by_its_next_version() -> None:
    newer = KnownCell("geometry", "In[2]", "pub fn newer() {}")
    source, at = placed("geometry::")
    assert [item.text for item in RustCompleter().complete(source, at, [GEOMETRY, newer]).items] == ["newer"]


SAMPLES = [CELL, GEOMETRY.body, "#[pyfunction]\nfn f<'a>(s: &'a str) -> &'a str { s }\n"]
_SUPPORT = Path(__file__).parents[2] / "pyo3magic" / "support" / "src"
SAMPLES += [path.read_text(encoding="utf-8")[:6000] for path in sorted(_SUPPORT.rglob("*.rs"))]
assert len(SAMPLES) > 3


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sample=st.sampled_from(SAMPLES),
    cut=st.floats(0, 1),
    end=st.floats(0, 1),
    typed=st.text(st.sampled_from("ab1.:{}()[]<>#'\"|&=;,/*!_ \n\\ré\U0001f980\0"), max_size=12),
)
def test_a_cell_cut_off_anywhere_has_suggestions_and_no_error(sample: str, cut: float, end: float, typed: str) -> None:
    at = int(cut * len(sample))
    rest = sample[at + int(end * (len(sample) - at)) :]
    source = sample[:at] + typed + rest
    offset = at + len(typed)
    found = _COMPLETER.complete(source, offset, [GEOMETRY], ["rayon"])
    assert source[:offset].endswith(found.fragment)
    assert all(item.text.lower().startswith(found.fragment.lower()) for item in found.items)
    assert len({item.text for item in found.items}) == len(found.items)
    help_at(source, offset, [GEOMETRY])


_COMPLETER = RustCompleter()


@pytest.mark.parametrize(
    "word",
    ["impl<T> X for ", "impl X ", "P { a: 1, ", "for x in ", "#[a(", "mod x {", "let x: Vec<", 'r#"', "'a ", "a::b::"],
)
def test_the_time_for_odd_text_is_bounded(word: str) -> None:
    source = word * (30_000 // len(word))
    started = time.process_time()
    RustCompleter().complete(source, len(source))
    help_at(source, len(source))
    assert time.process_time() - started < 20
