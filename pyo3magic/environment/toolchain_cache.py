"""Cache a toolchain in a file, valid until one of the facts that it depends on changes.

rustup's proxies take 13 ms to start, so the real compiler behind them is looked up once for all processes.
"""
# A cache hit must be fast, and os.path is several times faster than pathlib.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.store.files import replace_file
from pyo3magic.store.records import pack_record, unpack_record

from .cargo_config import home
from .snapshot import content, is_file, stamp
from .toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["key", "read_entry", "write_entry"]

_SCHEMA = 3
_EXE = ".exe" if os.name == "nt" else ""


def key(cargo: Path, rustc: Path, directory: Path, environ: Mapping[str, str]) -> str:
    """Return a digest (40 hexadecimal digits) of everything that determines which toolchain rustup's proxies start.

    Args:
        cargo: path of cargo.
        rustc: path of rustc.
        directory: the folder in which they are started.
        environ: the environment.
    """
    rustup_home = os.path.join(directory, environ.get("RUSTUP_HOME") or home(environ) / ".rustup")
    settings = _text(f"{rustup_home}/settings.toml")
    parts: list[object] = [_SCHEMA, os.fspath(cargo), stamp(cargo), os.fspath(rustc), stamp(rustc), settings]
    parts += sorted(
        pair for pair in environ.items() if pair[0].startswith("RUSTUP_") or pair[0] in {"RUSTC", "CARGO", "CARGO_HOME"}
    )
    parts += [rustup_home, stamp(f"{rustup_home}/toolchains"), _text("/etc/rustup/settings.toml")]
    if (settings or "").partition("[overrides]")[2].strip():
        parts.append(os.fspath(directory))
    parts += _toolchain_files(directory)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _toolchain_files(directory: Path) -> Iterator[tuple[str, str | None]]:
    folder, last = os.fspath(directory), ""
    while folder != last:
        for name in ("rust-toolchain", "rust-toolchain.toml"):
            path = os.path.join(folder, name)
            if is_file(path):
                yield path, _text(path)
        folder, last = os.path.dirname(folder), folder


def _text(path: str) -> str | None:
    found = content(path)
    return None if found is None else found.decode("utf-8", "surrogateescape")


def _witnesses(toolchain: Toolchain) -> dict[str, list[int] | None]:
    """Return the stamps of the files that change when this toolchain is updated or removed, by path."""
    manifest = "lib/rustlib/multirust-channel-manifest.toml"
    sysroot = os.fspath(toolchain.sysroot)
    files = (os.fspath(toolchain.rustc), f"{sysroot}/bin/cargo{_EXE}", f"{sysroot}/{manifest}")
    stamps = {path: stamp(path) for path in files}
    return {path: list(seen) if seen is not None else None for path, seen in stamps.items()}


def read_entry(entry: Path) -> Toolchain | None:
    """Return the toolchain in a cache file; None if the file is missing or damaged, or the toolchain has changed."""
    try:
        record: Any = unpack_record(content(entry) or b"")
        values = dict(record["toolchain"])
        values |= {name: Path(values[name]) for name in ("cargo", "rustc", "sysroot")}
        values |= {"version": tuple(values["version"]), "variables": tuple(map(tuple, values["variables"]))}
        toolchain, witnesses = Toolchain(**values), record["witnesses"]
    except (ValueError, TypeError, LookupError):  # written by another version of this package
        return None
    is_there = witnesses.get(os.fspath(toolchain.rustc)) is not None
    return toolchain if is_there and witnesses == _witnesses(toolchain) else None


def write_entry(entry: Path, toolchain: Toolchain) -> None:
    """Write a toolchain for `read_entry`; if that fails, the next process asks the toolchain again.

    Args:
        entry: the file; its folder is created if missing.
        toolchain: the toolchain.
    """
    record: dict[str, object] = {"toolchain": asdict(toolchain), "witnesses": _witnesses(toolchain)}
    with contextlib.suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(entry, pack_record(record))
