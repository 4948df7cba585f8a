"""Manifests of cells."""

from __future__ import annotations

from typing import Any

import tomlkit

from pyo3magic.cell import Options, parse_cell
from pyo3magic.crate import Manifest, make_manifest


def manifest(front: str = "", *specs: str, **more: Any) -> Manifest:
    body = f"---\n{front}\n---\npub fn f() {{}}"
    return make_manifest(parse_cell(Options(dependencies=specs), body), **{"edition": "2024", **more})


def tables(front: str = "", *specs: str, **more: Any) -> dict[str, Any]:
    return tomlkit.parse(manifest(front, *specs, **more).text).unwrap()
