"""Writes ``Cargo.toml`` and ``Cargo.lock`` of an exported crate."""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Any

from pyo3magic.crate import PYO3_RANGE, Manifest, make_manifest
from pyo3magic.crate.lock import locked_version
from pyo3magic.errors import OptionError

from .metadata_rules import cargo_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .metadata import Metadata
    from .rust_syntax import Member

__all__ = ["ABI3", "ANONYMOUS", "BUILD_CONFIG", "anonymous_manifest", "export_manifest", "relabelled_lock", "tables"]

ANONYMOUS = "export"
"""Name of a package and its library during the build: the published name does not change how it is compiled."""

_FEATURE_BEFORE = (0, 26)  # PYO3_BUILD_EXTENSION_MODULE is understood from this PyO3 on
_SUPPORT = "pyo3magic-support"
_ORDER = ("package", "lib", "features", "dependencies", "dev-dependencies", "build-dependencies", "target", "patch")
ABI3 = "abi3"
"""The feature of an exported crate that switches on PyO3's stable ABI."""
BUILD_CONFIG = "pyo3-build-config"
"""The crate that PyO3's build scripts use. Cells depend on it only to share compiled code."""
_COMPILED_BY = ("edition", "rust-version", "resolver", "links", "build")
"""Keys of ``[package]`` that decide how a crate is resolved and compiled."""
_PROFILE_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "release": {"incremental": False},
    "dev": {"incremental": False, "debug": "line-tables-only"},
}


def export_manifest(
    members: tuple[Member, ...],
    metadata: Metadata,
    *,
    module: str,
    edition: str,
    abi3: tuple[int, int] | None,
    base: Path,
) -> Manifest:
    """The ``Cargo.toml`` of an exported crate: the cells' own tables, and the keys that publishing needs.

    Requirements that the notebook left open become the versions that were used. PyO3's feature ``abi3``, and
    ``extension-module`` for a PyO3 before 0.26, are default features of the crate, so a profiling crate can leave them
    out (PyO3 guide).

    Args:
        members: the cells.
        metadata: the distribution's metadata.
        module: name of the library.
        edition: edition of cells that do not name one.
        abi3: oldest Python whose stable ABI is used, or None.
        base: the folder to which the paths of path dependencies are relative.

    Raises:
        OptionError: two cells require a crate in contradictory ways.
        ManifestError: the front matter does not make a manifest.
    """
    merged: dict[str, Any] = {}
    for member in members:
        _merge(merged, _written(member, edition, base), member.module)
    lock = members[0].lock
    dependencies = merged.setdefault("dependencies", {})
    merged["dependencies"] = {name: _pinned(name, dependencies[name], lock) for name in sorted(dependencies)}
    features = merged.setdefault("features", {})
    defaults = {*features.get("default", ()), *(name for member in members for name in member.cell.options.features)}
    if abi3 is not None:
        features[ABI3] = [f"pyo3/abi3-py{abi3[0]}{abi3[1]}"]
        defaults.add(ABI3)
    if members[0].pyo3 < _FEATURE_BEFORE:
        features["extension-module"] = ["pyo3/extension-module"]
        defaults.add("extension-module")
    features["default"] = sorted(defaults)
    if any(member.syntax.uses_python_cfgs for member in members):
        version = f"{members[0].pyo3[0]}.{members[0].pyo3[1]}"
        build = merged.setdefault("build-dependencies", {})
        build.setdefault(BUILD_CONFIG, {"version": version, "features": ["resolve-config"]})
    package = _package(merged.get("package", {}), metadata, members, edition)
    library = {**merged.get("lib", {}), "name": module, "path": "src/lib.rs", "crate-type": ["rlib", "cdylib"]}
    document = {**merged, "package": package, "lib": library}
    return Manifest(_dump(document), str(package["name"]), module)


def tables(manifest: Manifest) -> dict[str, Any]:
    """The tables of a manifest, as a copy that may be changed."""
    return copy.deepcopy(_parsed(manifest.text))


@functools.lru_cache(maxsize=32)
def _parsed(text: str) -> dict[str, Any]:
    """Parsed once: every step of an export reads the same manifest, and tomlkit takes milliseconds."""
    import tomlkit

    return tomlkit.parse(text).unwrap()


@functools.lru_cache(maxsize=32)
def anonymous_manifest(manifest: Manifest) -> Manifest:
    """A manifest without the keys that only publishing needs: the same for all packages with the same dependencies."""
    import tomlkit

    document = tables(manifest)
    package = document["package"]
    kept = {key: package[key] for key in _COMPILED_BY if key in package}
    document["package"] = {"name": ANONYMOUS, "version": "0.0.0", **kept}
    document["lib"]["name"] = ANONYMOUS
    # As in every cell, so the pyo3 that cells have compiled is used.
    shared = {"version": PYO3_RANGE, "features": ["resolve-config"]}
    document.setdefault("build-dependencies", {}).setdefault(BUILD_CONFIG, shared)
    document.setdefault("workspace", {})
    return Manifest(tomlkit.dumps(document), ANONYMOUS, ANONYMOUS)


def _written(member: Member, edition: str, base: Path) -> dict[str, Any]:
    uses_async = ("experimental-async",) if member.syntax.uses_async else ()
    manifest = make_manifest(member.cell, edition=edition, pyo3_features=uses_async, support=False, base=base)
    found = tables(manifest)
    found.pop("workspace", None)
    if BUILD_CONFIG not in member.cell.front_matter.get("build-dependencies", {}):
        del found["build-dependencies"][BUILD_CONFIG]
    profiles = found.pop("profile", {})
    for name, defaults in _PROFILE_DEFAULTS.items():
        if profiles.get(name) == defaults:
            profiles.pop(name)
        elif name in profiles:
            profiles[name] = {key: value for key, value in profiles[name].items() if defaults.get(key) != value}
    if profiles:
        found["profile"] = profiles
    return found


def _merge(into: dict[str, Any], more: Mapping[str, Any], module: str) -> None:
    for key, value in more.items():
        if key in {"dependencies", "dev-dependencies", "build-dependencies"}:
            table = into.setdefault(key, {})
            for name, entry in value.items():
                table[name] = _joined(name, table.get(name), entry, module)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            into[key] = {**value, **into[key]} if key in {"package", "lib"} else {**into[key], **value}
        else:
            into.setdefault(key, value)


def _joined(name: str, first: Any, second: Any, module: str) -> Any:
    if first is None or first == second:
        return second
    one: dict[str, Any] = {"version": first} if isinstance(first, str) else dict(first)
    two: dict[str, Any] = {"version": second} if isinstance(second, str) else dict(second)
    features = sorted({*one.pop("features", ()), *two.pop("features", ())})
    open_ones = ("*", PYO3_RANGE)
    if one.get("version") in open_ones and "version" in two:
        one["version"] = two["version"]
    elif two.get("version") in open_ones and "version" in one:
        two["version"] = one["version"]
    if one != two:
        raise OptionError(
            f"The cells require the crate {name!r} in contradictory ways: {first!r}, and in {module!r} {second!r}.",
            advice="Write the same requirement in both cells, and run them again.",
        )
    return {**one, "features": features} if features else one


def _pinned(name: str, entry: Any, lock: str) -> Any:
    """The requirement, with the version that was used in place of ``*`` and of the wide range for pyo3."""
    table: dict[str, Any] = {"version": entry} if isinstance(entry, str) else dict(entry)
    version = locked_version(lock, table.get("package", name))
    if table.get("version") in {"*", PYO3_RANGE} and version is not None:
        table["version"] = f"{version[0]}.{version[1]}" if version[0] == 0 or version[1] else str(version[0])
    return table["version"] if set(table) == {"version"} else table


def _package(
    written: Mapping[str, Any], metadata: Metadata, members: tuple[Member, ...], edition: str
) -> dict[str, Any]:
    kept = {key: value for key, value in written.items() if key not in {"publish", "autobins", "build", "license-file"}}
    package: dict[str, Any] = {
        **kept,
        "name": re.sub(r"[^A-Za-z0-9_-]", "-", metadata.name),
        "version": cargo_version(metadata.version),
        "edition": max(str(member.cell.options.edition or edition) for member in members),
    }
    if not package["name"][0].isalpha():
        package["name"] = f"rs-{package['name']}"
    given: dict[str, Any] = {
        "description": metadata.summary,
        "authors": [f"{name} <{email}>" if name and email else name or email for name, email in metadata.authors],
        "license": "" if "LicenseRef" in metadata.license else metadata.license,
        "readme": "README.md",
    }
    package |= {key: value for key, value in given.items() if value}
    return package


def _dump(document: Mapping[str, Any]) -> str:
    import tomlkit

    result = tomlkit.document()
    for key in (*_ORDER, *(key for key in document if key not in _ORDER)):
        value = document.get(key)
        if not value:
            continue
        table = tomlkit.table()
        for name, entry in value.items():
            inline = key in {"dependencies", "dev-dependencies", "build-dependencies"} and isinstance(entry, dict)
            table.add(name, _inline(entry) if inline else entry)
        result.add(key, table)
    return tomlkit.dumps(result)


def _inline(entry: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(entry)
    return table


def relabelled_lock(lock: str, *, root: str, name: str, version: str, dropped: tuple[str, ...] = ()) -> str:
    """A cell's ``Cargo.lock`` with another root package and without the session's support crate.

    Packages stay sorted by name: with ``--locked``, cargo takes a lock file only in the form that it writes itself.

    Args:
        lock: the lock file's text.
        root: the root package's name in the lock file.
        name: the root package's new name.
        version: the root package's new version.
        dropped: crates that the root package no longer depends on, but other packages do.
    """
    head, *blocks = re.split(r"^\[\[package\]\]\n", lock, flags=re.MULTILINE)
    changed = []
    for block in blocks:
        text = block.rstrip("\n")
        if _field(text, "name") == _SUPPORT:
            continue
        if _field(text, "name") == root and not _field(text, "source"):
            text = re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
            text = re.sub(r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.MULTILINE)
            for crate in (_SUPPORT, *dropped):
                text = text.replace(f' "{crate}",\n', "")
        changed.append(text)
    changed.sort(
        key=lambda text: (_field(text, "name"), [int(part) for part in re.findall(r"\d+", _field(text, "version"))])
    )
    return head + "\n\n".join(f"[[package]]\n{text}" for text in changed) + "\n"


def _field(block: str, name: str) -> str:
    match = re.search(rf'^{name} = "(.*)"$', block, re.MULTILINE)
    return match[1] if match else ""
