"""Cells built once for the tests of exports, and environments of every Python there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.compile.pipeline import make_artifact
from pyo3magic.environment.context import Context, gather
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.source_tree import BuiltCell, Package, assemble_package
from pyo3magic.store import Artifact, Store
from tests.kept import copied_environment

GEOMETRY = """//! Geometry in the plane.
//!
//! Points, and what can be done with them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pyo3::create_exception!(geometry, GeometryError, PyValueError, "No such thing in the plane.");

/// A point of the plane.
#[pyclass]
pub struct Point {
    #[pyo3(get, set)]
    pub x: f64,
    pub y: f64,
}

#[pymethods]
impl Point {
    #[new]
    #[pyo3(signature = (x, y = 0.0))]
    fn new(x: f64, y: f64) -> Self {
        Point { x, y }
    }

    /// Its distance from the origin.
    fn length(&self) -> f64 {
        self.x.hypot(self.y)
    }

    fn __repr__(&self) -> String {
        format!("Point({}, {})", self.x, self.y)
    }
}

/// The same point, on the other side of the origin.
#[pyfunction]
pub fn mirrored(point: PyRef<Point>) -> PyResult<Point> {
    if point.x.is_nan() {
        return Err(GeometryError::new_err("not a number"));
    }
    Ok(Point { x: -point.x, y: -point.y })
}

#[pyfunction]
fn double(x: f64) -> f64 {
    crate::twice(x)
}

fn twice(x: f64) -> f64 {
    2.0 * x
}

#[pymodule_export]
const DIMENSIONS: usize = 2;

#[cfg(test)]
mod tests {
    #[test]
    fn doubles() {
        assert_eq!(super::twice(2.0), 4.0);
    }
}
"""

MEASURES = """//! Measures of points.

use geometry::Point;

/// The point in the middle of two.
#[pyfunction]
fn middle(first: PyRef<Point>, second: PyRef<Point>) -> Point {
    Point { x: (first.x + second.x) / 2.0, y: (first.y + second.y) / 2.0 }
}
"""

PLAIN = "/// Twice as much.\npub fn double(x: f64) -> f64 { 2.0 * x }\n"

METADATA = MetadataOptions(
    version="1.2",
    summary="Points of the plane",
    authors=("Ada Lovelace <ada@example.org>",),
    license="MIT",
    classifiers=("Development Status :: 4 - Beta",),
)

Builder = Callable[..., BuiltCell]
Exporter = Callable[..., Package]


@pytest.fixture(scope="session")
def context(store: Path) -> Context:
    return gather(Store(store))


@pytest.fixture(scope="session")
def built(context: Context) -> Builder:
    """Builds a cell as the session does."""
    artifacts: dict[str, Artifact] = {}

    def build(source: str, module: str, **options: Any) -> BuiltCell:
        chosen = Options(module=module, **options)
        artifact = make_artifact(context, chosen, source, key=context.key(chosen, source), cells=dict(artifacts))
        artifacts[module] = artifact
        return BuiltCell.of(module, chosen, source, artifact.crate)

    return build


@pytest.fixture(scope="session")
def cells(built: Builder) -> dict[str, BuiltCell]:
    return {
        "geometry": built(GEOMETRY, "geometry"),
        "measures": built(MEASURES, "measures"),
        "plain": built(PLAIN, "plain"),
    }


@pytest.fixture(scope="session")
def export(context: Context, cells: dict[str, BuiltCell]) -> Exporter:
    def make(*names: str, options: MetadataOptions = METADATA, abi3: tuple[int, int] | None = None) -> Package:
        return assemble_package(
            context, tuple(cells[name] for name in names), options=options, available=cells, abi3=abi3
        )

    return make


def pythons() -> dict[tuple[int, int], str]:
    """Every CPython from 3.9 on that is installed here: pyenv's, those on PATH, and this one."""
    found = {sys.version_info[:2]: sys.executable}
    root = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    for minor in range(9, 16):
        installed = sorted(str(path) for path in Path(root).glob(f"versions/3.{minor}.*/bin/python"))
        on_path = shutil.which(f"python3.{minor}")
        for path in (*installed, *([on_path] if on_path and "shims" not in on_path else [])):
            found.setdefault((3, minor), path)
    return found


@pytest.fixture(scope="session")
def environment_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a fresh environment of a Python, in place of the one before; gives its python.

    All are at one path, because cargo compiles pyo3 again when the path of the Python that it is built for changes.
    """
    base = tmp_path_factory.mktemp("environments")

    def make(version: tuple[int, int] = sys.version_info[:2]) -> Path:
        folder = base / f"env{version[0]}{version[1]}"
        shutil.rmtree(folder, ignore_errors=True)
        return copied_environment(pythons()[version], folder)

    return make


@pytest.fixture(scope="session")
def outside() -> dict[str, str]:
    """The environment of processes that must not see this checkout."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


@pytest.fixture(scope="session")
def say(outside: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a program outside this checkout; gives what it printed, and fails with it."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*command: object, cwd: Path = elsewhere, **variables: str) -> str:
        texts = [str(part) for part in command]
        done = subprocess.run(texts, cwd=cwd, env={**outside, **variables}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(texts)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def listed(folder: Path) -> list[str]:
    """Names of what is in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())
