"""Put used cells as packages into the package of the cell that uses them, to compile them into one module.

This is how cells use other cells where Rust dylibs are not available (Windows, musl, another machine's target). Each
module then has its own copy of the used cell's code, and its own classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import DependencyError

from .companions import attached_files
from .python_module import without_support

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyo3magic.store import Artifact, Store

__all__ = ["Vendored", "library_files", "vendor", "vendored_folder"]

_FOLDER = "cells"
_DIGITS = 12
_OF_ROOT = ("workspace", "profile", "patch", "replace")
"""Tables that cargo reads in the root package only."""


@dataclass(frozen=True, slots=True)
class Vendored:
    """The additions to a package that uses cells from source.

    Attributes:
        dependencies: the entry of each used cell in the table ``[dependencies]``.
        files: relative path and content of each file in the packages of the cells used directly or through others.
    """

    dependencies: Mapping[str, Mapping[str, Any]]
    files: tuple[tuple[str, bytes], ...]


def vendor(store: Store, used: Mapping[str, Artifact]) -> Vendored:
    """Make packages of the cells that a cell uses.

    Args:
        store: the store with the cells that these cells use.
        used: the cells by the name under which they are used.

    Raises:
        DependencyError: two versions of one cell are needed at once.
        StoreError: a cell is no longer in the store.
    """
    reachable: dict[str, Artifact] = {}
    todo = [(name, artifact.digest) for name, artifact in used.items()]
    while todo:
        name, digest = todo.pop(0)
        if digest not in reachable:
            reachable[digest] = store.need(name, digest)
            todo += reachable[digest].cells.items()
    _check_versions(reachable, used)
    files = tuple(file for artifact in reachable.values() for file in _package(store, artifact))
    return Vendored({name: _dependency(artifact, f"{_FOLDER}/") for name, artifact in used.items()}, files)


def vendored_folder(artifact: Artifact) -> str:
    """Return the folder of a used cell's package within the package that uses it, as panic messages show it."""
    return f"{_FOLDER}/{_name(artifact)}"


def _check_versions(reachable: Mapping[str, Artifact], used: Mapping[str, Artifact]) -> None:
    """Reject two versions of a cell in one module, which would have the same ``PyInit_`` symbol."""
    versions: dict[str, str] = {}
    for artifact in reachable.values():
        if versions.setdefault(artifact.module, artifact.digest) != artifact.digest:
            users = [name for name, user in used.items() if artifact.module in user.cells]
            raise DependencyError(
                f"The cells that this one uses were built with different versions of the cell {artifact.module!r}, and "
                "here all cells are compiled into one module.",
                advice=f"Run {' and '.join(users) or artifact.module} again, and then this one.",
            )


def _package(store: Store, artifact: Artifact) -> Iterator[tuple[str, bytes]]:
    import tomlkit

    crate, folder = artifact.crate, f"{_FOLDER}/{_name(artifact)}"
    manifest = tomlkit.parse((crate / "Cargo.toml").read_text(encoding="utf-8")).unwrap()
    for table in _OF_ROOT:
        manifest.pop(table, None)
    manifest["package"]["name"] = _name(artifact)
    manifest["lib"] = {**manifest["lib"], "crate-type": ["rlib"]}
    dependencies = manifest["dependencies"]
    for name, entry in list(dependencies.items()):
        if isinstance(entry, dict) and entry.get("path", "").startswith((f"{_FOLDER}/", "support")):
            del dependencies[name]
    for name, digest in artifact.cells.items():
        dependencies[name] = _dependency(store.need(name, digest), "../")
    if artifact.features:
        features = manifest.setdefault("features", {})
        features["default"] = [*features.get("default", ()), *artifact.features]
    yield f"{folder}/Cargo.toml", tomlkit.dumps(manifest).encode()
    for name, data in library_files(crate).items():
        yield f"{folder}/{name}", data


def library_files(crate: Path) -> dict[str, bytes]:
    """Return the files of a used cell's package except its manifest, adapted to a package that is not a ``cdylib``.

    Args:
        crate: the folder of the used cell's package in the store.

    Returns:
        Path in the package to content.
    """
    files = {"src/lib.rs": without_support((crate / "src" / "lib.rs").read_text(encoding="utf-8")).encode()}
    if (crate / "build.rs").exists():
        # cargo rejects cdylib link arguments in a package without a cdylib.
        lines = (crate / "build.rs").read_bytes().splitlines(keepends=True)
        files["build.rs"] = b"".join(line for line in lines if b"cargo:rustc-link-arg-cdylib" not in line)
    return files | {name: path.read_bytes() for name, path in attached_files(crate).items()}


def _dependency(artifact: Artifact, base: str) -> dict[str, str]:
    return {"path": f"{base}{_name(artifact)}", "package": _name(artifact)}


def _name(artifact: Artifact) -> str:
    """Return a package name that is unique to the cell's content, because cargo requires distinct names."""
    return f"cell-{artifact.digest[:_DIGITS]}"
