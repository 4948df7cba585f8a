"""A cell as a cargo package: ``Cargo.toml``, ``src/lib.rs`` and, where needed, ``build.rs``."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .errors import ManifestError

if TYPE_CHECKING:
    from .cell import Cell, Dependency
    from .diagnostics import Place

__all__ = [
    "CONVERSIONS",
    "PYO3_RANGE",
    "Attached",
    "Crate",
    "Manifest",
    "check_tables",
    "locked_version",
    "make_manifest",
    "manifest_features",
    "package_dependencies",
    "path_dependencies",
    "pyo3_features",
    "support_files",
]

PYO3_RANGE = ">=0.25, <0.31"
"""The versions of pyo3 that a cell gets by default: a range, so that crates that need an older pyo3 resolve."""

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
"""Crate to the optional pyo3 feature that converts its types (PyO3 guide, features reference)."""

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
"""Versions whose types pyo3 0.30 converts (its Cargo.toml); ``-d`` without a version means these, not newer ones."""

_PACKAGE = "cell"
_SUPPORT = "pyo3magic-support"
_ATTACHED = (0, 26)
"""The first pyo3 that says 'attached' where older ones say 'GIL acquired'."""
_DEPENDENCY_TABLES = ("dependencies", "build-dependencies", "dev-dependencies")
_PROFILES = {"release": {"incremental": False}, "dev": {"incremental": False, "debug": "line-tables-only"}}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The ``Cargo.toml`` of a cell, before and after its dependencies are resolved.

    Attributes:
        text: the TOML.
        package: the package's name.
        library: the library target's name; with it cargo names the file it builds.
    """

    text: str
    package: str
    library: str

    @property
    def dependencies_digest(self) -> str:
        """Digest of everything in the manifest that decides which versions cargo picks."""
        tables = _tables(self.text)
        relevant = {
            name: tables[name]
            for name in (*_DEPENDENCY_TABLES, "target", "patch", "replace", "features", "workspace")
            if name in tables
        }
        package = tables["package"]
        relevant["package"] = {
            key: package.get(key) for key in ("name", "version", "rust-version", "resolver", "links")
        }
        return hashlib.sha256(repr(_sorted(relevant)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that the source names by relative path, as it was when it was read.

    Attributes:
        name: its path in the package.
        data: its bytes.
        origin: where it was read.
    """

    name: str
    data: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Crate:
    """A whole cargo package, ready to be written.

    Attributes:
        manifest: its ``Cargo.toml``.
        source: text of ``src/lib.rs``.
        build_script: text of ``build.rs``, or empty.
        lock: text of ``Cargo.lock``.
        module: name of the Python module it makes (the ``PyInit_`` symbol's).
        config: text of ``.cargo/config.toml``, which lets plain ``cargo build`` find the interpreter's facts.
        support: files of the crate that lets the session ask the module (see `support_files`).
        places: where the cell has each exported item, for messages about generated code.
        attached: files that the source names by relative path (a cell that is a file, ``--file``).
        cells: files of the packages of used cells, where those are compiled from source (see `pyo3magic.vendored`).
    """

    manifest: Manifest
    source: str
    build_script: str
    lock: str
    module: str
    config: str = ""
    support: tuple[tuple[str, str], ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    attached: tuple[Attached, ...] = ()
    cells: tuple[tuple[str, str], ...] = ()

    def files(self, support: Path | None = None) -> Iterator[tuple[str, str]]:
        """Relative path and text of each file.

        Args:
            support: folder of the support crate, where it is not below this package.
        """
        manifest = self.manifest.text
        if support is not None:
            manifest = manifest.replace('path = "support"', f"path = {json.dumps(str(support))}")
        yield "Cargo.toml", manifest
        yield "Cargo.lock", self.lock
        yield "src/lib.rs", self.source
        if self.build_script:
            yield "build.rs", self.build_script
        if self.config:
            yield ".cargo/config.toml", self.config
        yield from self.cells
        if support is None:
            yield from ((f"support/{name}", text) for name, text in self.support)

    def write(self, folder: Path, support: Path | None = None) -> None:
        """Write the package to ``folder``, leaving files alone that are right already except ``src/lib.rs``."""
        for name, text in self.files(support):
            path = folder / name
            data = text.encode()
            if name != "src/lib.rs" and path.exists() and path.read_bytes() == data:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.write_attached(folder)

    def write_attached(self, folder: Path) -> None:
        """Write the attached files to ``folder``, leaving those alone that are right already."""
        for item in self.attached:
            path = folder / item.name
            if path.exists() and path.read_bytes() == item.data:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.data)


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
        edition: the edition where front matter names none.
        pyo3: pyo3 requirement (``--pyo3``); empty for the default range.
        pyo3_features: features of pyo3 that the cell's code needs.
        build_script: whether the package has a ``build.rs``.
        support: whether the session's support crate is linked.
        more: further dependencies, which the cells that it uses bring with them.
        base: folder to which relative ``path`` dependencies of the front matter refer.

    Raises:
        ManifestError: the front matter has a table or value that cannot be in it.
    """
    tables = {key: value for key, value in cell.front_matter.items() if key != "tool"}
    check_tables(tables)
    package = {"name": _PACKAGE, "version": "0.0.0", "edition": cell.options.edition or edition, "publish": False}
    package |= tables.pop("package", {})
    if build_script:
        package["build"] = "build.rs"
    package.setdefault("autobins", False)
    library = {"name": str(package["name"]).replace("-", "_")} | tables.pop("lib", {})
    library["crate-type"] = ["cdylib"]
    library.setdefault("path", "src/lib.rs")
    newest = not (pyo3 or cell.options.pyo3)
    dependencies = _dependencies(tables.pop("dependencies", {}), cell.dependencies, newest_pyo3=newest)
    _add_pyo3(dependencies, pyo3 or cell.options.pyo3 or "", pyo3_features)
    support_crate = {_SUPPORT: {"path": "support"}} if support else {}
    document: dict[str, Any] = {"package": package, "lib": library, "dependencies": dependencies}
    document |= tables
    for table in _dependency_tables(document):
        _make_paths_absolute(table, base)
    document["dependencies"] |= support_crate | {name: dict(entry) for name, entry in more.items()}
    # Other crates' build scripts use this one with this feature. Asked for in every cell, pyo3 is the same in all of
    # them and is compiled once; otherwise numpy, for example, would have it compiled again.
    document.setdefault("build-dependencies", {}).setdefault(
        "pyo3-build-config", {"version": PYO3_RANGE, "features": ["resolve-config"]}
    )
    profiles = document.setdefault("profile", {})
    for name, defaults in _PROFILES.items():
        profiles[name] = defaults | profiles.get(name, {})
    # A workspace of its own: a Cargo.toml somewhere above the store must not adopt the cell.
    document.setdefault("workspace", {})
    try:
        text = _text(document)
    except (TypeError, ValueError) as error:
        raise ManifestError(f"The front matter cannot be written as a Cargo.toml: {error}.") from error
    return Manifest(text, str(package["name"]), str(library["name"]))


@functools.lru_cache(maxsize=32)
def _tables(text: str) -> dict[str, Any]:
    """A manifest's tables, not to be changed; parsed once, since each edit of a cell has the same manifest."""
    import tomlkit

    return tomlkit.parse(text).unwrap()


_texts: dict[str, str] = {}


def _text(document: dict[str, Any]) -> str:
    """A manifest's TOML, likewise written once (and importing tomlkit takes 30 ms)."""
    known = repr(document)
    if known not in _texts:
        import tomlkit

        _texts[known] = tomlkit.dumps(document)
    return _texts[known]


def path_dependencies(manifest: Manifest) -> tuple[Path, ...]:
    """Folders of the ``path`` dependencies and patches in a manifest."""
    found = [
        Path(entry["path"])
        for table in _dependency_tables(_tables(manifest.text))
        for entry in table.values()
        if isinstance(entry, dict) and "path" in entry and Path(entry["path"]).is_absolute()
    ]
    return tuple(sorted(set(found)))


def support_files(pyo3: tuple[int, ...] = (0, 30)) -> tuple[tuple[str, str], ...]:
    """Relative path and text of each file of the support crate, for the chosen version of pyo3."""
    folder = Path(__file__).with_name("support")
    files = {name: (folder / name).read_text(encoding="utf-8") for name in ("Cargo.toml", "src/lib.rs")}
    if pyo3 < _ATTACHED:
        files["src/lib.rs"] = files["src/lib.rs"].replace("assume_attached", "assume_gil_acquired")
    return tuple(files.items())


def pyo3_features(crate: Path) -> tuple[str, ...]:
    """Features of pyo3 that the package in a folder switches on."""
    return manifest_features((crate / "Cargo.toml").read_text(encoding="utf-8"))


def package_dependencies(crate: Path) -> list[dict[str, Any]]:
    """The crates from elsewhere, beside pyo3, that the package in a folder always depends on, as manifest entries."""
    found = []
    for name, written in _tables((crate / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"].items():
        entry = {"version": written} if isinstance(written, str) else dict(written)
        own = "path" in entry and not Path(entry["path"]).is_absolute()
        if name != "pyo3" and not own and not entry.get("optional"):
            found.append({"package": name} | entry)
    return found


def manifest_features(manifest: str) -> tuple[str, ...]:
    """Features of pyo3 that the text of a ``Cargo.toml`` switches on."""
    entry = _tables(manifest)["dependencies"]["pyo3"]
    return tuple(entry.get("features", ())) if isinstance(entry, dict) else ()


def locked_version(lock: str, crate: str) -> tuple[int, ...] | None:
    """Version of ``crate`` in the text of a ``Cargo.lock``, as numbers, or None."""
    match = re.search(rf'^name = "{re.escape(crate)}"\nversion = "(\d+)\.(\d+)\.(\d+)', lock, re.MULTILINE)
    return tuple(int(part) for part in match.groups()) if match else None


def check_tables(tables: Mapping[str, Any]) -> None:
    """Raise ManifestError unless each known table of a front matter is a table, and nothing stands outside tables."""
    for name in ("package", "lib", "profile", "features", "patch", "lints", "target", *_DEPENDENCY_TABLES):
        if name in tables and not isinstance(tables[name], dict):
            raise ManifestError(
                f"{name!r} in the front matter has to be a table, not {tables[name]!r}.",
                advice=f"Write a line [{name}] and its entries below it.",
            )
    for name in ("bin", "example", "test", "bench"):
        if name in tables:
            raise ManifestError(
                f"The front matter has a [[{name}]] table, but a cell is one library.",
                advice="Leave the table out.",
            )
    loose = [key for key, value in tables.items() if not isinstance(value, dict)]
    if loose:
        raise ManifestError(
            f"The front matter has {loose[0]!r} outside any table, where Cargo.toml has no such key.",
            advice=f"Dependencies stand below a line [dependencies]:\n\n    [dependencies]\n    {loose[0]} = "
            f"{_toml(tables[loose[0]])}",
        )


def _toml(value: Any) -> str:
    import tomlkit

    return str(tomlkit.item(value).as_string())


def _dependencies(written: dict[str, Any], options: tuple[Dependency, ...], *, newest_pyo3: bool) -> dict[str, Any]:
    result = dict(written)
    for option in options:
        any_version = option.requirement == "*" and newest_pyo3
        requirement = CONVERTED.get(option.name, "*") if any_version else option.requirement
        entry: dict[str, Any] = {"version": requirement}
        if option.features:
            entry["features"] = list(option.features)
        if not option.default_features:
            entry["default-features"] = False
        present = result.get(option.name)
        if present is not None and present not in (option.requirement, requirement, entry):
            raise ManifestError(
                f"The cell asks for the crate {option.name!r} twice, in different ways.",
                advice="Keep either the -d option or the line in the front matter.",
            )
        result[option.name] = entry if len(entry) > 1 else requirement
    return result


def _add_pyo3(dependencies: dict[str, Any], requirement: str, features: tuple[str, ...]) -> None:
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


def _dependency_tables(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in _DEPENDENCY_TABLES:
        if isinstance(document.get(name), dict):
            yield document[name]
    for platform in document.get("target", {}).values():
        if isinstance(platform, dict):
            yield from (platform[name] for name in _DEPENDENCY_TABLES if isinstance(platform.get(name), dict))
    for source in document.get("patch", {}).values():
        if isinstance(source, dict):
            yield source


def _make_paths_absolute(table: dict[str, Any], base: Path | None) -> None:
    for name, entry in table.items():
        if isinstance(entry, dict) and "path" in entry:
            folder = ((base or Path.cwd()) / Path(entry["path"]).expanduser()).resolve()
            if not (folder / "Cargo.toml").is_file():
                raise ManifestError(
                    f"The cell depends on {name!r} at {entry['path']!r}, but {folder} has no Cargo.toml.",
                    advice="Give a cargo package's folder, absolute or relative to the notebook's working directory.",
                )
            entry["path"] = str(folder)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [(key, _sorted(value[key])) for key in sorted(value)]
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
