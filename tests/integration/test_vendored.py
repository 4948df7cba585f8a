"""Where Rust dylibs do not work, used cells are compiled from source into the module that uses them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kernel import Kernel

pytestmark = pytest.mark.cargo

BASE = """
pub const N: i64 = 4;
#[macro_export] macro_rules! twice { ($e:expr) => { $crate::dbl($e) } }
#[pyfunction] pub fn dbl(x: i64) -> i64 { crate::inner::two() * x }
mod inner { pub fn two() -> i64 { 2 } }
pub trait Named { fn name(&self) -> String; }
#[pyclass(from_py_object)] #[derive(Clone)] pub struct P { #[pyo3(get)] pub x: i64 }
impl Named for P { fn name(&self) -> String { format!("P{}", self.x) } }
#[pyfunction] pub fn fall() {
    panic!("fell")
}
"""
MIDDLE = "use base::P;\n#[pyfunction] pub fn make(x: i64) -> P { P { x: base::twice!(x) } }"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, kernel_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel that links from source, with a chain of two cells."""
    from .kernel import Kernel

    kernel = Kernel(tmp_path_factory.mktemp("source"), {**kernel_environment, "PYO3MAGIC_LINKING": "source"})
    kernel.rust(BASE, "-m base")
    kernel.rust(MIDDLE, "-m middle")
    yield kernel
    kernel.close()


def test_everything_crosses_but_the_identity_of_types(source: Kernel) -> None:
    source.rust(
        "use base::{Named, P};\n#[pyfunction] fn top(x: i64) -> P { middle::make(x + base::N) }\n"
        "#[pyfunction] fn called(p: &P) -> String { p.name() }"
    )
    assert source.value("top(1).x, called(top(1)), base.dbl(4)") == (10, "P10", 8)
    assert source.value("type(top(1)) is base.P, type(top(1)).__name__") == (False, "P")
    assert source.run("called(middle.make(1))", expect="error").ename == "TypeError"


def test_dependencies_of_either_cell_and_features(source: Kernel) -> None:
    front = '---\n[dependencies]\nhex = "0.4"\n[features]\nextra = []\n---\n'
    source.rust(
        front + 'pub fn text() -> String { if cfg!(feature = "extra") { hex::encode([255]) } else { String::new() } }',
        "-m coded --features extra",
    )
    source.rust("#[pyfunction] fn texts() -> String { coded::text() + &hex::encode([1]) }", "-d hex")
    assert source.value("texts()") == "ff01"
    source.rust("#[pyfunction] fn formatted() -> String { coded::text() + itoa::Buffer::new().format(7) }", "-d itoa")
    assert source.value("formatted()") == "ff7"


def test_edits(source: Kernel) -> None:
    for n in (1, 2):
        source.rust(f"pub fn n() -> i64 {{ {n} }}", "-m edited_source")
        source.rust("#[pyfunction] fn seen() -> i64 { edited_source::n() }")
        assert source.value("seen()") == n
    source.rust("#[pyfunction] fn seen() -> i64 { edited_source::n() + 10 }")
    assert source.value("seen()") == 12


def test_a_panic_names_the_cell_and_line(source: Kernel) -> None:
    source.rust("#[pyfunction] fn trip() { base::fall() }")
    shown = source.run("trip()", expect="error").text
    *_, label = (line for line in shown.splitlines() if "panicked in In[" in line)
    assert label.endswith("line 10, column 5.")


def test_two_versions_of_a_cell_in_one_module(source: Kernel) -> None:
    source.rust("pub fn n() -> i64 { 1 }", "-m doubled")
    source.rust("pub fn n() -> i64 { doubled::n() }", "-m first_user")
    source.rust("pub fn n() -> i64 { 2 }", "-m doubled")
    cell = "#[pyfunction] fn sum() -> i64 { first_user::n() + doubled::n() }"
    shown = source.rust(cell, expect="error")
    assert shown.ename == "DependencyError"
    assert "Run first_user again" in shown.evalue
    source.rust("pub fn n() -> i64 { doubled::n() }", "-m first_user")
    source.rust(cell)
    assert source.value("sum()") == 4


def test_requirements_that_cannot_be_unified(source: Kernel) -> None:
    source.rust("pub fn one() -> i64 { 1 }", "-m old_pyo3 --pyo3 0.28")
    shown = source.rust("#[pyfunction] fn mixed() -> i64 { old_pyo3::one() }", "--pyo3 0.30", expect="error")
    assert shown.ename == "DependencyError"
    assert "pyo3" in shown.evalue


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
def test_the_modules_are_ordinary_ones_and_their_packages_stand_alone(source: Kernel, tmp_path: Path) -> None:
    source.rust("#[pyfunction] fn whole() -> i64 { middle::make(1).x }")
    file = source.value("__import__('sys').modules[whole.__module__].__file__")
    told = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
    assert "runtimes" not in told
    assert "libstd-" not in told
    crate = Path(file).parent / "crate"
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--manifest-path"]
    done = subprocess.run(
        [*command, str(crate / "Cargo.toml")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
