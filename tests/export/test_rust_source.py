from __future__ import annotations

from typing import Any

import pytest

from pyo3magic.cell import Options, parse_cell
from pyo3magic.cell.syntax import analyse
from pyo3magic.errors import OptionError
from pyo3magic.export.project_manifest import relabelled_lock
from pyo3magic.export.rust_source import crate_root, module_item, submodule_file
from pyo3magic.export.rust_syntax import Member, bodiless, exception_bases, sample_calls

LOCK = '[[package]]\nname = "pyo3"\nversion = "0.30.1"\n'


def member(source: str, module: str = "shapes", lock: str = LOCK) -> Member:
    cell = parse_cell(Options(module=module), source)
    return Member(module, cell, analyse(cell.source), lock)


def root(source: str, module: str = "shapes") -> str:
    return crate_root(member(source, module), (), module, package=module)


def test_a_cell_without_pyo3_becomes_what_one_would_write() -> None:
    assert root("//! Shapes.\n\n/// Area of a square.\npub fn area(side: f64) -> f64 {\n    side * side\n}\n") == (
        "//! Shapes.\n"
        "\n"
        "use pyo3::prelude::*;\n"
        "\n"
        "/// Area of a square.\n"
        "#[pyfunction]\n"
        "pub fn area(side: f64) -> f64 {\n"
        "    side * side\n"
        "}\n"
        "\n"
        "/// Shapes.\n"
        "#[pymodule]\n"
        "pub mod shapes {\n"
        "    #[pymodule_export]\n"
        "    use super::area;\n"
        "}\n"
    )


def test_front_matter_and_shebang_are_gone() -> None:
    assert root('#!/usr/bin/env cargo\n---\n[dependencies]\nlibc = "*"\n---\npub fn f() {}\n').startswith(
        "use pyo3::prelude::*;\n\n#[pyfunction]\npub fn f() {}\n"
    )


def test_two_functions_on_one_line() -> None:
    text = root("pub fn a() {} pub fn b() {}\n")
    assert "#[pyfunction]\npub fn a() {} #[pyfunction] pub fn b() {}\n" in text
    assert "use super::{a, b};" in text


def test_conditions_stay_with_their_items() -> None:
    text = root("#[cfg(unix)]\n#[pyfunction]\nfn only() {}\n#[pyfunction]\nfn both() {}\n")
    assert "    #[cfg(unix)]\n    #[pymodule_export]\n    use super::only;\n" in text


def test_constants() -> None:
    text = root(
        '#[pymodule_export]\nconst SIDES: usize = 4;\n#[pymodule_export] #[pyo3(name = "n")] const NAME: &str = "x";\n'
    )
    assert "\nconst SIDES: usize = 4;\n" in text
    assert "    #[pymodule_export]\n    const SIDES: usize = super::SIDES;\n" in text
    assert '    #[pyo3(name = "n")]\n    const NAME: &str = super::NAME;\n' in text


def test_constants_of_types_that_need_an_import() -> None:
    text = root("use std::time::Duration;\n#[pymodule_export]\nconst WAIT: Duration = Duration::ZERO;\n")
    assert 'module.add("WAIT", super::WAIT)?;' in text


@pytest.mark.parametrize(
    "source", ["mod shapes { pub fn x() {} }\n#[pyfunction]\nfn f() {}\n", "use std as shapes;\npub fn f() {}\n"]
)
def test_a_module_whose_name_the_cell_uses_itself(source: Any) -> None:
    text = root(source)
    assert '#[pymodule]\n#[pyo3(name = "shapes")]\npub mod shapes_module {' in text
    assert module_item(member(source), text) == "shapes_module"


def test_a_name_in_comments_and_exceptions_is_free() -> None:
    text = root("// shapes\npyo3::create_exception!(shapes, Bad, pyo3::exceptions::PyValueError);\npub fn f() {}\n")
    assert "\n#[pymodule]\npub mod shapes {\n" in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("#[pyclass]\nstruct A;", '#[pyclass(module = "whole.shapes")]\nstruct A;'),
        ("#[pyclass()]\nenum A { B }", '#[pyclass(module = "whole.shapes")]\nenum A { B }'),
        ("#[pyo3::pyclass(frozen)]\n/// A.\nstruct A;", '#[pyo3::pyclass(module = "whole.shapes", frozen)]\n/// A.\nstruct A;'),
        ('#[pyclass]\n#[pyo3(module = "mine")]\nstruct A;', '#[pyclass]\n#[pyo3(module = "mine")]\nstruct A;'),
        ('#[pyclass(module = "mine")]\nstruct A;', '#[pyclass(module = "mine")]\nstruct A;'),
        ("#[derive(Clone)]\n#[pyclass]\nstruct A;\nstruct B;", '#[derive(Clone)]\n#[pyclass(module = "whole.shapes")]\nstruct A;\nstruct B;'),
        ("create_exception!(m, Bad, PyValueError);", "create_exception!(whole.shapes, Bad, PyValueError);"),
        ('pyo3::create_exception!(a.b /* c */, Bad, PyValueError, "text");', 'pyo3::create_exception!(whole.shapes /* c */, Bad, PyValueError, "text");'),
    ],
)  # fmt: skip
def test_classes_and_exceptions_say_where_they_are(written: Any, expected: Any) -> None:
    assert f"\n{expected}\n" in submodule_file(member(f"fn x() {{}}\n{written}\n"), [], package="whole")


def test_an_exception_of_a_module_that_is_a_rust_keyword() -> None:
    written = "create_exception!(m, Bad, PyValueError);\n#[pyclass]\nstruct A;\n"
    text = submodule_file(member(written, "mod"), [], package="whole")
    assert 'create_exception!(m, Bad, PyValueError);\n#[pyclass(module = "whole.mod")]' in text


def test_a_cell_with_its_own_module_says_itself_where_its_classes_are() -> None:
    own = "#[pyclass]\nstruct A;\n#[pymodule]\nmod shapes {}\n"
    assert "#[pyclass]\nstruct A;\n" in root(own)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("fn f() -> i64 { 1 + 2 }", "fn f() -> i64 { ::core::panic!() }"),
        ("impl A { fn f(&self) { g() } }", "impl A { fn f(&self) { ::core::panic!() } }"),
        ("const fn f() -> i64 { 1 }", "const fn f() -> i64 { 1 }"),
        ("fn f() -> impl Copy { 1 }", "fn f() -> impl Copy { 1 }"),
        ("fn f() -> Vec<Box<impl Copy>> { vec![] }", "fn f() -> Vec<Box<impl Copy>> { vec![] }"),
        ("fn f() { impl B for A {} }", "fn f() { impl B for A {} }"),
        ("trait T { fn f(); }", "trait T { fn f(); }"),
        ("macro_rules! m { () => { fn f() { 1 } } }", "macro_rules! m { () => { fn f() { 1 } } }"),
        ("mod m { async fn f() { g().await } }", "mod m { async fn f() { ::core::panic!() } }"),
    ],
)
def test_bodies_that_decide_no_type_are_left_out(source: Any, expected: Any) -> None:
    assert bodiless(source) == expected


def test_a_module_that_is_a_rust_keyword() -> None:
    assert '#[pyo3(name = "mod")]' in root("pub fn f() {}\n", "mod")


def test_a_cell_with_its_own_module_stays_as_it_is() -> None:
    source = "use pyo3::prelude::*;\n\n#[pymodule]\nmod shapes {\n    #[pymodule_export]\n    const A: i64 = 1;\n}\n"
    assert root(source) == source.replace("\nmod shapes", "\npub mod shapes")


def test_several_cells() -> None:
    first, second = (
        member("pub fn f() {}\n", "first"),
        member("use first::f;\npub fn g() { crate::h(); f() }\nfn h() {}\n", "second"),
    )
    text = crate_root(None, (first, second), "whole", package="whole")
    assert "pub mod first;\npub mod second;\n" in text
    assert "use crate::second::python_module as second;" in text
    assert 'for name in ["first", "second"]' in text
    file = submodule_file(second, ["first"], package="whole")
    assert file.startswith("use pyo3::prelude::*;\nuse crate::first;\nuse first::f;\n")
    assert "crate::second::h();" in file
    assert '#[pymodule(submodule)]\n#[pyo3(name = "second")]\npub mod python_module {' in file


def test_attributes_of_the_whole_crate_move_to_its_root() -> None:
    cell = member('#![recursion_limit = "256"]\n#![allow(dead_code)]\npub fn f() {}\n', "first")
    assert '#![recursion_limit = "256"]\n' in crate_root(None, (cell,), "whole", package="whole")
    assert submodule_file(cell, [], package="whole").startswith("#![allow(dead_code)]\n")


def test_a_module_of_its_own_cannot_take_submodules() -> None:
    own = member("#[pymodule]\nmod shapes {}\n")
    with pytest.raises(OptionError, match="another name"):
        crate_root(own, (member("pub fn f() {}\n", "first"),), "shapes", package="shapes")


def test_an_old_pyo3() -> None:
    with pytest.raises(OptionError, match=r"0\.22"):
        crate_root(member("pub fn f() {}\n", lock=LOCK.replace("0.30.1", "0.22.6")), (), "shapes", package="shapes")


def test_sample_calls_and_exceptions() -> None:
    source = (
        "use pyo3::exceptions::PyValueError;\npyo3::create_exception!(m, Bad, PyValueError);\n"
        '#[pyfunction]\n#[pyo3(name = "g")]\nfn f(py: Python<\'_>, a: f64, b: &str) {}\n#[pyfunction]\nfn h(a: Thing) {}\n'
    )
    assert sample_calls(member(source)) == {"g": ("1.5", '"some text"')}
    assert exception_bases(member(source)) == {"Bad": "ValueError"}


def test_a_lock_file_gets_another_root() -> None:
    lock = (
        "version = 4\n\n"
        '[[package]]\nname = "cell"\nversion = "0.0.0"\ndependencies = [\n "pyo3",\n "pyo3magic-support",\n]\n\n'
        '[[package]]\nname = "pyo3"\nversion = "0.9.1"\nsource = "r"\n\n'
        '[[package]]\nname = "pyo3"\nversion = "0.30.1"\nsource = "r"\n\n'
        '[[package]]\nname = "pyo3magic-support"\nversion = "0.0.0"\n'
    )
    assert relabelled_lock(lock, root="cell", name="zz", version="1.0.0") == (
        "version = 4\n\n"
        '[[package]]\nname = "pyo3"\nversion = "0.9.1"\nsource = "r"\n\n'
        '[[package]]\nname = "pyo3"\nversion = "0.30.1"\nsource = "r"\n\n'
        '[[package]]\nname = "zz"\nversion = "1.0.0"\ndependencies = [\n "pyo3",\n]\n'
    )
