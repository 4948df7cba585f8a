"""Which Rust target a Python on some machine belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyo3magic.errors import InterpreterError

if TYPE_CHECKING:
    from .interpreter import Interpreter

__all__ = ["triple_of"]

_ARCHITECTURES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "armv7l": "armv7",
    "armv8l": "armv7",
    "armv6l": "arm",
    "i686": "i686",
    "i386": "i686",
    "ppc64le": "powerpc64le",
    "riscv64": "riscv64gc",
    "s390x": "s390x",
}


def triple_of(interpreter: Interpreter) -> str:
    """The Rust target of a Python on Linux, macOS or Windows.

    Machine, pointer width and extension suffix are looked at together: a 32-bit userland on a 64-bit processor calls
    its machine ``armv8l`` or ``aarch64``.

    Raises:
        InterpreterError: no Rust target is known for it.
    """
    machine = interpreter.machine.lower()
    architecture = _ARCHITECTURES.get(machine, "")
    if interpreter.pointer_width == 32 and architecture in {"aarch64", "x86_64"}:  # noqa: PLR2004
        architecture = {"aarch64": "armv7", "x86_64": "i686"}[architecture]
    platform = interpreter.platform
    if architecture and platform.startswith("linux"):
        musl = interpreter.libc is not None and interpreter.libc[0] == "musl"
        hard_float = "eabihf" if architecture in {"armv7", "arm"} else ""
        return f"{architecture}-unknown-linux-{'musl' if musl else 'gnu'}{hard_float}"
    if architecture and platform.startswith("macosx"):
        return f"{architecture}-apple-darwin"
    if platform in {"win-amd64", "win-arm64", "win32"}:
        return {"win-amd64": "x86_64", "win-arm64": "aarch64", "win32": "i686"}[platform] + "-pc-windows-msvc"
    raise InterpreterError(
        f"No Rust target is known for {interpreter.name} on {platform}.",
        advice="Name one with --target; `rustc --print target-list` lists them.",
    )
