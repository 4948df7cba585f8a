"""A real JupyterLab server with the front end of this checkout, and its page in a headless Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

TIMEOUT = 90_000
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Lab:
    """A server.

    Args:
        folder: where notebooks, settings and the server's own files are.
        extension: the built front end.
        environment: the environment of the server and its kernels.
        settings: by plugin, what the user has set.
        python: an interpreter with JupyterLab.
    """

    def __init__(
        self,
        folder: Path,
        extension: Path,
        environment: Mapping[str, str],
        settings: Mapping[str, Any],
        python: str = sys.executable,
    ) -> None:
        self.folder = folder / "notebooks"
        self.folder.mkdir(parents=True)
        (folder / "data" / "labextensions").mkdir(parents=True)
        (folder / "data" / "labextensions" / "pyo3magic").symlink_to(extension)
        quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
        for plugin, values in {**quiet, **settings}.items():
            name, _, part = plugin.partition(":")
            file = folder / "settings" / name / f"{part}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        own = {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        options = {
            "ServerApp.port": port,
            "ServerApp.root_dir": self.folder,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "IdentityProvider.token": "",
            "LabApp.expose_app_in_browser": True,
            "JupyterNotebookApp.expose_app_in_browser": True,
        }
        self._log = (folder / "log").open("w+", encoding="utf-8")
        command = [python, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
        self._process = subprocess.Popen(
            command, env={**environment, **own}, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + TIMEOUT / 1000
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                raise AssertionError(f"JupyterLab did not start:\n{self._log.read()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{self.url}/api", timeout=5).close()
            return True
        return False

    def notebook(self, name: str, *cells: str) -> Path:
        """Write a notebook with code cells."""
        made = [nbformat.v4.new_code_cell(cell) for cell in cells]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        metadata = {"kernelspec": kernel, "language_info": {"name": "python", "mimetype": "text/x-python"}}
        file = self.folder / name
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), file)
        return file

    def close(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        )
        yield browser
        browser.close()


def open_notebook(page: Page, lab: Lab, name: str, *, notebook7: bool = False) -> None:
    """Open a notebook and wait for its kernel."""
    page.goto(f"{lab.url}/notebooks/{name}" if notebook7 else f"{lab.url}/doc/tree/{name}?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=TIMEOUT)
    page.wait_for_function(
        """() => {
            const panel = window.jupyterapp.shell.currentWidget;
            return panel?.sessionContext?.session?.kernel?.status === 'idle' && panel.content.widgets.length > 0;
        }""",
        timeout=TIMEOUT,
    )


def cell(page: Page, index: int) -> Locator:
    """A code cell of the notebook."""
    return page.locator(".jp-Notebook .jp-CodeCell").nth(index)


def source(page: Page, index: int) -> str:
    """The text of a code cell, as the notebook's model has it."""
    text: str = page.evaluate(
        "index => window.jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.getSource()", index
    )
    return text


def put(page: Page, index: int, line: int, column: int) -> None:
    """Put the cursor into a cell, at a line and column from 0, and the focus too."""
    page.evaluate(
        """([index, line, column]) => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = index;
            notebook.mode = 'edit';
            const { editor } = notebook.widgets[index];
            editor.setCursorPosition({ line, column });
            editor.focus();
        }""",
        [index, line, column],
    )


def typed(page: Page, text: str) -> None:
    """Type a text as a person does, key by key."""
    for number, line in enumerate(text.split("\n")):
        if number:
            page.keyboard.press("Enter")
        page.keyboard.type(line)


def look(page: Page, index: int, text: str) -> tuple[str, bool]:
    """Colour of the first piece of code that is ``text``, and whether it is bold."""
    found: list[Any] = cell(page, index).evaluate(
        """(node, text) => {
            const walker = document.createTreeWalker(node.querySelector('.cm-content'), NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                if (walker.currentNode.data.trim() === text) {
                    const style = getComputedStyle(walker.currentNode.parentElement);
                    return [style.color, Number(style.fontWeight) >= 600];
                }
            }
            return ['not there: ' + node.querySelector('.cm-content').innerText.slice(-500), false];
        }""",
        text,
    )
    return str(found[0]), bool(found[1])


def run(page: Page, index: int) -> str:
    """Run a cell, wait for its end, and return the text of its output."""
    page.evaluate(
        """async index => {
            const panel = window.jupyterapp.shell.currentWidget;
            panel.content.activeCellIndex = index;
            panel.content.deselectAll();
            await window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        index,
    )
    return cell(page, index).locator(".jp-Cell-outputWrapper").inner_text()


def kernel_environment(environment: Mapping[str, str], store: Path | None) -> dict[str, str]:
    """The environment of kernels on a store."""
    chosen = {"PYO3MAGIC_STORE": str(store)} if store else {}
    return {**environment, **chosen, "PYO3MAGIC_WARM_UP": "0"}


def is_ci() -> bool:
    """Whether nothing may be missing: `.ci/run` installs Chromium."""
    return os.environ.get("CI") == "true" and sys.platform == "linux"
