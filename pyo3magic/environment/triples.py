"""A table of machine names, and the Rust target of a Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.errors import InterpreterError

if TYPE_CHECKING:
    from .interpreter import Interpreter

__all__ = ["Machine", "linker_variable", "machine_of_interpreter", "machine_of_triple", "triple_of"]


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of processor, and its names in different places.

    Attributes:
        rust: the first part of its Rust targets (``rustc --print target-list``).
        names: outputs of ``uname -m``, in lower case; the first is the name in Python's platform tags.
        pointer_width: bits of a pointer.
        elf: ``e_machine`` of its ELF files.
        narrow: Rust's name of the machine for a 32-bit userland on this processor; empty if there is none.
        abi: the text after ``gnu`` or ``musl`` in its Linux targets.
        zig: zig's name, if different from Rust's.
        multiarch: its name in the file names of CPython's extension modules on Linux, if different from ``names[0]``.
        windows: ``sysconfig.get_platform()`` on Windows.
        apple: its name on macOS.
    """

    rust: str
    names: tuple[str, ...]
    pointer_width: int = 64
    elf: str = ""
    narrow: str = ""
    abi: str = ""
    zig: str = ""
    multiarch: str = ""
    windows: str = ""
    apple: str = ""


_MACHINES = (
    Machine("x86_64", ("x86_64", "amd64"), elf="EM_X86_64", narrow="i686", windows="win-amd64", apple="x86_64"),
    Machine("aarch64", ("aarch64", "arm64"), elf="EM_AARCH64", narrow="armv7", windows="win-arm64", apple="arm64"),
    Machine("i686", ("i686", "i386", "i486"), 32, "EM_386", zig="x86", multiarch="i386", windows="win32"),
    Machine("i586", ("i586",), 32, "EM_386", zig="x86", multiarch="i386", windows="win32"),
    Machine("armv7", ("armv7l", "armv8l"), 32, "EM_ARM", abi="eabihf", zig="arm", multiarch="arm"),
    Machine("arm", ("armv6l", "arm"), 32, "EM_ARM", abi="eabihf", zig="arm", multiarch="arm"),
    Machine("armv5te", ("armv5tel",), 32, "EM_ARM", abi="eabi", zig="arm", multiarch="arm"),
    Machine("powerpc64le", ("ppc64le",), elf="EM_PPC64", multiarch="powerpc64le"),
    Machine("powerpc64", ("ppc64",), elf="EM_PPC64", multiarch="powerpc64"),
    Machine("riscv64gc", ("riscv64",), elf="EM_RISCV", zig="riscv64"),
    Machine("riscv32gc", ("riscv32",), 32, "EM_RISCV", zig="riscv32"),
    Machine("s390x", ("s390x",), elf="EM_S390"),
    Machine("loongarch64", ("loongarch64",), elf="EM_LOONGARCH"),
)
_BY_RUST = {machine.rust: machine for machine in _MACHINES}
_BY_NAME = {name: machine for machine in _MACHINES for name in machine.names}


def machine_of_triple(triple: str) -> Machine:
    """Return the machine of a Rust target; a machine that is not in the table is assumed to have 64 bits."""
    architecture = triple.partition("-")[0]
    return _BY_RUST.get(architecture) or Machine(architecture, (architecture,))


def machine_of_interpreter(interpreter: Interpreter) -> Machine | None:
    """Return the machine that a Python's modules must be built for; None if it is not in the table.

    Both name and pointer width count: a 32-bit userland on a 64-bit processor calls its machine ``armv8l`` or
    ``aarch64``.
    """
    machine = _BY_NAME.get(interpreter.machine.lower())
    if machine is not None and interpreter.pointer_width < machine.pointer_width and machine.narrow:
        return _BY_RUST[machine.narrow]
    return machine


def triple_of(interpreter: Interpreter) -> str:
    """Return the Rust target of a Python on Linux, macOS or Windows.

    Raises:
        InterpreterError: no Rust target is known for this Python.
    """
    machine, platform = machine_of_interpreter(interpreter), interpreter.platform
    if machine is not None and platform.startswith("linux"):
        libc = "musl" if interpreter.libc is not None and interpreter.libc[0] == "musl" else "gnu"
        return f"{machine.rust}-unknown-linux-{libc}{machine.abi}"
    if machine is not None and machine.apple and platform.startswith("macosx"):
        return f"{machine.rust}-apple-darwin"
    for known in _MACHINES:
        if platform == known.windows:
            return f"{known.rust}-pc-windows-msvc"
    raise InterpreterError(
        f"No Rust target is known for {interpreter.name} on {platform}.",
        advice="Name the target with --target; `rustc --print target-list` lists all targets.",
    )


def linker_variable(triple: str) -> str:
    """Return the variable that names a target's linker (cargo reference, ``target.<triple>.linker``)."""
    return f"CARGO_TARGET_{triple.upper().replace('-', '_').replace('.', '_')}_LINKER"
