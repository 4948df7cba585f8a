"""Look for a linker and Rust's standard library for a target."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .triples import linker_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .toolchain import Toolchain

__all__ = ["find_linker", "linker_advice", "target_libdir_exists"]


def target_libdir_exists(toolchain: Toolchain, target: str) -> bool:
    """Return whether the standard library of ``target`` is installed, without starting a process."""
    folder = toolchain.sysroot / "lib" / "rustlib" / target / "lib"
    return folder.is_dir() and any(folder.glob("libcore-*"))


def find_linker(toolchain: Toolchain, target: str, environ: Mapping[str, str]) -> Path | None:
    """Return the linker that rustc would use for a target, by PATH and CARGO_TARGET_..._LINKER; None if missing."""
    path = environ.get("PATH", "")
    configured = environ.get(linker_variable(target))
    if configured:
        found = shutil.which(configured, path=path)
        return Path(found) if found else None
    names = ["cc", "clang", "gcc"]
    machine, _, system = target.replace("-unknown-", "-").replace("-pc-", "-").partition("-")
    if target.endswith("-windows-msvc"):
        names = ["link.exe", "lld-link"]
    elif "windows-gnu" in target:
        names = [f"{machine}-w64-mingw32-gcc", *(["gcc"] if target == toolchain.host else [])]
    elif target != toolchain.host:
        names = [f"{'arm' if machine.startswith('armv') else machine}-{system}-gcc"]
    return next((Path(found) for name in names if (found := shutil.which(name, path=path))), None)


def linker_advice(platform: str = sys.platform) -> str:
    """Return advice on how to install a linker on a platform (``sys.platform``)."""
    if platform == "darwin":
        return "Run `xcode-select --install` for Apple's command line tools."
    if platform == "win32":
        return "Install 'Desktop development with C++' of the Visual Studio Build Tools."
    return (
        "Install gcc: `sudo apt install gcc libc6-dev`, `sudo dnf install gcc`, or `conda install -c conda-forge gcc`."
    )
