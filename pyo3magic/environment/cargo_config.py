"""cargo's folder and the configuration files that it reads (cargo reference, "Configuration")."""
# This runs for every cell, and os.path is several times faster than pathlib.
# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .snapshot import content, is_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["cargo_config_files", "cargo_home", "home"]


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
