"""For what an export is built: this machine or another target, and which glibc."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.compile.build_environment import with_cargo_environment
from pyo3magic.environment.link_args import is_darwin
from pyo3magic.environment.triples import linker_variable, machine_of_triple
from pyo3magic.errors import OptionError, ToolchainError

from .tags import DEPLOYMENT_TARGET, MACOS_WITHOUT_MINOR, macos_version

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

__all__ = ["DIST_ADVICE", "Variant", "make_variant", "program"]

DIST_ADVICE = "Install it with: pip install 'pyo3magic[dist]'"
_ZIG = {"i686": "x86", "armv7": "arm", "riscv64gc": "riscv64"}


@dataclass(frozen=True, slots=True)
class Variant:
    """What a build is for.

    Attributes:
        context: the context, its environment ready for cargo.
        target: the target triple.
        machine: the machine's name in platform tags.
        libc: ``glibc`` or ``musl`` on Linux, else empty.
    """

    context: Context
    target: str
    machine: str
    libc: str


def program(name: str) -> str:
    """Path of a program that one of the ``dist`` extra's packages installs.

    Raises:
        ToolchainError: it is not there.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise ToolchainError(f"The program {name} is needed for this, and is not installed.", advice=DIST_ADVICE)
    return found


def make_variant(context: Context, *, target: str = "", glibc: tuple[int, int] | None = None) -> Variant:
    """Prepare a context for a target.

    Args:
        context: where and with what to build.
        target: the target triple; this machine's by default.
        glibc: link with zig against this version of glibc.

    Raises:
        OptionError: a glibc is asked for on a target that has none.
        ToolchainError: the target's standard library or a linker is missing.
        InterpreterError: the target's Python is described in a way that is not understood.
    """
    triple = target or context.toolchain.host
    if triple != context.toolchain.host:
        from pyo3magic.environment.cross_interpreter import cross_interpreter
        from pyo3magic.environment.cross_linkers import prepare_target

        cross = prepare_target(triple, context.toolchain, context.store, context.environ)
        interpreter, _ = cross_interpreter(triple, context.environ)
        context = dataclasses.replace(context, cross=cross, interpreter=interpreter)
    system = triple.rpartition("-")[2]
    libc = "" if "-linux-" not in triple else "musl" if system.startswith("musl") else "glibc"
    if glibc is not None and libc != "glibc":
        raise OptionError(
            f"manylinux is a promise about glibc, which the target {triple} does not have.",
            advice="Choose musllinux_1_2 or linux, or leave out --platform.",
        )
    machine = machine_of_triple(triple).names[0]
    ready = with_cargo_environment(context)
    environ = dict(ready.environ)
    purpose = ""
    if glibc is not None:
        linker = _zig(context, triple, glibc)
        environ[linker_variable(triple)] = str(linker)
        environ[f"CC_{triple.replace('-', '_')}"] = str(linker)
        # Linkers are part of cargo's fingerprints: in the notebook's own folder this would compile everything anew.
        purpose = f"glibc{glibc[0]}.{glibc[1]}"
    elif is_darwin(triple):
        version = macos_version("arm64" if machine == "aarch64" else machine, environ.get(DEPLOYMENT_TARGET, ""))
        environ[DEPLOYMENT_TARGET] = f"{version[0]}.{version[1]}"
        purpose = f"macos{environ[DEPLOYMENT_TARGET]}"
    digest = hashlib.sha256(repr((ready.environment_digest, "export", purpose)).encode()).hexdigest()
    return Variant(
        dataclasses.replace(ready, environ=environ, environment_digest=digest, purpose=purpose), triple, machine, libc
    )


def _zig(context: Context, triple: str, glibc: tuple[int, int]) -> Path:
    """A linker that is zig with a chosen glibc, by maturin's wrapper, which filters rustc's arguments."""
    package = importlib.util.find_spec("ziglang")
    if package is None and shutil.which("zig") is None:
        raise ToolchainError(
            f"Linking against glibc {glibc[0]}.{glibc[1]} needs zig, which is not installed.", advice=DIST_ADVICE
        )
    machine, _, system = triple.partition("-")
    wanted = f"{_ZIG.get(machine, machine)}-linux-{system.rpartition('-')[2]}.{glibc[0]}.{glibc[1]}"
    cache = shlex.quote(str(context.store.place("toolchains", "zig")))
    # It asks rustc for its version, and Python for zig: neither has to be on the PATH, and pip's isolation hides both.
    found = shlex.quote(str(Path(package.origin).parents[1])) if package is not None and package.origin else ""
    text = (
        "#!/bin/sh\n"
        f"export CARGO_ZIGBUILD_PYTHON_PATH={shlex.quote(sys.executable)} PYTHONPATH={found}\n"
        f'export PATH={shlex.quote(str(context.toolchain.rustc.parent))}:"$PATH"\n'
        f"export CARGO_ZIGBUILD_CACHE_DIR={cache} ZIG_GLOBAL_CACHE_DIR={cache}\n"
        f'exec {shlex.quote(program("maturin"))} zig cc -- -g -fno-sanitize=all -target {wanted} "$@"\n'
    )
    path = context.store.place("toolchains", f"zigcc-{hashlib.sha256(text.encode()).hexdigest()[:16]}.sh")
    if not path.exists():
        context.store.write_text(path, text)
        path.chmod(0o700)
    return path


def plain_platform(variant: Variant) -> str:
    """The platform tag that promises nothing beyond what the module was built on."""
    interpreter = variant.context.interpreter
    if "-linux-" in variant.target:
        return f"linux_{variant.machine}"
    if "-apple-darwin" in variant.target:
        machine = "arm64" if variant.machine == "aarch64" else variant.machine
        major, minor = macos_version(machine, variant.context.environ.get(DEPLOYMENT_TARGET, ""))
        return f"macosx_{major}_{minor if major < MACOS_WITHOUT_MINOR else 0}_{machine}"
    return re.sub(r"[-.]", "_", interpreter.platform)
