"""Find cargo and rustc, or advise on how to install them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import ToolchainError

from .cargo_config import cargo_home, home
from .snapshot import which
from .toolchain_cache import key, read_entry, write_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .toolchain import Toolchain

__all__ = ["cached_toolchain", "find_toolchain"]


def find_toolchain(*, directory: Path, environ: Mapping[str, str], cache: Path | None = None) -> Toolchain:
    """Find the toolchain that a cargo started in ``directory`` uses.

    The result is cached, so a second call, even from another process, starts no process. The name of the cache file is
    a digest of everything that could change the result, and the result is checked against the toolchain's files.

    Args:
        directory: the folder from which rustup looks upwards for a ``rust-toolchain.toml`` or an override.
        environ: the environment, for CARGO, RUSTC, PATH, CARGO_HOME, CONDA_PREFIX and rustup's variables.
        cache: a private folder for the cache files, created if missing; None to ask the toolchain every time.

    Raises:
        ToolchainError: cargo or rustc is missing, too old, or does not work.
    """
    directory = directory.absolute()
    cargo, variables = _find_cargo(environ)
    environ = {**environ, **dict(variables)}
    rustc = _find_rustc(cargo, environ)
    entry = cache / f"{key(cargo, rustc, directory, environ)}.json" if cache is not None else None
    toolchain = read_entry(entry) if entry else None
    if toolchain is None:
        from .toolchain_probe import examine  # starts processes

        toolchain = examine(cargo, rustc, directory, environ, variables)
        if entry:
            write_entry(entry, toolchain)
    return toolchain


def cached_toolchain(*, directory: Path, environ: Mapping[str, str], cache: Path) -> Toolchain | None:
    """Return the toolchain from the cache of `find_toolchain`; None if it is not cached, without starting a process."""
    directory = directory.absolute()
    try:
        cargo, variables = _find_cargo(environ)
        environ = {**environ, **dict(variables)}
        return read_entry(cache / f"{key(cargo, _find_rustc(cargo, environ), directory, environ)}.json")
    except ToolchainError:
        return None


def _find_cargo(environ: Mapping[str, str]) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """Return the first cargo found, and the variables that select its toolchain."""
    path = environ.get("PATH", "")
    if named := environ.get("CARGO"):
        if found := which(named, path=path):
            return Path(found), ()
        message = f"The variable CARGO names {named}, which is not an executable."
        raise ToolchainError(message, advice="Correct the variable, or remove it to use the cargo on PATH.")
    if found := which("cargo", path=path):
        return Path(found), ()
    folders = [cargo_home(environ) / "bin", home(environ) / ".cargo" / "bin"]
    for prefix in filter(None, (environ.get("CONDA_PREFIX"), sys.prefix)):
        folders += [Path(prefix, "bin"), Path(prefix, "Library", "bin")]
    for folder in folders:
        if found := which("cargo", path=os.fspath(folder)):
            return Path(found), ()
    from .install_rust import install_advice, install_folder, install_variables  # few machines need this

    installed = install_folder()
    if found := which("cargo", path=os.fspath(installed / "cargo" / "bin")):
        return Path(found), install_variables(installed)
    message = "cargo, which builds Rust cells, was not found: not on PATH, in CARGO_HOME, in ~/.cargo or in conda."
    raise ToolchainError(message, advice=install_advice(environ))


def _find_rustc(cargo: Path, environ: Mapping[str, str]) -> Path:
    """Return RUSTC, or the rustc next to cargo or on PATH; it may be rustup's proxy."""
    path = environ.get("PATH", "")
    named = environ.get("RUSTC")
    found = which(named, path=path) if named else None
    if named and not found:
        message = f"The variable RUSTC names {named}, which is not an executable."
        raise ToolchainError(message, advice="Correct the variable, or remove it to use cargo's own rustc.")
    found = found or which("rustc", path=os.fspath(cargo.parent)) or which("rustc", path=path)
    if not found:
        from .install_rust import install_advice

        message = f"cargo was found ({cargo}), but no rustc, neither next to it nor on PATH."
        raise ToolchainError(message, advice=install_advice(environ))
    return Path(found).absolute()
