"""Types of TOML values, and the lines of keys."""

from __future__ import annotations

import pytest

from pyo3magic.cell.toml_types import FLAG, TEXT, TEXTS, Table, line_of_key, paths_of, wrong_type

_TYPES = Table({"a": TEXT, "b": Table({"c": FLAG}), "d": Table(others=Table({"e": TEXTS}, short=TEXT))})


@pytest.mark.parametrize(
    "tables", [{}, {"a": "x", "unknown": 5}, {"b": {"c": True, "unknown": []}}, {"d": {"x": "1", "y": {"e": ["1"]}}}]
)
def test_right_types(tables: dict[str, object]) -> None:
    assert wrong_type(tables, _TYPES) is None


@pytest.mark.parametrize(
    ("tables", "message", "advice"),
    [
        ({"a": 5}, "a has to be a string, not 5", 'a = "..."'),
        ({"a": "\x00"}, "a contains a NUL character", "Remove"),
        ({"b": 1.5}, "b has to be a table, not 1.5", "[b]"),
        ({"b": [{}]}, "b has to be a table, not an array of tables", "[b]"),
        ({"b": {"c": "yes"}}, "b.c has to be true or false, not 'yes'", "c = true"),
        ({"d": {"x": False}}, "d.x has to be a string or a table, not false", 'x = "..."'),
        ({"d": {"x y": {"e": [1]}}}, "d.'x y'.e has to be an array of strings, not [1]", 'e = ["..."]'),
        ({"a": 10**5000}, "not a huge number", ""),
        ({"a": ["x" * 1000]}, "...", ""),
    ],
)
def test_wrong_types(tables: dict[str, object], message: str, advice: str) -> None:
    found = wrong_type(tables, _TYPES)
    assert found is not None
    assert message in found.message
    assert advice in found.advice
    assert len(found.message) < 300


def test_paths() -> None:
    assert list(paths_of(_TYPES)) == [("a",), ("b",), ("b", "c"), ("d",), ("d", "*"), ("d", "*", "e")]


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1", ("a",), 1),
        ("# c\n\na = 1\n", ("a",), 3),
        ('[x]\ny = """\n[a]\n"""\n[a]\nb = 1\n[z]\n', ("a",), 5),
        ('[x]\ny = """\n[a]\n"""\n[a]\nb = 1\n[z]\n', ("a", "b"), 6),
        ('[x]\ny = """\n[a]\n"""\n[a]\nb = 1\n[z]\n', ("x", "y"), 2),
        ("[x]\ny = [\n  1,\n  2,\n]\nz = 5\n", ("x", "y"), 2),
        ("[x]\ny = [\n  1,\n  2,\n]\nz = 5\n", ("x", "z"), 6),
        ("[profile]\nrelease = 1\n", ("profile", "release"), 2),
        ('[[dependencies.pyo3]]\nversion = "1"\n', ("dependencies", "pyo3"), 1),
        ("x.y.z = 1\nx.y.w = 2", ("x", "y", "w"), 2),
        ("x = { y = { z = 1 } }", ("x", "y", "z"), 1),
        ("[a]\n" + "x = 1\n" * 0 + "".join(f"k{i} = {i}\n" for i in range(1000)), ("a", "k700"), 702),
    ],
)
def test_lines(text: str, path: tuple[str, ...], line: int) -> None:
    assert line_of_key(text, path) == line
