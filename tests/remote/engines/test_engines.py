"""Engines are found, and their libraries are left alone until they are needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pyo3magic.remote import engines as package
from pyo3magic.remote.engines import engines


def test_every_module_in_the_folder_is_an_engine() -> None:
    folder = Path(package.__file__).parent
    found = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {engine.__name__.rpartition(".")[2] for engine in engines()} == found - {"__init__"}  # type: ignore[attr-defined]
    assert all(engine.TAKES and engine.workers_of(object()) is None for engine in engines())


def test_no_library_is_imported_to_find_them() -> None:
    code = (
        "import sys, pyo3magic.remote.engines as e; e.engines();"
        "print([name for name in ('distributed', 'dask', 'ipyparallel', 'ray') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
