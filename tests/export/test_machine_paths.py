"""The same cells give the same files from another home, CARGO_HOME and store, and no file names one of these."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.cargo_config import cargo_home, home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

GEOMETRY = """
#[pyclass]
pub struct Point { pub x: f64 }
#[pyfunction]
pub fn third(values: Vec<u8>) -> u8 {
    values[3]
}
#[pyfunction]
fn borrowed(point: Bound<'_, Point>) {
    let _one = point.borrow_mut();
    let _other = point.borrow_mut();
}
#[pymethods]
impl Point { #[new] fn new() -> Self { Point { x: 0.0 } } }
"""
MEASURES = "use geometry::Point;\n#[pyfunction] fn middle(point: PyRef<Point>) -> f64 { point.x / 2.0 }"
EXPORT = """
import json, os, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

cells = json.loads(sys.argv[1])
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "pyo3magic")
for line, body in cells:
    shell.run_cell_magic("rust", line, body)
try:
    shell.user_ns["third"](b"")
except BaseException as error:
    told = getattr(error, "__notes__", [str(error)])
made = [
    shell.run_line_magic("pyo3_wheel", "geometry --platform linux --no-stubs -o dist"),
    shell.run_line_magic("pyo3_wheel", "geometry measures --name shapes --platform linux --no-stubs -o dist"),
    shell.run_line_magic("pyo3_sdist", "geometry --no-stubs -o dist"),
]
assert all(isinstance(path, Path) for path in made)
print(json.dumps(told))
"""


def exported(work: Path, environment: dict[str, str], **variables: str) -> tuple[dict[str, bytes], str]:
    """Wheels and a source distribution of the cells, made in the folder ``work``, and what a panic says there."""
    work.mkdir(parents=True)
    cells = [("-m geometry", GEOMETRY), ("-m measures", MEASURES)]
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, json.dumps(cells)],
        cwd=work,
        env={**environment, "PYO3MAGIC_WARM_UP": "0", "IPYTHONDIR": str(work / "ipython"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = {path.name: path.read_bytes() for path in (work / "dist").iterdir()}
    return files, done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path) -> Any:
    """The folder of the other machine, and what is exported here and there, where everything is compiled anew."""
    base = tmp_path_factory.mktemp("machine")
    other, cargo = base / "home of another", base / "cargo"
    for folder in (other, cargo):
        folder.mkdir()
    (cargo / "registry").symlink_to(cargo_home(os.environ) / "registry")
    here = exported(base / "here", environment, PYO3MAGIC_STORE=str(store))
    there = exported(
        base / "there" / "deeper",
        environment,
        HOME=str(other),
        CARGO_HOME=str(cargo),
        RUSTUP_HOME=_rustup(),
        PYO3MAGIC_STORE=str(base / "store"),
        PYO3MAGIC_OFFLINE="1",
        USER="another",
    )
    return (base, store), [here, there]


def _rustup() -> str:
    return os.environ.get("RUSTUP_HOME", str(home(os.environ) / ".rustup"))


def test_the_same_cells_give_the_same_bytes_on_another_machine(two: Any) -> None:
    _, [(one, _), (other, _)] = two
    assert len(one) == 3
    assert one == other


def test_no_file_has_a_path_of_this_machine(two: Any, tmp_path: Path) -> None:
    folders, [(files, _), _] = two
    folders = [*folders, *(folder.resolve() for folder in folders), home(os.environ), cargo_home(os.environ)]
    paths = [*map(str, folders), _rustup(), sys.prefix]
    registries = [path.name for path in (cargo_home(os.environ) / "registry" / "src").iterdir()]
    found = 0
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        opened: Any = zipfile.ZipFile if name.endswith(".whl") else tarfile.open
        with opened(tmp_path / name) as archive:
            archive.extractall(tmp_path / "unpacked" / name)
    for path in (path for path in (tmp_path / "unpacked").rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [text for text in (*paths, *registries) if text.encode() in content], path
        found += path.suffix == ".so" and b"pyo3-0." in content
    assert found == 2, "the modules have the places of PyO3's own panics"


def test_panics_name_the_file_of_the_package_or_the_cell(two: Any, tmp_path: Path, say: Callable[..., str]) -> None:
    _, [(files, told), _] = two
    assert "panicked in In[" in told
    assert ", line 7, column 11." in told
    for name in (name for name in files if name.endswith(".whl")):
        (tmp_path / name).write_bytes(files[name])
        with zipfile.ZipFile(tmp_path / name) as archive:
            archive.extractall(tmp_path / "site")
    code = "import sys, {0} as it\ntry: it.{1}\nexcept BaseException: pass"
    for module, call, place in (
        ("geometry", "third(b'')", "geometry/src/lib.rs:"),
        ("shapes", "geometry.third(b'')", "shapes/src/geometry.rs:"),
        ("geometry", "borrowed(it.Point())", "geometry/src/lib.rs:"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module, call)],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "RUST_BACKTRACE": "0"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert f"panicked at {place}" in done.stderr
