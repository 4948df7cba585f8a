"""Choose the pyo3 version and features of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError

from .toml import tables_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CONVERSIONS", "CONVERTED", "PYO3_RANGE", "add_pyo3", "manifest_features", "pyo3_features"]

PYO3_RANGE = ">=0.25, <0.31"
"""The default requirement for pyo3: a range, which lets crates that need an older pyo3 resolve."""
CONVERSIONS: Mapping[str, str] = {
    "anyhow": "anyhow",
    "bigdecimal": "bigdecimal",
    "bytes": "bytes",
    "chrono": "chrono",
    "chrono-tz": "chrono-tz",
    "either": "either",
    "eyre": "eyre",
    "hashbrown": "hashbrown",
    "indexmap": "indexmap",
    "jiff": "jiff-02",
    "lock_api": "lock_api",
    "num-bigint": "num-bigint",
    "num-complex": "num-complex",
    "num-rational": "num-rational",
    "ordered-float": "ordered-float",
    "parking_lot": "parking_lot",
    "rust_decimal": "rust_decimal",
    "serde": "serde",
    "smallvec": "smallvec",
    "time": "time",
    "uuid": "uuid",
}
"""Crate name to the optional pyo3 feature that converts its types (PyO3 guide, features reference)."""
CONVERTED: Mapping[str, str] = {
    "bigdecimal": "0.4",
    "chrono-tz": ">=0.10, <0.11",
    "hashbrown": ">=0.15, <0.18",
    "indexmap": "2",
    "jiff": "0.2",
    "num-bigint": "0.4",
    "num-complex": "0.4",
    "num-rational": "0.4",
    "ordered-float": "5",
    "parking_lot": "0.12",
    "time": "0.3",
}
"""Versions whose types pyo3 0.30 converts (its Cargo.toml); ``-d`` without a version requests these."""


def add_pyo3(dependencies: dict[str, Any], requirement: str, features: tuple[str, ...]) -> None:
    """Add pyo3 to a table of dependencies, with the features that convert the other crates' types.

    Args:
        dependencies: the table, changed in place.
        requirement: the version given with ``--pyo3``; empty for the default range.
        features: additional features of pyo3.

    Raises:
        ManifestError: the table has a different requirement for pyo3.
    """
    entry = dependencies.pop("pyo3", {})
    if isinstance(entry, str):
        entry = {"version": entry}
    if requirement and entry.get("version", requirement) != requirement:
        raise ManifestError(
            f"--pyo3 {requirement} and pyo3 = {entry['version']!r} in the front matter disagree.",
            advice="Keep one of the two.",
        )
    if not {"version", "git", "path", "workspace"} & entry.keys():
        entry["version"] = requirement or PYO3_RANGE
    crates = {value.get("package", name) if isinstance(value, dict) else name for name, value in dependencies.items()}
    wanted = {CONVERSIONS[crate] for crate in crates if crate in CONVERSIONS}
    wanted |= set(features) | set(entry.get("features", ()))
    if wanted:
        entry["features"] = sorted(wanted)
    dependencies["pyo3"] = entry if len(entry) > 1 else entry.get("version", entry)


def pyo3_features(crate: Path) -> tuple[str, ...]:
    """Return the features of pyo3 that the package in a folder enables."""
    return manifest_features((crate / "Cargo.toml").read_text(encoding="utf-8"))


def manifest_features(manifest: str) -> tuple[str, ...]:
    """Return the features of pyo3 that the text of a ``Cargo.toml`` enables."""
    entry = tables_of(manifest)["dependencies"]["pyo3"]
    return tuple(entry.get("features", ())) if isinstance(entry, dict) else ()
