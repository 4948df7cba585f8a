"""cargo's folder and the configuration files that it reads (cargo reference, "Configuration")."""
# This runs for every cell, and os.path is several times faster than pathlib.
# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .snapshot import content, is_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["cargo_config_files", "cargo_home", "home", "rustflags_key", "source_folders"]


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home folder, as rustup and cargo derive it from these variables."""
    return Path(environ.get("USERPROFILE" if os.name == "nt" else "HOME") or Path.home())


def cargo_home(environ: Mapping[str, str]) -> Path:
    """Return cargo's folder: CARGO_HOME, or its default."""
    configured = environ.get("CARGO_HOME")
    return Path(configured) if configured else home(environ) / ".cargo"


def cargo_config_files(directory: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the existing configuration files that cargo reads in ``directory``, highest precedence first.

    Cargo reference, "Hierarchical structure" and "Including extra configuration files": the folders upward, then
    CARGO_HOME; a ``config`` without extension wins over ``config.toml``. An included file follows its includer.
    """
    folder = os.path.abspath(directory)
    folders = [folder]
    while (parent := os.path.dirname(folder)) != folder:
        folders.append(parent)
        folder = parent
    candidates = [os.path.join(folder, ".cargo") for folder in folders]
    candidates.append(os.path.join(folders[0], cargo_home(environ)))
    found: dict[Path, None] = {}
    for candidate in dict.fromkeys(candidates):
        for name in ("config", "config.toml"):
            path = f"{candidate}{os.sep}{name}"
            if is_file(path):
                found.update(dict.fromkeys(_with_includes(Path(path), set())))
                break
    return tuple(found)


def rustflags_key(directory: Path, environ: Mapping[str, str], triple: str) -> str:
    """Return the configuration key under which compiler flags are added to the user's own, and replace none of them.

    Cargo reference, ``build.rustflags``: cargo joins the flags of ``target.<triple>`` and of each ``target.<cfg>`` that
    is true. Only if there are none, it uses the flags of ``build``.

    Args:
        directory: the folder in which cargo runs.
        environ: the environment.
        triple: the target.
    """
    tables = _tables(directory, environ, b"rustflags")
    target = f"CARGO_TARGET_{triple.upper().replace('-', '_')}_RUSTFLAGS"
    in_build = "CARGO_BUILD_RUSTFLAGS" in environ or any("rustflags" in _table(each, "build") for _, each in tables)
    in_target = target in environ or any("rustflags" in _table(each, "target", triple) for _, each in tables)
    return "build.rustflags" if in_build and not in_target else "target.'cfg(all())'.rustflags"


def source_folders(directory: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders with crates that replace a registry (cargo reference, "Source Replacement").

    Args:
        directory: the folder in which cargo runs.
        environ: the environment.
    """
    found: list[Path] = []
    for path, table in _tables(directory, environ, b"source"):
        for source in _table(table, "source").values():
            for key in ("directory", "local-registry"):
                place = source.get(key) if isinstance(source, dict) else None
                if isinstance(place, str):
                    found.append(Path(os.path.abspath(path.parent.parent / place)))
    return tuple(found)


def _tables(directory: Path, environ: Mapping[str, str], word: bytes) -> list[tuple[Path, dict[str, Any]]]:
    """Return path and content of each configuration file that contains a word, without those that cargo refuses."""
    found: list[tuple[Path, dict[str, Any]]] = []
    for path in cargo_config_files(directory, environ):
        text = content(path) or b""
        if word in text:
            import tomlkit  # takes 30 ms, and few configurations need it
            from tomlkit.exceptions import ParseError

            try:
                found.append((path, tomlkit.parse(text).unwrap()))
            except (ParseError, UnicodeDecodeError):
                continue
    return found


def _table(tables: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        inner = tables.get(name)
        tables = inner if isinstance(inner, dict) else {}
    return tables


def _with_includes(path: Path, seen: set[Path]) -> Iterator[Path]:
    text = content(path)
    if text is None or path in seen:
        return
    seen.add(path)
    yield path
    if b"include" not in text:
        return
    from pyo3magic.toml_reader import TomlError, read_toml  # few configurations need it

    try:
        entries = read_toml(text.decode()).get("include", [])
    except (TomlError, UnicodeDecodeError):  # cargo reports it when it reads the file
        return
    for entry in entries if isinstance(entries, list) else [entries]:
        name = entry.get("path") if isinstance(entry, dict) else entry
        if isinstance(name, str) and "\x00" not in name:
            yield from _with_includes(path.parent / name, seen)
