"""The others, in a virtual environment of their own that is made the first time: rustimport, Cython and maturin."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cells import cython_cell, rustimport_cell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .floor import EqualCrate

__all__ = ["Peer", "Unavailable", "environment_python", "maturin_module", "notebook_peers"]

_CYTHON = ("cython>=3.1", "setuptools")
_RUSTIMPORT = ("rustimport==1.7.*", "setuptools")
_MATURIN = ("maturin>=1.9",)


class Unavailable(Exception):
    """Something that was to be measured cannot be had here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another magic.

    Attributes:
        name: what it is called in the report.
        requirements: what is installed for it.
        extension: the IPython extension to load.
        cell: text of the cell for an edit.
    """

    name: str
    requirements: tuple[str, ...]
    extension: str
    cell: Callable[[int], str]


def notebook_peers(pyo3: str) -> tuple[Peer, ...]:
    """The magics that are driven as ours is; those that write Rust get the pyo3 that we have."""
    return (
        Peer(
            "%%rustimport (its default: debug)",
            _RUSTIMPORT,
            "rustimport",
            lambda edit: f"%%rustimport\n{rustimport_cell(edit, pyo3)}",
        ),
        Peer("%%cython", _CYTHON, "cython", lambda edit: f"%%cython\n{cython_cell(edit)}"),
    )


def environment_python(folder: Path, requirements: tuple[str, ...]) -> Path:
    """The Python of the peers' virtual environment, with the requirements and ipykernel installed.

    Raises:
        Unavailable: they cannot be installed, with the reason.
    """
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    wanted = [*requirements, "ipykernel"]
    marker = folder / "installed.txt"
    installed = marker.read_text(encoding="utf-8").splitlines() if marker.exists() else []
    if not set(wanted) <= set(installed):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise Unavailable(f"{requirements[0]} cannot be installed: {reason}")
        marker.write_text("\n".join(sorted({*installed, *wanted})), encoding="utf-8")
    return python


def maturin_module(crate: EqualCrate, peers: Path, output: Path) -> Path:
    """Build the crate with ``maturin build --release`` for this Python; returns the folder to import it from.

    Raises:
        Unavailable: maturin cannot be installed.
    """
    python = environment_python(peers, _MATURIN)
    output.mkdir(parents=True, exist_ok=True)
    for wheel in output.glob("*.whl"):
        wheel.unlink()
    command = [
        str(python),
        "-m",
        "maturin",
        "build",
        "--release",
        "--interpreter",
        sys.executable,
        "--out",
        str(output),
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYO3_")}
    environ["CARGO_TARGET_DIR"] = str(output / "target")
    done = subprocess.run(command, cwd=crate.folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"maturin build failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    (wheel,) = output.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(output / "module")
    return output / "module"
