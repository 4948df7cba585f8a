"""Choose the versions of a cell's dependencies once, and keep them in the store."""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

from pyo3magic.compile.cargo import run_cargo
from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure
from pyo3magic.crate.package import support_files
from pyo3magic.crate.pyo3_requirement import PYO3_RANGE
from pyo3magic.environment.build_options import Event
from pyo3magic.store.files import write_files
from pyo3magic.store.records import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pyo3magic.crate.manifest import Manifest
    from pyo3magic.environment.context import Context

__all__ = ["resolve"]


def resolve(context: Context, manifest: Manifest, *, like: str = "", cells: Iterable[tuple[str, bytes]] = ()) -> str:
    """Return the ``Cargo.lock`` for a manifest's dependencies from the store, or make one and store it.

    Args:
        context: where and with what to build.
        manifest: the manifest.
        like: another ``Cargo.lock``; its versions are preferred.
        cells: relative path and content of each file of used cells' packages.

    Raises:
        DependencyError: the dependencies cannot be resolved, or a registry cannot be reached.
    """
    kept = context.store.place("locks", f"{_digest(manifest, like)}.lock.toml")
    with contextlib.suppress(OSError):
        text = unsealed(context.store.existing("locks", kept.name).read_text(encoding="utf-8", errors="replace"))
        if text is not None and _pyo3_count(text) < 2:  # noqa: PLR2004 - one or zero
            return text
    context.report(Event("resolving", "choosing versions of the crates"))
    with context.store.workspace() as folder:
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").touch()
        if "build.rs" in manifest.text:
            (folder / "build.rs").write_text("fn main() {}\n", encoding="utf-8")
        (folder / "Cargo.toml").write_text(manifest.text, encoding="utf-8")
        write_files(folder, {f"support/{name}": text.encode() for name, text in support_files()} | dict(cells))
        # `update --workspace` keeps every version that is already in the lock file (cargo book, cargo-update).
        command = ["update", "--workspace"] if like else ["generate-lockfile"]
        if like:
            (folder / "Cargo.lock").write_text(like, encoding="utf-8")
        arguments: list[str | Path] = [*command, "--manifest-path", folder / "Cargo.toml"]
        finished = run_cargo(context, [*arguments, "--offline"] if context.offline else arguments)
        if finished.status != 0 and not context.offline and _is_network_failure(finished.stderr):
            offline = run_cargo(context, [*arguments, "--offline"])
            finished = offline if offline.status == 0 else finished
        if finished.status != 0:
            raise explain_cargo_failure(finished.stderr)
        text = (folder / "Cargo.lock").read_text(encoding="utf-8")
        if _pyo3_count(text) > 1 and not like:
            text = _with_one_pyo3(context, manifest, folder) or text
    context.store.write_text(kept, sealed(text))
    return text


def _with_one_pyo3(context: Context, manifest: Manifest, folder: Path) -> str:
    """Return a lock file with one pyo3 for a manifest that accepts a range of versions; empty if none exists.

    cargo picks the newest pyo3 first. For a crate that does not support it yet (`pythonize = "*"`), cargo then picks a
    version from before pyo3 had the ``links`` key that forbids two, instead of an older pyo3. Both lock files satisfy
    the manifest.
    """
    lowest, highest = (int(number) for number in re.findall(r"0\.(\d+)", PYO3_RANGE))
    if PYO3_RANGE not in manifest.text:
        return ""
    for below in range(highest - 1, lowest, -1):
        text = manifest.text.replace(PYO3_RANGE, f">=0.{lowest}, <0.{below}")
        (folder / "Cargo.toml").write_text(text, encoding="utf-8")
        (folder / "Cargo.lock").unlink()
        arguments: list[str | Path] = ["generate-lockfile", "--manifest-path", folder / "Cargo.toml"]
        finished = run_cargo(context, [*arguments, "--offline"] if context.offline else arguments)
        if finished.status != 0:
            return ""
        lock = (folder / "Cargo.lock").read_text(encoding="utf-8")
        if _pyo3_count(lock) == 1:
            return lock
    return ""


def _pyo3_count(lock: str) -> int:
    return lock.count('\nname = "pyo3"\n')


def _digest(manifest: Manifest, like: str) -> str:
    if not like:
        return manifest.dependencies_digest
    return hashlib.sha256(f"{manifest.dependencies_digest}\0{like}".encode()).hexdigest()


def _is_network_failure(stderr: str) -> bool:
    signs = (
        "spurious network error",
        "failed to download",
        "Could not resolve host",
        "download of",
        "Timeout was reached",
    )
    return any(sign in stderr for sign in signs)
