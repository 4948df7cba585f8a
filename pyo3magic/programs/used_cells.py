"""Make path dependencies of the cells that a program or test uses; they are compiled from source into the program."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pyo3magic.crate.vendored import library_files
from pyo3magic.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyo3magic.store import Artifact, Store

__all__ = ["dependencies_from_source"]


def dependencies_from_source(store: Store, used: Mapping[str, Artifact]) -> dict[str, Any]:
    """Return the entries of a ``[dependencies]`` table for the cells that a cell uses.

    Raises:
        StoreError: a cell that is used through another cell is no longer in the store.
    """
    return {
        name: {"package": _package(name, artifact), "path": str(_write(store, name, artifact))}
        for name, artifact in used.items()
    }


def _package(name: str, artifact: Artifact) -> str:
    # One program may contain two versions of a cell.
    return f"{name}-{artifact.digest[:12]}"


def _write(store: Store, name: str, artifact: Artifact) -> Path:
    import tomlkit

    document: dict[str, Any] = tomlkit.parse((artifact.crate / "Cargo.toml").read_text(encoding="utf-8")).unwrap()
    document["package"] |= {"name": _package(name, artifact), "autobins": False}
    document["lib"] |= {"name": name, "crate-type": ["rlib"]}
    for table in ("workspace", "profile", "patch", "replace"):
        document.pop(table, None)
    dependencies = document["dependencies"]
    dependencies.pop("pyo3magic-support", None)
    used = {}
    for other, digest in artifact.cells.items():
        found = store.get(digest)
        if found is None:
            raise StoreError(
                f"The cell {name!r} uses {other!r}, which is no longer in the store.",
                advice=f"Run the cells {other!r} and {name!r} again.",
            )
        used[other] = found
    dependencies |= dependencies_from_source(store, used)
    if isinstance(dependencies["pyo3"], dict):
        # Before 0.26, pyo3 leaves libpython out because of a feature.
        features = dependencies["pyo3"].get("features", [])
        dependencies["pyo3"]["features"] = [feature for feature in features if feature != "extension-module"]
    files = {"Cargo.toml": tomlkit.dumps(document).encode(), **library_files(artifact.crate)}
    folder = store.place("plans", hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest(), name)
    store.write_files(folder, files)
    return folder
