"""Keep the paths of this machine out of compiled code: panics then name files in the same way everywhere.

rustc replaces prefixes of paths itself (rustc book, ``--remap-path-prefix``). It reads these options from a file (rustc
book, ``@path``), so cargo sees only the file's name. With the options themselves in RUSTFLAGS, cargo would compile
everything again as soon as one of them changes, and would no longer keep libraries with different RUSTFLAGS in
different files.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyo3magic.crate import path_dependencies
from pyo3magic.crate.cargo_project import local_folders
from pyo3magic.environment.cargo_config import cargo_home, home, source_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyo3magic.crate import Manifest
    from pyo3magic.environment.context import Context

__all__ = ["local_packages", "path_prefixes", "prefix_options", "prefixes_file", "write_prefixes"]

_SCOPED = (1, 95)
"""The first rustc that can leave its messages as they are (rustc book, ``--remap-path-scope``)."""
_NOTHING: Mapping[Path, str] = MappingProxyType({})


def prefixes_file(context: Context) -> Path | None:
    """Return the file with rustc's options for all crates in the context's target folder (see `write_prefixes`).

    With PYO3MAGIC_KEEP_PATHS=1 there is none. The file's path is one of cargo's facts about each library, so without
    that variable, a store that was copied to another folder compiles its libraries again.
    """
    return None if context.environ.get("PYO3MAGIC_KEEP_PATHS") == "1" else context.target_folder / "path-prefixes"


def write_prefixes(context: Context, local: Mapping[Path, str] = _NOTHING) -> None:
    """Write the file that `prefixes_file` names; it must exist when cargo or rustc starts.

    Args:
        context: where and with what to build; the target folder is locked (`pyo3magic.compile.cargo.target_folder`).
        local: other folders, and what to call each (`local_packages`).

    Raises:
        StoreError: the file cannot be written.
    """
    path = prefixes_file(context)
    if path is None:
        return
    text = "".join(f"{line}\n" for line in prefix_options(context, local))
    try:
        present = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        present = ""
    if present != text:
        context.store.write_text(path, text)


def prefix_options(context: Context, local: Mapping[Path, str] = _NOTHING) -> tuple[str, ...]:
    """Return rustc's options that replace the prefixes of paths.

    Args:
        context: where and with what to build.
        local: other folders, and what to call each (`local_packages`).
    """
    found = path_prefixes(context, local)
    options = [f"--remap-path-prefix={prefix}={name}" for prefix, name in found if _is_writable(prefix)]
    return (*options, *(("--remap-path-scope=object",) if context.toolchain.version >= _SCOPED else ()))


def path_prefixes(context: Context, local: Mapping[Path, str] = _NOTHING) -> tuple[tuple[str, str], ...]:
    """Return the prefixes of paths that differ between machines, and what replaces each.

    rustc uses the last prefix that fits, so the longest ones are at the end.

    Args:
        context: where and with what to build.
        local: other folders, and what to call each (`local_packages`).
    """
    cargo = Path(os.path.abspath(cargo_home(context.environ)))  # noqa: PTH100 - resolves no links
    chosen = {
        home(context.environ): "~",
        context.toolchain.sysroot: "rust",
        cargo: "cargo",
        **dict.fromkeys(_registries(cargo), ""),
        **dict.fromkeys(source_folders(context.directory, context.environ), ""),
        context.store.folder: "pyo3magic",
        context.target_folder: "target",
        **local,
    }
    found: dict[str, str] = {}
    for folder, name in chosen.items():
        for path in (folder, folder.resolve()):
            if path.is_absolute() and path != path.parent:
                found.setdefault(str(path), name)
    return tuple(sorted(found.items(), key=lambda item: (len(item[0]), item)))


def local_packages(manifest: Manifest) -> dict[Path, str]:
    """Return the folders of the packages that a manifest names by their paths, and what to call each.

    Args:
        manifest: the manifest; packages can name other packages.
    """
    folders = [folder for named in path_dependencies(manifest) for folder in local_folders(named / "Cargo.toml", named)]
    return {folder: folder.name for folder in folders}


def _registries(cargo: Path) -> Iterator[Path]:
    """Yield the folders in which cargo unpacks the crates of each registry; each registry has an index of that name."""
    registry = cargo / "registry"
    names = {path.name for kind in ("src", "index") for path in (registry / kind).glob("*")}
    yield from (registry / "src" / name for name in sorted(names))


def _is_writable(prefix: str) -> bool:
    """Return whether a path can be in a file of options, which has UTF-8 and an option on each line."""
    return not {"\n", "\r"} & set(prefix) and prefix.encode(errors="replace").decode() == prefix
