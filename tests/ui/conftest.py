"""One server and one page for all browser tests of a module."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .lab import CHROMIUM, Lab, chromium, is_ci, kernel_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

_ROOT = Path(__file__).parents[2]
_SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"autoClosingBrackets": True, "codeFolding": True}},
    "@jupyterlab/console-extension:tracker": {"promptCellConfig": {"autoClosingBrackets": True}},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], store: Path) -> Iterator[Lab]:
    """A server whose kernels use the warm store; PYO3MAGIC_TEST_LAB is the Python of another JupyterLab."""
    missing = [name for name in ("jupyterlab", "notebook", "playwright") if importlib.util.find_spec(name) is None]
    if CHROMIUM is None:
        missing.append("Chromium")
    if missing:
        if is_ci():
            pytest.fail(f"{missing} must be there in CI")
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("lab")
    python = os.environ.get("PYO3MAGIC_TEST_LAB", sys.executable)
    lab = Lab(folder, _ROOT / "ui" / "labextension", kernel_environment(environment, store), _SETTINGS, python)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[Browser]:
    """Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page; what its scripts report as errors of this package makes the module fail."""
    page = browser.new_page(viewport={"width": 1000, "height": 1000})
    page.set_default_timeout(30_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    yield page
    assert not [error for error in errors if "pyo3magic" in error]
