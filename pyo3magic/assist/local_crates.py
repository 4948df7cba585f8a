"""Names and versions of the crates that cargo has on this machine; the registry is not asked."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pyo3magic.environment.cargo_config import cargo_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["local_crates", "specs_beginning"]

_FILE = re.compile(r"(?P<name>.+?)-(?P<version>\d+\.\d+\.\d+[^/]*)\.crate")


def local_crates(environ: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """Return the crates in cargo's registry folder, by name, each with its downloaded versions, the newest first.

    The folder is read again when cargo has added something to it.

    Args:
        environ: the environment, for CARGO_HOME and HOME.
    """
    folder = cargo_home(environ) / "registry"
    return _read(folder, tuple(_stamps(folder)))


def specs_beginning(beginning: str, crates: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return what ``-d`` may name: crates, or versions of a crate after ``@``.

    Args:
        beginning: what was typed, ``ser`` or ``serde@1.``.
        crates: the versions of each crate.
    """
    name, at, _ = beginning.partition("@")
    if at:
        return [f"{name}@{version}" for version in crates.get(name, ())]
    return sorted(crates)


def _stamps(folder: Path) -> Iterator[int]:
    for part in ("index", "cache"):
        yield from (registry.stat().st_mtime_ns for registry in _inside(folder / part))


@lru_cache(maxsize=1)
def _read(folder: Path, stamps: tuple[int, ...]) -> Mapping[str, tuple[str, ...]]:  # noqa: ARG001 - part of the key
    versions: dict[str, list[str]] = {}
    for registry in _inside(folder / "index"):
        for name in _indexed(registry / ".cache"):
            versions.setdefault(name, [])
    for registry in _inside(folder / "cache"):
        for file in _inside(registry):
            if found := _FILE.fullmatch(file.name):
                versions.setdefault(found["name"], []).append(found["version"])
    return {name: tuple(sorted(set(known), key=_order, reverse=True)) for name, known in versions.items()}


def _indexed(folder: Path) -> Iterator[str]:
    """Yield the crates of a sparse index: ``1/a``, ``3/s/syn``, ``se/rd/serde`` (cargo reference, "Index Format")."""
    for first in _inside(folder):
        for second in _inside(first):
            if second.is_dir():
                yield from (file.name for file in _inside(second))
            else:
                yield second.name


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _order(version: str) -> Version:
    try:
        return Version(version.partition("+")[0])
    except InvalidVersion:
        return Version("0.dev0")
