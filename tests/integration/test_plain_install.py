"""What the README and the documents show, after ``pip install pyo3magic`` in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomlkit

from tests.kept import copied_environment

from .kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.cargo, pytest.mark.kernel, pytest.mark.slow]

_ROOT = Path(__file__).parents[2]

CELL = """/// A point of the plane.
#[pyclass]
pub struct Point { x: f64 }

#[pymethods]
impl Point {
    #[new]
    fn new(x: f64) -> Self { Point { x } }
    fn twice(&self) -> f64 { 2.0 * self.x }
}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with pyo3magic's wheel and what its metadata names, and nothing more."""
    project = tomlkit.parse((_ROOT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    folder = tmp_path_factory.mktemp("plain")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    try:
        inside = str(copied_environment(sys.executable, folder / "environment", *project["dependencies"]))
        subprocess.run([*pip, "--wheel-dir", str(folder), str(_ROOT)], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"packages could not be had: {error.stderr.strip().splitlines()[-1][:200]}")
    wheel = next(folder.glob("pyo3magic-*.whl"))
    install = [inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    return inside


@pytest.fixture(scope="module")
def kernel(
    python: str, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path
) -> Iterator[Kernel]:
    """A kernel of that environment, which knows nothing of this checkout."""
    own = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    programs = [
        folder for folder in environment["PATH"].split(os.pathsep) if folder != str(Path(sys.executable).parent)
    ]
    variables = {**own, "PATH": os.pathsep.join(programs), "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
    kernel = Kernel(tmp_path_factory.mktemp("notebook"), variables, python=python)
    yield kernel
    kernel.close()


@pytest.fixture(autouse=True)
def built(kernel: Kernel) -> None:
    """A module for each test."""
    kernel.rust(CELL, "-m plain_install")


def test_it_is_the_installed_package(kernel: Kernel) -> None:
    kernel.run("import pyo3magic")
    assert "site-packages" in kernel.value("pyo3magic.__file__")
    assert kernel.value("Point(21.0).twice()") == 42.0
    assert "pyo3magic" in kernel.run("%pyo3_info").text


@pytest.mark.parametrize(
    ("magic", "made"),
    [
        ("%pyo3_wheel plain_install -o wheels", "plain_install-*-cp3*-manylinux_*.whl"),
        ("%pyo3_wheel plain_install --abi3 3.10 -o abi3", "plain_install-*-cp310-abi3-manylinux_*.whl"),
        ("%pyo3_sdist plain_install -o sdists", "plain_install-*.tar.gz"),
        ("%pyo3_project project plain_install", "pyproject.toml"),
        ("%pyo3_install plain_install", ""),
    ],
)
def test_what_leaves_the_notebook(magic: str, made: str, kernel: Kernel) -> None:
    if "manylinux" in made and not sys.platform.startswith("linux"):
        pytest.skip("manylinux is for Linux")
    shown = kernel.run(magic).text
    assert "needed" not in shown
    if made:
        assert list(kernel.folder.glob(f"*/{made}")), shown
    else:
        program = [kernel.value("__import__('sys').executable"), "-c", "import plain_install as m; m.Point(1.0)"]
        subprocess.run(program, check=True, cwd=kernel.folder.parent)


def test_another_kernel(kernel: Kernel, python: str, environment: dict[str, str]) -> None:
    own = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    there = Kernel(kernel.folder / "there", own, python=python, load=False)
    try:
        kernel.run(f"%pyo3_connect there {there.manager.connection_file}")
        kernel.rust(CELL, "--on there")
        assert there.value("Point(4.0).twice()") == 8.0
    finally:
        there.close()


def test_an_engine_that_is_not_installed_is_named(kernel: Kernel) -> None:
    shown = kernel.run("%%rust --on dask\nfn f() {}", expect="error")
    assert "Traceback" not in shown.text
    assert "Dask" in shown.text
    assert "pip install" in shown.text


def test_installing_rust_needs_only_a_network(kernel: Kernel, tmp_path: Path) -> None:
    nowhere = {
        "XDG_CACHE_HOME": str(tmp_path),
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
    }
    kernel.run(f"import os; before = dict(os.environ); os.environ.update({nowhere!r})")
    try:
        shown = kernel.run("%pyo3_info --install", expect="error")
    finally:
        kernel.run("os.environ.clear(); os.environ.update(before)")
    assert f"Rust could not be installed into {tmp_path / 'puccinialin'}" in shown.text
    assert "Check the network" in shown.text
