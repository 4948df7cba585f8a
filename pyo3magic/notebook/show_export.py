"""Shows an exported file: its path, its tag in words, and in Jupyter a link to download it."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .display import is_notebook

__all__ = ["ShownFile", "show_file"]

_KILO = 1024


class ShownFile:
    """A written file, for IPython to display.

    Args:
        path: the file or folder.
        words: what the file is, in words.
        size: size in bytes; 0 shows none.
    """

    def __init__(self, path: Path, words: str, size: int = 0) -> None:
        self.path = path
        self.words = words
        self.size = f", {size / _KILO:,.0f} kB" if size else ""

    def __repr__(self) -> str:
        return f"{self.path}\n{self.words}{self.size}"

    def _repr_html_(self) -> str:
        name = html.escape(self.path.name)
        link = f"<code>{html.escape(str(self.path))}</code>"
        try:
            relative = Path(os.path.relpath(self.path.absolute(), Path.cwd()))
        except ValueError:  # another drive on Windows
            relative = self.path
        if self.path.is_file() and not relative.is_absolute() and ".." not in relative.parts:
            # Jupyter serves files below the notebook's folder by their relative address.
            link = f'<a href="{quote(relative.as_posix())}" download="{name}" target="_blank">{name}</a>'
        return f"<div>{link}<br>{html.escape(self.words)}{html.escape(self.size)}</div>"


def show_file(shell: Any, path: Path, words: str, size: int = 0) -> None:
    """Display a written file in the shell that is running.

    Args:
        shell: IPython's shell.
        path: the file or folder.
        words: what the file is, in words.
        size: size in bytes; 0 shows none.
    """
    shown = ShownFile(path, words, size)
    if is_notebook(shell):
        from IPython.display import display

        display(shown)
    else:
        print(shown)  # noqa: T201 - a terminal's display
