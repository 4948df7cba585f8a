"""Parts of a cell."""

from __future__ import annotations

import pytest

from pyo3magic.assist.cell_parts import declared_crates, rust_cell, rust_of


def test_the_parts_of_a_cell() -> None:
    text = "%%rust -m x -d 'serde@1' --dep=rayon\n---\n[dependencies]\nnum-traits = \"1\"\n[dependencies.numpy]\nversion = '1'\n---\nfn f() {}\n"
    parts = rust_cell(text)
    assert parts is not None
    assert text[: parts.line_end].endswith("--dep=rayon")
    assert parts.toml.strip().startswith("[dependencies]")
    assert parts.rust == "fn f() {}\n"
    assert declared_crates(parts) == ("serde", "rayon", "num_traits", "numpy")


def test_front_matter_that_is_still_open() -> None:
    parts = rust_cell("%%rust\n---\n[dependencies]\nse")
    assert parts is not None
    assert parts.toml == "\n[dependencies]\nse"
    assert parts.rust == ""


@pytest.mark.parametrize("text", ["%%rust\nfn f() {}", "\ufeff%%rust -q\nfn f() {}", "%%rust_fmt\n%%rust\nfn f() {}"])
def test_rust_without_front_matter(text: str) -> None:
    parts = rust_cell(text)
    assert parts is not None
    assert (parts.rust, parts.toml) == ("fn f() {}", "")


@pytest.mark.parametrize("text", ["", "x = 1", "%%rusty\nx", "%%rust?", "%rust -m x", "'%%rust'\n", "x\n%%rust\n"])
def test_other_cells(text: str) -> None:
    assert rust_cell(text) is None


def test_the_rust_of_a_cell_keeps_its_lines() -> None:
    body = "---\n[package]\n---\nfn f() {}\n"
    assert rust_of(body).splitlines().index("fn f() {}") == body.splitlines().index("fn f() {}")
    assert rust_of("fn f() {}") == "fn f() {}"
