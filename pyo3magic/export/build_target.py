"""The machine and system that an export is built for: this machine or another target, and which glibc."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.compile.build_environment import with_cargo_environment
from pyo3magic.environment.cross_linkers import prepare_target, zig_programs, zig_target
from pyo3magic.environment.link_args import is_darwin
from pyo3magic.environment.triples import linker_variable, machine_of_triple
from pyo3magic.errors import OptionError, ToolchainError

from .tags import DEPLOYMENT_TARGET, MACOS_WITHOUT_MINOR, macos_version

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

    from .tags import Platform

__all__ = ["BuildTarget", "make_build_target", "plain_platform", "program", "target_of_platform"]


@dataclass(frozen=True, slots=True)
class BuildTarget:
    """What an export is built for.

    Attributes:
        context: the context, its environment ready for cargo.
        triple: the Rust target.
        machine: the machine's name in platform tags.
        libc: ``glibc`` or ``musl`` on Linux, else empty.
    """

    context: Context
    triple: str
    machine: str
    libc: str


def program(name: str) -> str:
    """Path of a program that a package of the same name installs.

    It is looked for where pip puts scripts, since a kernel's PATH often lacks that folder: next to this Python, then
    among the scripts of its installation and of its user; then on PATH.

    Raises:
        ToolchainError: the program is not installed.
    """
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    folders = [str(Path(sys.executable).parent), *(sysconfig.get_path("scripts", scheme) for scheme in schemes)]
    found = shutil.which(name, path=os.pathsep.join(folders)) or shutil.which(name)
    if not found:
        raise ToolchainError(
            f"The program {name} is needed for this, and is not installed.",
            advice=f"Run: {sys.executable} -m pip install {name}",
        )
    return found


def target_of_platform(context: Context, platform: Platform, target: str = "") -> BuildTarget:
    """Prepare a context for ``--platform`` and ``--target``.

    Args:
        context: where and with what to build.
        platform: what ``--platform`` asks for.
        target: the Rust target; by default this machine's, with the libc that the platform promises.

    Raises:
        OptionError: the platform's machine or libc is not that of the target.
        ToolchainError: the target's standard library or a linker is missing.
        InterpreterError: the description of the target's Python is not understood.
    """
    triple = target or context.toolchain.host
    if platform.kind == "musllinux" and not target:
        triple = triple.replace("-gnu", "-musl")
    machine = machine_of_triple(triple).names[0]
    if platform.machine not in {"", machine}:
        raise OptionError(
            f"--platform names the machine {platform.machine}, but the target {triple} is for {machine}.",
            advice="Leave the machine out of --platform, or name a target for that machine with --target.",
        )
    libc = {"manylinux": "glibc", "musllinux": "musl"}.get(platform.kind, "")
    if libc and libc != _libc(triple):
        raise OptionError(
            f"{platform.kind} is a promise about {libc}, which the target {triple} does not have.",
            advice="Name another platform, or leave out --platform.",
        )
    return make_build_target(context, target=triple, glibc=platform.version if libc == "glibc" else None)


def _libc(triple: str) -> str:
    system = triple.rpartition("-")[2]
    return "" if "-linux-" not in triple else "musl" if system.startswith("musl") else "glibc"


def make_build_target(context: Context, *, target: str = "", glibc: tuple[int, int] | None = None) -> BuildTarget:
    """Prepare a context for a target.

    Args:
        context: where and with what to build.
        target: the Rust target; this machine's by default.
        glibc: oldest glibc that the module must run on, for a target with glibc; zig links against it.

    Raises:
        OptionError: MACOSX_DEPLOYMENT_TARGET is not a version of macOS.
        ToolchainError: the target's standard library or a linker is missing.
        InterpreterError: the description of the target's Python is not understood.
    """
    triple = target or context.toolchain.host
    if triple != context.toolchain.host:
        from pyo3magic.environment.cross_interpreter import cross_interpreter

        cross = prepare_target(triple, context.toolchain, context.store, context.environ)
        interpreter, _ = cross_interpreter(triple, context.environ)
        context = dataclasses.replace(context, cross=cross, interpreter=interpreter)
    machine = machine_of_triple(triple).names[0]
    ready = with_cargo_environment(context)
    environ = dict(ready.environ)
    purpose = ""
    if glibc is not None:
        linker = _zig_linker(context, triple, glibc)
        environ[linker_variable(triple)] = linker
        environ[f"CC_{triple.replace('-', '_')}"] = linker
        # Linkers are part of cargo's fingerprints: in the notebook's own folder this would compile everything anew.
        purpose = f"glibc{glibc[0]}.{glibc[1]}"
    elif is_darwin(triple):
        version = macos_version("arm64" if machine == "aarch64" else machine, environ.get(DEPLOYMENT_TARGET, ""))
        environ[DEPLOYMENT_TARGET] = f"{version[0]}.{version[1]}"
        purpose = f"macos{environ[DEPLOYMENT_TARGET]}"
    digest = hashlib.sha256(repr((ready.environment_digest, "export", purpose)).encode()).hexdigest()
    ready = dataclasses.replace(ready, environ=environ, environment_digest=digest, purpose=purpose)
    return BuildTarget(ready, triple, machine, _libc(triple))


def _zig_linker(context: Context, triple: str, glibc: tuple[int, int]) -> str:
    """Path of a program that links with zig against a version of glibc."""
    version = f"{glibc[0]}.{glibc[1]}"
    if importlib.util.find_spec("ziglang") is None:
        raise ToolchainError(
            f"Linking against glibc {version} needs zig, which is not installed.",
            advice=f"Run: {sys.executable} -m pip install ziglang",
        )
    return zig_programs(context.store, zig_target(triple, version))[0]


def plain_platform(target: BuildTarget) -> str:
    """The platform tag that promises nothing beyond the system that the module was built for."""
    if "-linux-" in target.triple:
        return f"linux_{target.machine}"
    if "-apple-darwin" in target.triple:
        machine = "arm64" if target.machine == "aarch64" else target.machine
        major, minor = macos_version(machine, target.context.environ.get(DEPLOYMENT_TARGET, ""))
        return f"macosx_{major}_{minor if major < MACOS_WITHOUT_MINOR else 0}_{machine}"
    return re.sub(r"[-.]", "_", target.context.interpreter.platform)
