"""Artifacts of linked cells, and contexts of builds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.environment.context import Context
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.toolchain import Toolchain
from pyo3magic.store import Artifact, Store

if TYPE_CHECKING:
    from collections.abc import Mapping


def artifact(name: str, digest: str = "", cells: dict[str, str] | None = None, folder: Path = Path()) -> Artifact:
    return Artifact(
        digest=digest or name,
        folder=folder,
        module=name,
        file_name=f"{name}.so",
        sha256="",
        interpreter="",
        cells=cells or {},
    )


def make_context(folder: Path, environ: Mapping[str, str]) -> Context:
    """The context of a build that never starts."""
    toolchain = Toolchain(
        cargo=Path("/opt/bin/cargo"),
        rustc=Path("/opt/bin/rustc"),
        sysroot=folder / "sysroot",
        host="x86_64-unknown-linux-gnu",
        version=(1, 95, 0),
        version_text="rustc 1.95.0",
        commit_hash="abc",
        cargo_version="cargo 1.95.0",
        channel="stable",
    )
    return Context(Store(folder / "store"), Interpreter.current(), toolchain, environ, "environment", folder)
