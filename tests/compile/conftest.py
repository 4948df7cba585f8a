"""Artifacts of linked cells."""

from __future__ import annotations

from pathlib import Path

from pyo3magic.store import Artifact


def artifact(name: str, digest: str = "", cells: dict[str, str] | None = None, folder: Path = Path()) -> Artifact:
    return Artifact(
        digest=digest or name,
        folder=folder,
        module=name,
        file_name=f"{name}.so",
        sha256="",
        interpreter="",
        cells=cells or {},
    )
