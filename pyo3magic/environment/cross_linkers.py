"""Find a compiler and linker for another target.

The user's own configuration comes first, then the cross compiler that distributions ship, then zig from ``ziglang`` on
PyPI.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import ToolchainError

from .target_requirements import target_libdir_exists
from .toolchain import MINIMUM_GLIBC
from .triples import linker_variable, machine_of_triple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.store import Store

    from .toolchain import Toolchain

__all__ = ["CrossTarget", "prepare_target", "zig_programs", "zig_target"]

_TRIPLE = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_.]+){1,4}")
_GNU_PACKAGES = {
    "aarch64-unknown-linux-gnu": ("aarch64-linux-gnu", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    "armv7-unknown-linux-gnueabihf": ("arm-linux-gnueabihf", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
    "arm-unknown-linux-gnueabihf": ("arm-linux-gnueabihf", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
    "i686-unknown-linux-gnu": ("i686-linux-gnu", "gcc-i686-linux-gnu libc6-dev-i386-cross"),
    "powerpc64le-unknown-linux-gnu": ("powerpc64le-linux-gnu", "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross"),
    "riscv64gc-unknown-linux-gnu": ("riscv64-linux-gnu", "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"),
    "s390x-unknown-linux-gnu": ("s390x-linux-gnu", "gcc-s390x-linux-gnu libc6-dev-s390x-cross"),
    "x86_64-unknown-linux-gnu": ("x86_64-linux-gnu", "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"),
    "x86_64-pc-windows-gnu": ("x86_64-w64-mingw32", "gcc-mingw-w64-x86-64"),
}
"""Target to the prefix of its GNU tools and the Debian packages that contain them."""


@dataclass(frozen=True, slots=True)
class CrossTarget:
    """How to build for a target.

    Attributes:
        triple: rustc's name of the target.
        linker: the linker; empty if the user's own configuration names one.
        variables: additions to cargo's environment.
        notes: notes for the user.
    """

    triple: str
    linker: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def prepare_target(triple: str, toolchain: Toolchain, store: Store, environ: Mapping[str, str]) -> CrossTarget:
    """Find a compiler and linker for a target; nothing is installed.

    Args:
        triple: the Rust target.
        toolchain: the cargo and rustc to build with.
        store: the store, for the programs that run zig.
        environ: the environment.

    Raises:
        ToolchainError: the target does not exist, its standard library is missing, or no linker for it was found.
    """
    if not _TRIPLE.fullmatch(triple):
        raise ToolchainError(
            f"{triple!r} is not a target.",
            advice="`rustc --print target-list` lists them, for example aarch64-unknown-linux-gnu.",
        )
    if not target_libdir_exists(toolchain, triple):
        raise ToolchainError(
            f"Rust's standard library for {triple} is not installed in {toolchain.sysroot}.",
            advice=f"Run: rustup target add {triple} --toolchain {toolchain.sysroot.name}\n"
            "(for a Rust that does not come from rustup, install its distributor's standard library for the target)",
        )
    variable = linker_variable(triple)
    if triple == toolchain.host or environ.get(variable) or _configured(triple, environ):
        return CrossTarget(triple)
    prefix, packages = _GNU_PACKAGES.get(triple, ("", ""))
    gcc = shutil.which(f"{prefix}-gcc", path=environ.get("PATH")) if prefix else None
    if gcc:
        return CrossTarget(triple, gcc, _variables(triple, gcc, f"{prefix}-ar", environ))
    has_zig = importlib.util.find_spec("ziglang") is not None
    if has_zig and (zig := zig_target(triple, environ.get("PYO3MAGIC_GLIBC", ""))):
        linker, archiver = zig_programs(store, zig)
        return CrossTarget(triple, linker, _variables(triple, linker, archiver, environ))
    ways = [f"  pip install ziglang (into {sys.prefix})", f"  set {variable}"]
    if packages:
        ways.insert(0, f"  sudo apt install {packages}")
    raise ToolchainError(
        f"No linker for {triple} was found: none in cargo's configuration, no {prefix or triple}-gcc on PATH, no zig.",
        advice="Do one of these:\n" + "\n".join(ways),
    )


def _configured(triple: str, environ: Mapping[str, str]) -> bool:
    """Return whether a cargo configuration file names a linker for the target."""
    from .cargo_config import cargo_config_files

    texts = [path.read_bytes() for path in cargo_config_files(Path.cwd(), environ)]
    return any(_names_linker(text, triple) for text in texts if b"linker" in text)


def _names_linker(text: bytes, triple: str) -> bool:
    from pyo3magic.toml_reader import TomlError, read_toml  # few configurations need it

    try:
        targets = read_toml(text.decode()).get("target")
    except (TomlError, UnicodeDecodeError):  # cargo reports it when it reads the file
        return False
    table = targets.get(triple) if isinstance(targets, dict) else None
    return isinstance(table, dict) and "linker" in table


def _variables(triple: str, compiler: str, archiver: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables for cargo and the crate ``cc`` (dependencies in C); the user's own values take precedence."""
    path, name = environ.get("PATH"), triple.replace("-", "_")
    found = shutil.which(archiver, path=path) or shutil.which("ar", path=path)
    variables = {linker_variable(triple): compiler, f"CC_{name}": compiler} | ({f"AR_{name}": found} if found else {})
    return {key: environ.get(key, value) for key, value in variables.items()}


def zig_target(triple: str, glibc: str = "") -> str:
    """Return zig's name of a Linux target; empty for other systems.

    Args:
        triple: the Rust target.
        glibc: oldest glibc that the module must run on, such as 2.28; by default the oldest that Rust's standard
            library supports. It has no effect for musl.

    Raises:
        ToolchainError: ``glibc`` is not a version of glibc.
    """
    system, _, abi = triple.partition("-")[2].rpartition("-")
    if "linux" not in system.split("-"):
        return ""
    oldest = glibc or "{}.{}".format(*MINIMUM_GLIBC)
    if not re.fullmatch(r"2\.\d{1,2}", oldest):
        raise ToolchainError(
            f"PYO3MAGIC_GLIBC is {oldest!r}, which is not a version of glibc.", advice="Write for example 2.28."
        )
    machine = machine_of_triple(triple)
    return f"{machine.zig or machine.rust}-linux-{abi}{f'.{oldest}' if 'gnu' in abi else ''}"


def zig_programs(store: Store, target: str) -> tuple[str, str]:
    """Write two programs into the store that run this Python's ``ziglang``: a C compiler and linker, and ``ar``.

    Args:
        store: the store.
        target: zig's name of the target (`zig_target`).

    Returns:
        Their paths.

    Raises:
        StoreError: the programs cannot be written.
    """
    # rustc passes the target's own name for the machine, which zig does not know.
    keep_others = 'case "$argument" in --target=*) ;; *) set -- "$@" "$argument";; esac'
    loop = f"for argument; do shift; {keep_others}; done\n"
    linker = _zig_program(store, f"zig-{target}", loop, f"cc -target {target}")
    return linker, _zig_program(store, "zig-ar", "", "ar")


def _zig_program(store: Store, name: str, before: str, command: str) -> str:
    path = store.place("toolchains", name)
    package = importlib.util.find_spec("ziglang")
    folder = Path(package.origin).parents[1] if package is not None and package.origin else ""
    # In pip's isolated builds, PYTHONPATH hides the packages of this Python.
    variables = {"PYTHONPATH": folder, "ZIG_GLOBAL_CACHE_DIR": store.place("toolchains", "zig-cache")}
    exports = "".join(f"export {key}={shlex.quote(str(value))}\n" for key, value in variables.items())
    text = f'#!/bin/sh\n{exports}{before}exec {shlex.quote(sys.executable)} -m ziglang {command} "$@"\n'
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        store.write_text(path, text, executable=True)
    return str(path)
