"""A manifest's dependencies, from the front matter's tables and ``-d`` options, and its path dependencies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError
from pyo3magic.user_paths import user_path

from .pyo3_requirement import CONVERTED
from .toml import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyo3magic.cell import Dependency

__all__ = [
    "TABLES",
    "dependency_tables",
    "make_paths_absolute",
    "merge_dependencies",
    "package_dependencies",
]

TABLES = ("dependencies", "build-dependencies", "dev-dependencies")


def merge_dependencies(
    written: dict[str, Any], options: tuple[Dependency, ...], *, newest_pyo3: bool
) -> dict[str, Any]:
    """Merge the front matter's dependencies and the ``-d`` options into one table.

    Args:
        written: the front matter's table.
        options: the ``-d`` options.
        newest_pyo3: whether crates without a version get the version that the newest pyo3 can convert.

    Raises:
        ManifestError: a crate is requested in two different ways.
    """
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
                f"The cell requests the crate {option.name!r} twice, in different ways.",
                advice="Keep either the -d option or the line in the front matter.",
            )
        result[option.name] = entry if len(entry) > 1 else requirement
    return result


def dependency_tables(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every table of dependencies or patches in a manifest."""
    for name in TABLES:
        if isinstance(document.get(name), dict):
            yield document[name]
    for platform in document.get("target", {}).values():
        if isinstance(platform, dict):
            yield from (platform[name] for name in TABLES if isinstance(platform.get(name), dict))
    for source in document.get("patch", {}).values():
        if isinstance(source, dict):
            yield source


def make_paths_absolute(table: dict[str, Any], base: Path | None) -> None:
    """Make the paths in a table of dependencies absolute, relative to ``base`` or else to the working directory.

    Raises:
        ManifestError: a path has no package.
    """
    for name, entry in table.items():
        if isinstance(entry, dict) and "path" in entry:
            folder = ((base or Path.cwd()) / user_path(entry["path"], f"The path of the dependency {name!r}")).resolve()
            if not (folder / "Cargo.toml").is_file():
                raise ManifestError(
                    f"The cell depends on {name!r} at {entry['path']!r}, but {folder} has no Cargo.toml.",
                    advice="Give a cargo package's folder, absolute or relative to the notebook's working directory.",
                )
            entry["path"] = str(folder)


def package_dependencies(crate: Path) -> list[dict[str, Any]]:
    """Return the external crates except pyo3 that the package in a folder always depends on, as manifest entries."""
    found = []
    for name, written in tables_of((crate / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"].items():
        entry = {"version": written} if isinstance(written, str) else dict(written)
        own = "path" in entry and not Path(entry["path"]).is_absolute()
        if name != "pyo3" and not own and not entry.get("optional"):
            found.append({"package": name} | entry)
    return found
