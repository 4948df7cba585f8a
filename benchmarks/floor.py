"""The equal crate, written by hand: what cargo, and the rustc line that cargo starts, take for it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from .cells import LIBRARY, crate_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["EqualCrate"]

_RECORDED = 999_999
"""An edit that no round makes, so that cargo has something to compile."""


class EqualCrate:
    """A package with the functions of the cell and the pyo3 that the cell has.

    Args:
        folder: where it is written; its target folder is in it.
        pyo3: the exact version.
        python: the Python it is built for.
        environ: the environment for cargo.
    """

    def __init__(self, folder: Path, *, pyo3: str, python: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = {**environ, "PYO3_PYTHON": python, "PYO3_BUILD_EXTENSION_MODULE": "1"}
        self._line: list[str] = []
        self._variables: dict[str, str] = {}
        (folder / "src").mkdir(parents=True, exist_ok=True)
        manifest = (
            f'[package]\nname = "{LIBRARY}"\nversion = "0.1.0"\nedition = "2024"\n\n[lib]\ncrate-type = ["cdylib"]\n\n'
            f'[dependencies]\npyo3 = "={pyo3}"\n\n[workspace]\n'
        )
        project = '[build-system]\nrequires = ["maturin>=1,<2"]\nbuild-backend = "maturin"\n\n'
        project += f'[project]\nname = "{LIBRARY}"\nversion = "0.1.0"\n'
        for name, text in (("Cargo.toml", manifest), ("pyproject.toml", project)):
            path = folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
        self.edit(0)

    @property
    def target(self) -> Path:
        """Its target folder."""
        return self.folder / "target"

    def edit(self, number: int) -> None:
        """Write another version of the source."""
        (self.folder / "src" / "lib.rs").write_text(crate_source(number), encoding="utf-8")

    def cargo(self, number: int) -> float:
        """Seconds that ``cargo build --release`` takes for an edit."""
        self.edit(number)
        return self._time(["cargo", "build", "--release", "--quiet"], {})

    def cold(self) -> float:
        """Seconds that it takes with nothing compiled."""
        shutil.rmtree(self.target, ignore_errors=True)
        return self.cargo(0)

    def rustc(self, number: int) -> float:
        """Seconds that the compiler line of the package takes for an edit, started without cargo."""
        if not self._line:
            self._record()
        self.edit(number)
        return self._time(self._line, self._variables)

    def _record(self) -> None:
        """Keep the line that cargo starts, as ``cargo build -vv`` prints it."""
        self.edit(_RECORDED)
        told = subprocess.run(
            ["cargo", "build", "--release", "-vv"],
            cwd=self.folder, env=self._environ, capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
        lines = re.findall(rf"Running `(.*--crate-name {LIBRARY} .*)`$", told, re.MULTILINE)
        words = shlex.split(lines[-1])
        count = next(i for i, word in enumerate(words) if not re.match(r"\w+=", word))
        self._variables = dict(word.split("=", 1) for word in words[:count])
        self._line = words[count:]

    def _time(self, command: list[str], variables: Mapping[str, str]) -> float:
        started = time.perf_counter()
        environ = {**self._environ, **variables}
        subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, check=True)
        return time.perf_counter() - started
