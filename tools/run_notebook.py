"""Execute a notebook in a real kernel, print what its cells print while they run, and keep it with its HTML.

``python tools/run_notebook.py notebooks/quickstart.ipynb --output demo`` is what ``make demo`` runs.
"""

# ruff: noqa: T201, INP001 - a script; printing is what it is for
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

# What `?` shows goes to a pager that only front ends have; here it becomes an output of the cell.
_PAGER = "from IPython.core import page\nget_ipython().set_hook('show_in_pager', page.as_hook(page.display_page), 90)"
_RUST_CELLS = Config({"HighlightMagicsPreprocessor": {"enabled": True, "languages": {"%%rust": "rust"}}})


def main() -> int:
    """Run the demo; the exit status is 1 when a cell fails that should not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the notebook and its HTML")
    options = parser.parse_args()
    if shutil.which("cargo") is None and not (Path.home() / ".cargo" / "bin" / "cargo").exists():
        print("This needs cargo, which comes with Rust: https://rustup.rs", file=sys.stderr)
        return 1
    options.output.mkdir(exist_ok=True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    notebook = nbformat.read(options.notebook, as_version=4)
    started = time.perf_counter()
    try:
        execute(notebook, options.output, report=lambda cell, seconds: show(cell, seconds, colour=colour))
    except CellExecutionError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    executed = options.output / options.notebook.name
    nbformat.write(notebook, executed)
    page = executed.with_suffix(".html")
    page.write_text(to_html(notebook), encoding="utf-8")
    print(f"\nAll cells ran, in {time.perf_counter() - started:.0f} s. Look at them in {executed} and {page}")
    return 0


def execute(notebook: Any, folder: Path, report: Callable[[Any, float], None] | None = None) -> None:
    """Execute a notebook's cells in a new kernel; ``report`` is told each cell and the seconds it took.

    Raises:
        CellExecutionError: a cell without the tag ``raises-exception`` failed.
    """
    client = NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with (folder / "kernel.log").open("wb") as log, client.setup_kernel(stdout=log, stderr=subprocess.STDOUT):
        assert client.kc is not None  # noqa: S101 - the kernel is running
        client.kc.execute(_PAGER, silent=True, store_history=False)
        for index, cell in enumerate(notebook.cells):
            start = time.perf_counter()
            client.execute_cell(cell, index)
            if report is not None:
                report(cell, time.perf_counter() - start)


def to_html(notebook: Any, *, theme: str = "light", code: bool = True) -> str:
    """The notebook as one HTML page, its Rust cells coloured as Rust."""
    exporter = HTMLExporter(config=_RUST_CELLS, template_name="lab", theme=theme, exclude_input=not code)
    page: str = exporter.from_notebook_node(notebook)[0]
    return page


def show(cell: Any, seconds: float, *, colour: bool) -> None:
    """Print a cell and its outputs."""
    dim, bold, off = ("\x1b[2m", "\x1b[1m", "\x1b[0m") if colour else ("", "", "")
    if cell.cell_type == "markdown":
        for line in cell.source.splitlines():
            if line.startswith("#"):
                print(f"\n{bold}{line.lstrip('# ')}{off}")
        return
    lines = cell.source.splitlines()
    print(f"\n{dim}In [{cell.execution_count}] ({seconds:.2f} s)")
    print("\n".join(f"  | {line}" for line in lines) + off)
    for output in cell.outputs:
        text = output.get("text") or output.get("data", {}).get("text/plain") or "\n".join(output.get("traceback", ()))
        print(text.rstrip("\n") if colour else plain(text).rstrip("\n"), flush=True)


def plain(text: str) -> str:
    """The text without colours."""
    from pyo3magic.diagnostics.ansi import strip

    return strip(text)


if __name__ == "__main__":
    sys.exit(main())
