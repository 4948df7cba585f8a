"""The cargo and rustc that build cells."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MINIMUM_GLIBC", "MINIMUM_RUSTC", "Toolchain"]

MINIMUM_RUSTC = (1, 85, 0)
"""The first rustc with edition 2024, and the oldest that pyo3 0.30 supports."""
MINIMUM_GLIBC = (2, 17)
"""The oldest glibc that Rust's standard library supports (rustc book, "Platform Support")."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A cargo and the rustc it starts.

    Attributes:
        cargo: path of cargo, possibly rustup's proxy.
        rustc: path of the real compiler, never rustup's proxy.
        sysroot: folder of the compiler's own libraries.
        host: the triple of this machine.
        version: rustc's version.
        version_text: output of ``rustc -vV``.
        commit_hash: the commit from which rustc was built, or "unknown".
        cargo_version: output of ``cargo -V``.
        channel: stable, beta, nightly or dev.
        variables: the environment variables that select this toolchain.
    """

    cargo: Path
    rustc: Path
    sysroot: Path
    host: str
    version: tuple[int, int, int]
    version_text: str
    commit_hash: str
    cargo_version: str
    channel: str
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the facts that determine the compiler's output."""
        return _digest(self.version_text, self.cargo_version, os.fspath(self.sysroot))


@functools.lru_cache(maxsize=8)
def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
