"""Options, front matter and dependency specifications of a cell."""

from __future__ import annotations

import pytest

from pyo3magic.cell import Cell, Dependency, Options, check_module_name, parse_cell, parse_dependency
from pyo3magic.errors import CellError, ManifestError


def parse(body: str, **options: object) -> Cell:
    return parse_cell(Options(**options), body)  # type: ignore[arg-type]


def test_source_keeps_the_lines_of_the_cell() -> None:
    cell = parse('\n---\n[dependencies]\nrand = "0.9"\n---\npub fn f() {}\n')
    assert cell.source == "\n\n\n\n\npub fn f() {}\n"
    assert cell.front_matter == {"dependencies": {"rand": "0.9"}}


@pytest.mark.parametrize(
    ("body", "tables"),
    [
        ("fn f() {}", {}),
        ("---\n---\nfn f() {}", {}),
        ("---cargo\n[features]\nfast = []\n---\nfn f() {}", {"features": {"fast": []}}),
        ("--- toml\n[features]\n---\nfn f() {}", {"features": {}}),
        ("-----\n[package.metadata]\nx = '''\n---\n'''\n-----\nfn f() {}", {"package": {"metadata": {"x": "---\n"}}}),
        ("#!/usr/bin/env cargo\n---\n[features]\n---\nfn f() {}", {"features": {}}),
        ("---\r\n[features]\r\n---\r\nfn f() {}", {"features": {}}),
        ("#![allow(dead_code)]\nfn f() {}", {}),
    ],
)
def test_front_matter(body: str, tables: dict[str, object]) -> None:
    cell = parse(body)
    assert cell.front_matter == tables
    assert len(cell.source.splitlines()) == len(body.splitlines())
    assert cell.source.splitlines()[-1] == "fn f() {}"
    assert "---" not in cell.source


def test_dashes_below_the_first_item_are_rust() -> None:
    body = "fn f() {}\n---\n[features]\n---\n"
    assert parse(body).source == body


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        ("---\n[dependencies]\nrand = = 1\n---\nfn f() {}", 4, 8),
        ("\n\n---\nx = \n---\nfn f() {}", 5, 5),
        ("#!/bin/x\n---\n[a\n---\nfn f() {}", 4, 3),
        ("---\n[a]\nx = 'é' y\n---\nfn f() {}", 4, 9),
        ("---\r\n[a]\r\n\r\nx = 1 y\r\n---\r\nfn f() {}", 5, 7),
    ],
)
def test_bad_toml_names_line_and_column_of_the_cell(body: str, line: int, column: int) -> None:
    with pytest.raises(ManifestError, match="not valid TOML") as caught:
        parse(body)
    # The first line of the cell, as the editor counts, is the %%rust line.
    assert f"(line {line} of the cell, column {column})" in caught.value.message
    *_, shown, pointer = caught.value.message.splitlines()
    assert shown == "    " + body.splitlines()[line - 2]
    assert pointer == "    " + " " * (column - 1) + "^"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("---\n[dependencies]\nfn f() {}", "starts on line 2 of the cell does not end"),
        ("\n----\n---\nfn f() {}", "starts on line 3 of the cell does not end"),
        ("---python\n---\nfn f() {}", "of the kind 'python'"),
        ("---\n[a]\nx = 1\nx = 2\n---\nfn f() {}", "not valid TOML"),
        ("---\n[a]\n[a]\n---\nfn f() {}", "not valid TOML"),
    ],
)
def test_bad_front_matter(body: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(body)
    assert said in caught.value.message
    assert caught.value.advice


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "The cell is empty"),
        (" \n\t\n", "The cell is empty"),
        ("fn f() {\x00}", "NUL character"),
        ("fn f() {}\n// \udc80", "Line 3 of the cell has a character that is not valid Unicode"),
    ],
)
def test_text_that_is_no_cell(body: str, said: str) -> None:
    with pytest.raises(CellError, match=said) as caught:
        parse(body)
    assert not isinstance(caught.value, ManifestError)


@pytest.mark.parametrize("body", ["\ufefffn f() {}", "\n\ufefffn f() {}", "\ufeff---\n[package]\n---\nfn f() {}"])
def test_a_byte_order_mark_at_the_start_is_dropped(body: str) -> None:
    cell = parse(body)
    assert cell.source.endswith("fn f() {}")
    assert "\ufeff" not in cell.source
    assert cell.source.count("\n") == body.count("\n")


def test_a_byte_order_mark_elsewhere_is_text() -> None:
    assert parse('const MARK: &str = "\ufeff";').source == 'const MARK: &str = "\ufeff";'


def test_unknown_edition() -> None:
    with pytest.raises(CellError, match="no Rust edition '2020'") as caught:
        parse("fn f() {}", edition="2020")
    assert "2021, 2024" in caught.value.advice


@pytest.mark.parametrize("name", ["geometry", "_x", "a1", "match_"])
def test_good_module_names(name: str) -> None:
    check_module_name(name)
    assert parse("fn f() {}", module=name).options.module == name


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("my-module", "my_module"),
        ("1st", "st"),
        ("class", "class_"),
        ("", "my_module"),
        ("größe", "gr__e"),
        ("a.b", "a_b"),
    ],
)
def test_bad_module_names_suggest_a_good_one(name: str, example: str) -> None:
    with pytest.raises(CellError, match="cannot be a module's name") as caught:
        parse("fn f() {}", module=name)
    assert caught.value.advice == f"For example: %%rust -m {example}"
    check_module_name(example)


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("numpy", Dependency("numpy")),
        ("'numpy'", Dependency("numpy")),
        ("serde@1", Dependency("serde", "1")),
        ("serde@1+derive", Dependency("serde", "1", ("derive",))),
        ("serde+derive+rc", Dependency("serde", "*", ("derive", "rc"))),
        ("serde@1+derive,rc", Dependency("serde", "1", ("derive", "rc"))),
        ("rand@>=0.8, <0.10", Dependency("rand", ">=0.8, <0.10")),
        ("rand@=0.9.1", Dependency("rand", "=0.9.1")),
        ("rand@0.9+-default+std", Dependency("rand", "0.9", ("std",), default_features=False)),
        ("num-bigint@0.4", Dependency("num-bigint", "0.4")),
        (" a @ ^1 + b ", Dependency("a", "^1", ("b",))),
    ],
)
def test_dependencies(spec: str, parsed: Dependency) -> None:
    assert parse_dependency(spec) == parsed


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "'' is not the name of a crate"),
        ("@1", "'' is not the name of a crate"),
        ("1st", "'1st' is not the name of a crate"),
        ("../evil", "'../evil' is not the name of a crate"),
        ("serde@", "no version after '@'"),
        ("serde@1; rm", "'1; rm' is not a version requirement"),
        ('serde@"1"x', "is not a version requirement"),
        ("serde+", "a feature's name is missing"),
        ("serde@1++rc", "a feature's name is missing"),
        ("https://example.org/x", "is not the name of a crate"),
        ("serde=1", "'serde=1' is not the name of a crate"),
        ("a\nb", "is not the name of a crate"),
    ],
)
def test_bad_dependencies(spec: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse("fn f() {}", dependencies=(spec,))
    assert said in caught.value.message
    assert "front matter" in caught.value.advice


def test_canonical_tells_options_apart() -> None:
    different = [
        Options(),
        Options(module="a"),
        Options(dependencies=("a",)),
        Options(dependencies=("a", "b")),
        Options(debug=True),
        Options(native=True),
        Options(features=("a",)),
        Options(edition="2021"),
        Options(pyo3="0.28"),
    ]
    assert len({options.canonical() for options in different}) == len(different)
    assert Options(module="a").canonical() == Options(module="a").canonical()
