"""Read an existing cargo project: its ``Cargo.toml``, and ``[tool.maturin]`` in ``pyproject.toml``.

For the keys, see maturin's user guide, "Configuration".
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.cell.front_matter import CARGO_TABLES, DEPENDENCY_TABLES
from pyo3magic.cell.toml_types import FLAG, TEXT, TEXTS, Table, Value, line_of_key, wrong_type
from pyo3magic.errors import CellError, ManifestError
from pyo3magic.toml_reader import TomlError, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Project", "local_folders", "package_name", "read_project"]

_PYPROJECT = Table(
    {
        "tool": Table(
            {
                "maturin": Table(
                    {
                        **dict.fromkeys(("bindings", "manifest-path", "module-name", "profile", "python-source"), TEXT),
                        **dict.fromkeys(("config", "rustc-args"), TEXTS),
                        "features": Value("an array", lambda value: isinstance(value, list), '["..."]'),
                        **dict.fromkeys(("all-features", "no-default-features"), FLAG),
                    }
                )
            }
        )
    }
)
"""The types of a pyproject.toml's values that are read here."""


@dataclass(frozen=True, slots=True)
class Project:
    """A cargo project, as its files describe it.

    Attributes:
        folder: the folder given by the user.
        manifest: the ``Cargo.toml`` of the package that builds the module.
        package: the package's name.
        library: the library target's name.
        source: the library's root file.
        is_cdylib: whether the library has the crate type ``cdylib``.
        module: the module's name in ``[tool.maturin]``, without its Python package; empty if not given.
        features: features to enable.
        all_features: whether to enable all features.
        no_default_features: whether to disable the default features.
        profile: cargo profile of an optimised build.
        config: settings that override cargo's configuration files.
        rustc_arguments: additional arguments for the compiler.
        python: folder of the project's Python package, if it has one; else empty.
    """

    folder: Path
    manifest: Path
    package: str
    library: str
    source: Path
    is_cdylib: bool
    module: str = ""
    features: tuple[str, ...] = ()
    all_features: bool = False
    no_default_features: bool = False
    profile: str = "release"
    config: tuple[str, ...] = ()
    rustc_arguments: tuple[str, ...] = ()
    python: str = ""

    def arguments(self, features: tuple[str, ...]) -> list[str]:
        """Return cargo's arguments for this project's settings and features, plus ``features``."""
        arguments = [word for setting in self.config for word in ("--config", setting)]
        chosen = tuple(dict.fromkeys((*self.features, *features)))
        if self.all_features:
            arguments.append("--all-features")
        if self.no_default_features:
            arguments.append("--no-default-features")
        return arguments + (["--features", ",".join(chosen)] if chosen else [])


def read_project(folder: Path) -> Project:
    """Read the settings of the project in a folder.

    Raises:
        CellError: the project does not exist, or does not build a PyO3 module.
        ManifestError: one of its files is not valid.
    """
    if not folder.is_dir():
        raise CellError(
            f"There is no folder {folder}." if not folder.exists() else f"{folder} is a file, not a cargo project.",
            advice="Name the folder that has the Cargo.toml; %rust --file builds a single file.",
        )
    maturin = _read(folder / "pyproject.toml", _PYPROJECT).get("tool", {}).get("maturin", {})
    bindings = maturin.get("bindings", "pyo3")
    if not str(bindings).startswith("pyo3"):
        raise CellError(
            f"{folder.name} has bindings = {bindings!r} in [tool.maturin], so it does not build a PyO3 module.",
            advice="Build it with maturin itself.",
        )
    manifest = Path(os.path.normpath(folder / maturin.get("manifest-path", "Cargo.toml")))
    if "manifest-path" not in maturin and not manifest.is_file() and (folder / "rust" / "Cargo.toml").is_file():
        manifest = folder / "rust" / "Cargo.toml"  # maturin looks there too
    if not manifest.is_file():
        raise CellError(
            f"{folder} has no {os.path.relpath(manifest, folder)}.",
            advice="Name the folder of a cargo package, or of a Python project built by maturin.",
        )
    tables = _read(manifest)
    if "package" not in tables:
        manifest = _member(manifest, tables)
        tables = _read(manifest)
    library = tables.get("lib", {})
    package = str(tables["package"].get("name", ""))
    source = manifest.parent / library.get("path", "src/lib.rs")
    if not source.is_file():
        raise CellError(
            f"The package {package!r} has no library ({os.path.relpath(source, folder)}), only programs.",
            advice="Run its `fn main` with %rust --bin --file, or add a src/lib.rs for the module.",
        )
    dotted = str(maturin.get("module-name", ""))
    around = dotted.rpartition(".")[0] or dotted or package.replace("-", "_")
    home = (folder / maturin.get("python-source", ".")).joinpath(*around.split("."))
    return Project(
        folder,
        manifest,
        package,
        str(library.get("name", package.replace("-", "_"))),
        source,
        "cdylib" in library.get("crate-type", library.get("crate_type", ())),
        dotted.rpartition(".")[2],
        tuple(name for name in maturin.get("features", ()) if isinstance(name, str)),
        bool(maturin.get("all-features")),
        bool(maturin.get("no-default-features")),
        str(maturin.get("profile", "release")),
        tuple(map(str, maturin.get("config", ()))),
        tuple(map(str, maturin.get("rustc-args", ()))),
        str(home) if (home / "__init__.py").is_file() else "",
    )


def local_folders(manifest: Path, root: Path) -> tuple[Path, ...]:
    """Return the folders of the workspace and of all local packages that a build of ``manifest`` reads.

    Args:
        manifest: the package's ``Cargo.toml``.
        root: the folder of its workspace.
    """
    found: dict[Path, None] = {root: None}
    waiting = [manifest.parent, *(_members_elsewhere(root) if (root / "Cargo.toml").is_file() else ())]
    shared = _read(root / "Cargo.toml")
    waiting += _paths(root, {"dependencies": shared.get("workspace", {}).get("dependencies", {})})
    waiting += _paths(root, {"patch": shared.get("patch", {})})
    while waiting:
        folder = waiting.pop()
        if folder in found and folder != root:
            continue
        found[folder] = None
        if (folder / "Cargo.toml").is_file():
            waiting += [path for path in _paths(folder, _read(folder / "Cargo.toml")) if path not in found]
    return tuple(found)


def package_name(folder: Path) -> str:
    """Return the name of the package in a folder; empty if there is no package."""
    return str(_read(folder / "Cargo.toml").get("package", {}).get("name", ""))


def _paths(folder: Path, tables: Mapping[str, Any]) -> list[Path]:
    return [
        Path(os.path.normpath(folder / entry["path"]))
        for table in _dependency_tables(tables)
        for entry in table.values()
        if isinstance(entry, dict) and isinstance(entry.get("path"), str)
    ]


def _dependency_tables(tables: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for holder in (tables, *tables.get("target", {}).values()):
        yield from (holder[name] for name in DEPENDENCY_TABLES if isinstance(holder.get(name), dict))
    yield from (source for source in tables.get("patch", {}).values() if isinstance(source, dict))


def _members_elsewhere(root: Path) -> Iterator[Path]:
    """Yield the members of a workspace that are outside its folder."""
    for member in _read(root / "Cargo.toml").get("workspace", {}).get("members", ()):
        path = Path(os.path.normpath(root / member))
        if "*" not in member and root not in path.parents and path.is_dir():
            yield path


def _member(manifest: Path, tables: Mapping[str, Any]) -> Path:
    """Return the ``Cargo.toml`` of the only package in a virtual workspace that builds a Python module."""
    folder = manifest.parent
    members = [
        path / "Cargo.toml"
        for pattern in tables.get("workspace", {}).get("members", ())
        for path in _matching(folder, pattern)
        if (path / "Cargo.toml").is_file()
    ]
    modules = [path for path in members if "cdylib" in _read(path).get("lib", {}).get("crate-type", ())]
    if len(modules) == 1:
        return modules[0]
    names = ", ".join(str(path.parent.relative_to(folder)) for path in modules or members)
    raise CellError(
        f"{folder} is a workspace of several packages: {names or 'none'}.",
        advice="Name the folder of the package that builds the Python module.",
    )


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Return the folders that a pattern of a workspace's members names; none for a pattern that cannot be one."""
    try:
        return sorted(folder.glob(pattern))
    except (ValueError, NotImplementedError, OSError, RecursionError):
        return []


def _read(path: Path, wanted: Table = CARGO_TABLES) -> dict[str, Any]:
    """Return the tables of a file, whose values have the wanted types; empty if there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = read_toml(text)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise ManifestError(f"{path} cannot be read: {error}.", advice="Correct the file.") from None
    if wrong := wrong_type(tables, wanted):
        raise ManifestError(f"{path}:{line_of_key(text, wrong.path)}: {wrong.message}.", advice=wrong.advice)
    return tables
