"""Advise on how to install Rust, and install it for this user only."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import ToolchainError

from .toolchain import MINIMUM_RUSTC

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["install_advice", "install_folder", "install_toolchain", "install_variables"]


def install_advice(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the ways to install Rust on this machine, one per line.

    Args:
        environ: the environment, for PATH and CONDA_PREFIX.
        platform: ``sys.platform``.
    """
    path = environ.get("PATH", "")
    lines = [
        "Install Rust {}.{} or newer in one of these ways:".format(*MINIMUM_RUSTC),
        "  %pyo3_info --install (in this notebook, for you only)",
    ]
    if platform == "win32":
        lines.append("  winget install Rustlang.Rustup, or rustup-init.exe from https://rustup.rs")
    else:
        lines.append("  rustup: the one-line command at https://rustup.rs")
    if environ.get("CONDA_PREFIX") or shutil.which("conda", path=path):
        lines.append("  conda install -c conda-forge rust")
    managers = {"brew": "brew install rust", "dnf": "sudo dnf install rust cargo", "apt-get": "sudo apt install rustup"}
    lines += [f"  {command}" for program, command in managers.items() if shutil.which(program, path=path)]
    return "\n".join(lines)


def install_folder() -> Path:
    """Return the folder into which `install_toolchain` installs Rust: puccinialin's, shared with its other users."""
    import platformdirs  # needed only if nothing else was found

    return Path(platformdirs.user_cache_dir("puccinialin"))


def install_variables(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the variables that select the toolchain in a folder."""
    return (("CARGO_HOME", str(folder / "cargo")), ("RUSTUP_HOME", str(folder / "rustup")))


def install_toolchain(location: Path | None = None) -> tuple[tuple[str, str], ...]:
    """Download rustup and a minimal Rust into ``location``, by default the folder where ``find_toolchain`` looks.

    Returns:
        The variables that select this toolchain.

    Raises:
        ToolchainError: the download fails, there is no Rust for this machine, or the disk is full.
    """
    import tempfile  # these imports are needed only here
    from subprocess import SubprocessError

    from puccinialin import setup_rust

    folder = location.absolute() if location is not None else install_folder()
    # A real file: the installer passes it to child processes, and a notebook's stderr may not be a file.
    with tempfile.TemporaryFile("w+", buffering=1, encoding="utf-8", errors="replace") as log:
        try:
            setup_rust(folder, file=log)
        except (Exception, SystemExit) as error:  # the errors of its HTTP client have no common base class
            log.seek(0)
            lines = log.read().strip().splitlines()
            said = lines[-1] if lines and isinstance(error, (SystemExit, SubprocessError)) else f"{error}"
            message = f"Rust could not be installed into {folder}: {said or type(error).__name__}"
            advice = "Check the network and the disk, or install Rust by hand.\n" + install_advice(os.environ)
            raise ToolchainError(message, advice=advice, details="\n".join(lines)) from error
    return install_variables(folder)
