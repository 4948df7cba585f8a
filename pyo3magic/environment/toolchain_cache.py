"""What was found out about a toolchain, kept with everything that could change the answer.

rustup's proxies take 13 ms to start, so the real compiler behind them is looked up once.
"""
# A hit must cost next to nothing, and os.path is several times faster than pathlib.
# ruff: noqa: PTH118, PTH120, PTH123

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cargo_config import home
from .snapshot import content, is_file, stamp
from .toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["key", "read_entry", "write_entry"]

_SCHEMA = 2
_EXE = ".exe" if os.name == "nt" else ""


def key(cargo: Path, rustc: Path, directory: Path, environ: Mapping[str, str]) -> str:
    """Return a digest of everything that decides which toolchain rustup's proxies start."""
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


def _witnesses(toolchain: Toolchain) -> dict[str, object]:
    """Return the state of the files that change when this toolchain is updated or removed."""
    manifest = "lib/rustlib/multirust-channel-manifest.toml"
    sysroot = os.fspath(toolchain.sysroot)
    files = (os.fspath(toolchain.rustc), f"{sysroot}/bin/cargo{_EXE}", f"{sysroot}/{manifest}")
    stamps = {path: stamp(path) for path in files}
    return {path: seen and list(seen) for path, seen in stamps.items()}


_read: dict[Path, tuple[object, object, Toolchain]] = {}


def read_entry(entry: Path) -> Toolchain | None:
    """Return a kept answer that still holds; anything odd about it means there is none."""
    seen = stamp(entry)
    before = _read.get(entry)
    if before is not None and before[0] == seen and before[1] == _witnesses(before[2]):
        return before[2]
    try:
        with open(entry, encoding="utf-8") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            kept = json.load(file)
        fields: dict[str, Any] = kept["toolchain"]
        toolchain = Toolchain(
            **{
                **fields,
                **{name: Path(fields[name]) for name in ("cargo", "rustc", "sysroot")},
                "version": (int(fields["version"][0]), int(fields["version"][1]), int(fields["version"][2])),
                "variables": tuple((str(name), str(value)) for name, value in fields["variables"]),
            }
        )
        texts = (
            toolchain.host,
            toolchain.version_text,
            toolchain.commit_hash,
            toolchain.cargo_version,
            toolchain.channel,
        )
        witnesses = _witnesses(toolchain)
        sound = all(isinstance(text, str) for text in texts) and witnesses[os.fspath(toolchain.rustc)] is not None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    if not sound or kept.get("witnesses") != witnesses:
        return None
    _read[entry] = (seen, witnesses, toolchain)
    return toolchain


def write_entry(entry: Path, toolchain: Toolchain) -> None:
    """Keep an answer; where that fails, it is only sought again."""
    text = json.dumps({"toolchain": asdict(toolchain), "witnesses": _witnesses(toolchain)}, default=os.fspath)
    part = entry.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):  # only costs time, next time
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            part.replace(entry)
        finally:
            part.unlink(missing_ok=True)
