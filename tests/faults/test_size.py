"""Large cells: the cost before cargo starts grows with the text, and not with its square."""

from __future__ import annotations

import time

import pytest

from pyo3magic.cell import Options
from pyo3magic.cell.syntax import tree
from pyo3magic.compile.prepare import parse_source
from pyo3magic.crate.library_source import export_places, library_source
from pyo3magic.errors import CellError

LARGE = {
    "functions": lambda n: "\n".join(f"pub fn f{i}(x: u64) -> u64 {{ x + {i} }}" for i in range(n)),
    "attributes": lambda n: "\n".join(f"#[pyfunction]\nfn f{i}(x: u64) -> u64 {{ x + {i} }}" for i in range(n)),
    "classes": lambda n: "\n".join(
        f"#[pyclass]\nstruct C{i};\n#[pymethods]\nimpl C{i} {{ fn m(&self) {{}} }}" for i in range(n)
    ),
    "methods": lambda n: (
        "#[pyclass]\nstruct C;\n#[pymethods]\nimpl C {\n" + "\n".join(f"fn m{i}(&self) {{}}" for i in range(n)) + "\n}"
    ),
    "structs": lambda n: "\n".join(f"struct S{i};" for i in range(n)) + "\npub fn f() {}",
    "imports": lambda n: "\n".join(f"use std::fmt as f{i};" for i in range(n)) + "\npub fn f() {}",
    "modules": lambda n: "\n".join(f"mod m{i} {{ pub fn f() {{ super::g() }} }}" for i in range(n)) + "\npub fn g() {}",
    "documentation": lambda n: "//! A line.\n" * n + "/// Another.\n" * n + "pub fn f() {}",
    "one line": lambda n: "pub fn f() { " + "let x = 1; " * n + "}",
    "blocks": lambda n: "pub fn f() { " + "if true { " * n + "}" * n + "}",
    "quotes": lambda n: "pub fn f() {}\n" + '"' * n,
    "slashes": lambda n: "pub fn f() {}\n" + "/" * n,
    "brackets": lambda n: "pub fn f() {}\n" + "#[" * n,
    "braces": lambda n: "pub fn f() {}\n" + "{" * n,
    "angles": lambda n: "pub fn f() {}\n" + "<" * n,
}


def seconds(text: str) -> float:
    """CPU time from a text to the source of the crate."""
    tree.parse.cache_clear()
    started = time.process_time()
    cell, syntax = parse_source(Options(), text)
    library_source(cell.source, syntax, module="m")
    export_places(cell.source, syntax)
    return time.process_time() - started


@pytest.mark.parametrize("kind", LARGE)
def test_cost_grows_with_the_text(kind: str) -> None:
    small = min(seconds(LARGE[kind](400)) for _ in range(3))
    # The square would be 64 times as much. What else the machine does may disturb an attempt, but not each of them.
    assert any(seconds(LARGE[kind](3200)) < 30 * max(small, 0.002) for _ in range(3))


def test_places_in_a_large_cell() -> None:
    text = LARGE["attributes"](5000)
    cell, syntax = parse_source(Options(), text)
    place = export_places(cell.source, syntax)["f4321"]
    assert text.split("\n")[place.line - 2] == place.text
    assert place.text[place.column - 1 :].startswith("f4321(")
    made = library_source(LARGE["functions"](3000), parse_source(Options(), LARGE["functions"](3000))[1], module="m")
    assert made.count("#[::pyo3::pyfunction]") == 3000
    assert made.split("\n")[2999].startswith("pub fn f2998")


def test_text_that_cannot_be_read_as_rust_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_SECONDS", 0.2)
    with pytest.raises(
        CellError, match=r"Reading the cell as Rust was given up at line 2, after 0\.2 s: most of the text before"
    ) as caught:
        parse_source(Options(), '"' * 2_000_000)
    assert "include_str!" in caught.value.advice
    parse_source(Options(), "pub fn f() {}")
