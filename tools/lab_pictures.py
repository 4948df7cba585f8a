"""Pictures of notebooks in a real JupyterLab, whose kernel runs the cells."""

# ruff: noqa: INP001 - next to a script
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

_ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(_ROOT))

from tests.ui.lab import Lab, cell, chromium, open_notebook, run  # noqa: E402 - the checkout's tests are no package

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["Picture", "take"]

# Only the cells: no buttons that come with the active cell, no rulers for the selection.
_STYLE = ".jp-cell-toolbar, .jp-Collapser { display: none !important } .jp-Notebook { padding: 8px !important }"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to take.

    Attributes:
        file: where to write it.
        notebook: the name of the notebook in ``notebooks/``.
        theme: ``Light`` or ``Dark``.
        texts: for each cell in the picture, a text that only this cell contains.
    """

    file: Path
    notebook: str
    theme: str
    texts: tuple[str, ...]


def take(pictures: list[Picture]) -> None:
    """Run the notebooks' cells in JupyterLab as far as needed, and take the pictures."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYO3MAGIC_WARM_UP": "0"}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        lab = Lab(Path(folder, "lab"), _ROOT / "ui" / "labextension", environment, {})
        try:
            for number, picture in enumerate(pictures):
                context = browser.new_context(viewport={"width": 960, "height": 2400}, device_scale_factor=1.5)
                _take(context.new_page(), lab, picture, f"picture{number}.ipynb")
                context.close()
        finally:
            lab.close()


def _take(page: Page, lab: Lab, picture: Picture, name: str) -> None:
    notebook = nbformat.read(_ROOT / "notebooks" / f"{picture.notebook}.ipynb", as_version=4)
    sources = [found.source for found in notebook.cells if found.cell_type == "code"]
    shown = [next(i for i, text in enumerate(sources) if wanted in f"{text}\n") for wanted in picture.texts]
    used = [sources[0], *(sources[i] for i in shown)]
    lab.notebook(name, *used)
    open_notebook(page, lab, name)
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {picture.theme}"
    )
    page.add_style_tag(content=_STYLE)
    for index in range(len(used)):
        run(page, index)
    page.evaluate(
        """() => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.model.sharedModel.deleteCell(0);
            content.activeCellIndex = content.widgets.length - 1;
            document.activeElement.blur();
        }"""
    )
    page.wait_for_timeout(1500)
    first, last = cell(page, 0).bounding_box(), cell(page, len(shown) - 1).bounding_box()
    if first is None or last is None:
        raise RuntimeError(f"The cells of {picture.file.name} do not show.")
    height = last["y"] + last["height"] - first["y"]
    clip = {"x": first["x"], "y": first["y"] - 4, "width": first["width"], "height": height + 8}
    page.screenshot(path=picture.file, clip=clip)  # type: ignore[arg-type]  # playwright's TypedDict is private
