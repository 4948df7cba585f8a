"""Completes the lock file of an exported crate: it keeps the versions that the cells were built with."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure
from pyo3magic.process import run
from pyo3magic.store.records import sealed, unsealed

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.crate import Manifest
    from pyo3magic.environment.context import Context

__all__ = ["complete_lock", "settled_lock"]


def settled_lock(context: Context, manifest: Manifest, seed: str) -> str:
    """The ``Cargo.lock`` for a manifest, which cargo completes from another lock file; the store keeps it.

    Args:
        context: where and with what to build.
        manifest: the ``Cargo.toml``.
        seed: text of a lock file with the versions to keep.

    Raises:
        DependencyError: the dependencies cannot be resolved together, or a registry cannot be reached.
    """
    digest = hashlib.sha256(repr((manifest.dependencies_digest, seed)).encode()).hexdigest()
    kept = context.store.place("locks", f"export-{digest}.lock.toml")
    with contextlib.suppress(OSError):
        text = unsealed(kept.read_text(encoding="utf-8", errors="replace"))
        if text is not None:
            return text
    with context.store.workspace() as folder:
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").touch()
        (folder / "build.rs").touch()
        (folder / "Cargo.toml").write_text(manifest.text, encoding="utf-8")
        (folder / "Cargo.lock").write_text(seed, encoding="utf-8")
        text = complete_lock(context, folder)
    context.store.write_text(kept, sealed(text))
    return text


def complete_lock(context: Context, folder: Path) -> str:
    """Let cargo add missing packages to the ``Cargo.lock`` of the package in ``folder``.

    Returns:
        The text of the lock file.

    Raises:
        DependencyError: the dependencies cannot be resolved together, or a registry cannot be reached.
    """
    arguments: list[str | Path] = ["metadata", "--format-version=1", "--manifest-path", folder / "Cargo.toml"]
    for offline in (True, False):
        if offline is False and context.offline:
            break
        command = [context.toolchain.cargo, *arguments, *(["--offline"] if offline else [])]
        finished = run(command, cwd=folder, environ=dict(context.environ))
        if finished.status == 0:
            return (folder / "Cargo.lock").read_text(encoding="utf-8")
    raise explain_cargo_failure(finished.stderr)
