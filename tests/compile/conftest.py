"""Artifacts of linked cells."""

from __future__ import annotations

from pathlib import Path

from pyo3magic.store import Artifact


def artifact(name: str, digest: str = "", cells: dict[str, str] | None = None, folder: Path = Path()) -> Artifact:
    return Artifact(digest or name, folder, name, folder / f"{name}.so", "", "", cells=cells or {})
