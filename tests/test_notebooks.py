# mypy: disallow-untyped-calls=False
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = Path(__file__).parents[1] / "notebooks"
_NOTEBOOKS = sorted(_FOLDER.glob("*.ipynb"))
_FAILS = "raises-exception"
_SECONDS = 900  # the gallery compiles polars, and other tests run beside it

# What the cells of errors.ipynb that are meant to fail raise, in their order.
_ERRORS = [
    *["CompileError"] * 3,
    "PanicException",
    "ValueError",
    "ZeroDivisionError",
    "TypeError",
    "DependencyError",
    "ManifestError",
    "OptionError",
    *["KeyboardInterrupt"] * 2,
]


def read(path: Path) -> Any:
    import nbformat  # takes seconds

    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> Iterator[Any]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def failures(cell: Any) -> list[Any]:
    return [output for output in cell.outputs if output.output_type == "error"]


def texts(notebook: Any) -> str:
    """Everything that a notebook's cells printed and displayed."""
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.fixture
def kernel_environment(environment: dict[str, str], store: Path) -> dict[str, str]:
    return {**environment, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}


def execute(path: Path, folder: Path, environment: dict[str, str]) -> Any:
    from nbclient import NotebookClient

    notebook = read(path)
    metadata = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=_SECONDS, kernel_name="python3", resources=metadata)
    client.execute(env=environment)
    return notebook


def test_there_are_notebooks() -> None:
    assert {"quickstart", "numpy_rayon", "errors"} <= {path.stem for path in _NOTEBOOKS}


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.cargo
@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path, kernel_environment: dict[str, str]) -> None:
    import nbformat

    notebook = execute(path, tmp_path, kernel_environment)
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert cell.execution_count, cell.source
        # A cell without the tag that fails ends the execution.
        assert bool(failures(cell)) == (_FAILS in cell.metadata.get("tags", ())), cell.source
    if path.stem == "errors":
        assert [failures(cell)[0].ename for cell in code_cells(notebook) if failures(cell)] == _ERRORS
        assert "In[2]:4:21" in texts(notebook)
    if path.stem == "quickstart":
        assert "(111, (837799, 524))" in texts(notebook)
        assert "Good morning, Ferris!" in texts(notebook)
