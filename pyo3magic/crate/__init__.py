"""A cell as a cargo package: ``Cargo.toml``, ``Cargo.lock``, ``src/lib.rs`` and, if needed, ``build.rs``."""

from __future__ import annotations

from .companions import Attached, Companions
from .dependencies import package_dependencies
from .manifest import Manifest, make_manifest, path_dependencies
from .package import Crate, support_files
from .pyo3_requirement import PYO3_RANGE, manifest_features, pyo3_features

__all__ = [
    "PYO3_RANGE",
    "Attached",
    "Companions",
    "Crate",
    "Manifest",
    "make_manifest",
    "manifest_features",
    "package_dependencies",
    "path_dependencies",
    "pyo3_features",
    "support_files",
]
