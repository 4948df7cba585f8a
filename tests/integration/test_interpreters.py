"""Each Python here that pyo3 supports builds a cell and imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kept import copied_environment

pytestmark = [pytest.mark.cargo, pytest.mark.slow]

_PROGRAM = """
import sys, pyo3magic
built = pyo3magic.build('''
#[cfg(Py_3_12)] #[pyfunction] fn since_3_12() -> bool {{ true }}
#[cfg(not(Py_3_12))] #[pyfunction] fn since_3_12() -> bool {{ false }}
#[pyclass(get_all)] struct P {{ x: i64 }}
#[pymethods] impl P {{ #[new] fn new(x: i64) -> Self {{ P {{ x }} }} }}
''', store={store!r}, module="here")
module = built.load()
assert module.since_3_12() == (sys.version_info >= (3, 12)), sys.version
assert module.P(3).x == 3
print("works on 3.%d" % sys.version_info[1])
"""


def _python(minor: int) -> str | None:
    if minor == sys.version_info[1]:
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob(f"3.{minor}.*/bin/python")) if root.is_dir() else []
    return str(found[-1]) if found else None


@pytest.mark.parametrize("minor", [10, 11, 12, 13, 14])
def test_a_cell(minor: int, store: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    python = _python(minor)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} here")
    if python != sys.executable:
        python = _installed(python, tmp_path / "environment")
    program = _PROGRAM.format(store=str(store))
    done = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"works on 3.{minor}\n"


def _installed(python: str, folder: Path) -> str:
    """A virtual environment with what a build needs; skips when packages cannot be had."""
    needed = "filelock packaging platformdirs tomlkit traitlets tree-sitter tree-sitter-rust typing-extensions"
    try:
        return str(copied_environment(python, folder, *needed.split()))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"packages could not be installed: {str(error.stderr).strip().splitlines()[-1][:200]}")
