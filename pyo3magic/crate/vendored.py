"""Used cells as packages inside the package of the cell that uses them, compiled from source into its one module.

That is how a cell uses others where Rust dylibs cannot be had (Windows, musl, another machine's target). The code is
the same, but each module then has its own copy of it: a class of the used cell is another class in the module that uses
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import DependencyError

from .companions import attached_files
from .library_source import SUPPORT

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
    """What a package needs to use cells from source.

    Attributes:
        dependencies: the entry of each used cell in the table ``[dependencies]``.
        files: relative path and content of each file of their packages, and of the packages of cells these use in turn.
    """

    dependencies: Mapping[str, Mapping[str, Any]]
    files: tuple[tuple[str, bytes], ...]


def vendor(store: Store, used: Mapping[str, Artifact]) -> Vendored:
    """Make packages of the cells that a cell uses.

    Args:
        store: has the artifacts of the cells that these use in turn.
        used: the cells by the name under which they are used.

    Raises:
        DependencyError: two versions of one cell are needed at once.
        StoreError: the store has a cell no longer.
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
    """Where the package of a used cell is in the package of its user; messages of panics, for example, name it."""
    return f"{_FOLDER}/{_name(artifact)}"


def _check_versions(reachable: Mapping[str, Artifact], used: Mapping[str, Artifact]) -> None:
    """Two versions of a cell in one module would have the same ``PyInit_`` symbol."""
    versions: dict[str, str] = {}
    for artifact in reachable.values():
        if versions.setdefault(artifact.module, artifact.digest) != artifact.digest:
            users = [name for name, user in used.items() if artifact.module in user.cells]
            raise DependencyError(
                f"The cells that this one uses were built with different versions of the cell {artifact.module!r}, and "
                "here all of them are compiled into one module.",
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
    """The files of a used cell's package apart from its manifest, as they are in a package that is no ``cdylib``.

    Args:
        crate: the folder of the used cell's package in the store.

    Returns:
        Content by path in the package.
    """
    files = {"src/lib.rs": (crate / "src" / "lib.rs").read_bytes().replace(SUPPORT.encode(), b"", 1)}
    if (crate / "build.rs").exists():
        # cargo refuses link arguments of a cdylib in a package that has none.
        lines = (crate / "build.rs").read_bytes().splitlines(keepends=True)
        files["build.rs"] = b"".join(line for line in lines if b"cargo:rustc-link-arg-cdylib" not in line)
    return files | {name: path.read_bytes() for name, path in attached_files(crate).items()}


def _dependency(artifact: Artifact, base: str) -> dict[str, str]:
    return {"path": f"{base}{_name(artifact)}", "package": _name(artifact)}


def _name(artifact: Artifact) -> str:
    """A package name that stands for exactly this content: cargo takes two packages only by two names."""
    return f"cell-{artifact.digest[:_DIGITS]}"
