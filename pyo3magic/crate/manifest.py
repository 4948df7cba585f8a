"""Make a cell's ``Cargo.toml`` from its front matter and options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError

from .dependencies import TABLES, dependency_tables, make_paths_absolute, merge_dependencies
from .pyo3_requirement import PYO3_RANGE, add_pyo3
from .toml import tables_of, text_of

if TYPE_CHECKING:
    from pyo3magic.cell import Cell

__all__ = ["Manifest", "make_manifest", "path_dependencies"]

_PACKAGE = "cell"
_SUPPORT = "pyo3magic-support"
_PROFILES = {"release": {"incremental": False}, "dev": {"incremental": False, "debug": "line-tables-only"}}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The ``Cargo.toml`` of a cell, before and after its dependencies are resolved.

    Attributes:
        text: the TOML.
        package: the package's name.
        library: the library target's name, from which cargo derives the name of the built file.
    """

    text: str
    package: str
    library: str

    @property
    def dependencies_digest(self) -> str:
        """Digest of everything in the manifest that affects which versions cargo picks."""
        tables = tables_of(self.text)
        relevant = {
            name: tables[name]
            for name in (*TABLES, "target", "patch", "replace", "features", "workspace")
            if name in tables
        }
        package = tables["package"]
        relevant["package"] = {
            key: package.get(key) for key in ("name", "version", "rust-version", "resolver", "links")
        }
        return hashlib.sha256(repr(_sorted(relevant)).encode()).hexdigest()


def make_manifest(
    cell: Cell,
    *,
    edition: str,
    pyo3: str = "",
    pyo3_features: tuple[str, ...] = (),
    build_script: bool = False,
    support: bool = True,
    more: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    base: Path | None = None,
) -> Manifest:
    """Make the ``Cargo.toml`` of a cell from its front matter and ``-d`` options.

    Args:
        cell: the cell.
        edition: the edition if neither the cell's options nor its front matter give one.
        pyo3: pyo3 requirement (``--pyo3``); empty for the default range.
        pyo3_features: features of pyo3 that the cell's code needs.
        build_script: whether the package has a ``build.rs``.
        support: whether the session's support crate is linked.
        more: additional dependencies, required by the cells that it uses.
        base: folder to which relative ``path`` dependencies of the front matter refer.

    Raises:
        ManifestError: the front matter has a table or value that is not allowed.
    """
    tables = {key: value for key, value in cell.front_matter.items() if key != "tool"}
    package = {"name": _PACKAGE, "version": "0.0.0", "edition": cell.options.edition or edition, "publish": False}
    package |= tables.pop("package", {})
    if build_script:
        package["build"] = "build.rs"
    package.setdefault("autobins", False)
    library = {"name": str(package["name"]).replace("-", "_")} | tables.pop("lib", {})
    library["crate-type"] = ["cdylib"]
    library.setdefault("path", "src/lib.rs")
    newest = not (pyo3 or cell.options.pyo3)
    dependencies = merge_dependencies(tables.pop("dependencies", {}), cell.dependencies, newest_pyo3=newest)
    add_pyo3(dependencies, pyo3 or cell.options.pyo3 or "", pyo3_features)
    support_crate = {_SUPPORT: {"path": "support"}} if support else {}
    document: dict[str, Any] = {"package": package, "lib": library, "dependencies": dependencies}
    document |= tables
    for table in dependency_tables(document):
        make_paths_absolute(table, base)
    document["dependencies"] |= support_crate | {name: dict(entry) for name, entry in more.items()}
    # Other crates' build scripts use this crate with this feature. Because every cell requests it, all cells have the
    # same pyo3, which is compiled once; otherwise numpy, for example, would cause another compilation.
    document.setdefault("build-dependencies", {}).setdefault(
        "pyo3-build-config", {"version": PYO3_RANGE, "features": ["resolve-config"]}
    )
    profiles = document.setdefault("profile", {})
    for name, defaults in _PROFILES.items():
        profiles[name] = defaults | profiles.get(name, {})
    # A workspace of its own: a Cargo.toml somewhere above the store must not adopt the cell.
    document.setdefault("workspace", {})
    try:
        text = text_of(document)
    except (TypeError, ValueError) as error:
        raise ManifestError(f"The front matter cannot be written as a Cargo.toml: {error}.") from error
    return Manifest(text, str(package["name"]), str(library["name"]))


def path_dependencies(manifest: Manifest) -> tuple[Path, ...]:
    """Return the folders of the ``path`` dependencies and patches in a manifest."""
    found = [
        Path(entry["path"])
        for table in dependency_tables(tables_of(manifest.text))
        for entry in table.values()
        if isinstance(entry, dict) and "path" in entry and Path(entry["path"]).is_absolute()
    ]
    return tuple(sorted(set(found)))


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [(key, _sorted(value[key])) for key in sorted(value)]
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
