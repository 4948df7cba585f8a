"""Check a built file's ELF header and glibc symbols against a machine and its libc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.environment.triples import machine_of_interpreter

from .target import TargetMismatchError

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.interpreter import Interpreter

__all__ = ["ElfFacts", "check_fits", "read_elf"]


@dataclass(frozen=True, slots=True)
class ElfFacts:
    """Facts of an ELF file.

    Attributes:
        machine: the header's ``e_machine``, such as ``EM_X86_64``.
        pointer_width: 32 or 64 bits.
        little_endian: the byte order.
        glibc: the highest glibc version among the symbols that the file needs; empty without glibc.
        needed: names of the shared libraries that it needs.
    """

    machine: str
    pointer_width: int
    little_endian: bool
    glibc: tuple[int, ...]
    needed: tuple[str, ...]


def read_elf(path: Path) -> ElfFacts | None:
    """Read the facts of an ELF file; None for a file of another kind.

    Raises:
        TargetMismatchError: the file starts like an ELF file but is damaged.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return None
        try:
            elf = ELFFile(file)
            versions: list[tuple[int, ...]] = []
            needed: list[str] = []
            for section in elf.iter_sections():
                if isinstance(section, GNUVerNeedSection):
                    for _, auxiliaries in section.iter_versions():
                        versions += filter(None, (_glibc(auxiliary.name) for auxiliary in auxiliaries))
                elif isinstance(section, DynamicSection):
                    needed += [str(getattr(tag, "needed", "")) for tag in section.iter_tags("DT_NEEDED")]
            machine = str(elf["e_machine"])
            return ElfFacts(machine, elf.elfclass, elf.little_endian, max(versions, default=()), tuple(needed))
        except (ELFError, ValueError, KeyError, IndexError) as error:
            raise TargetMismatchError(
                f"{path.name} is a damaged ELF file: {error}.", advice="Build it again with --force."
            ) from None


def check_fits(path: Path, interpreter: Interpreter, *, data: bool = False) -> None:
    """Check that an interpreter's machine, pointer width and libc can load a file.

    Args:
        path: the file.
        interpreter: facts of the Python that is to load it.
        data: whether a file of another kind than ELF is acceptable.

    Raises:
        TargetMismatchError: the interpreter cannot load the file.
    """
    if not interpreter.platform.startswith("linux"):
        return
    elf = read_elf(path)
    if elf is None:
        if data:
            return
        raise TargetMismatchError(
            f"{path.name} is not an ELF file, but {interpreter.name} runs on Linux.", advice=_REBUILD
        )
    machine = machine_of_interpreter(interpreter)
    if (machine is not None and elf.machine != machine.elf) or elf.pointer_width != interpreter.pointer_width:
        built = f"{elf.machine.removeprefix('EM_').lower()}, {elf.pointer_width} bits"
        raise TargetMismatchError(
            f"{path.name} is built for {built}; the kernel runs {interpreter.name}, {interpreter.pointer_width} bits.",
            advice=_REBUILD,
        )
    if elf.glibc and interpreter.libc:
        kind, version = interpreter.libc
        text = ".".join(map(str, elf.glibc))
        if kind == "musl":
            raise TargetMismatchError(f"{path.name} needs glibc; the kernel's Python uses musl.", advice=_REBUILD)
        if version and tuple(map(int, version.strip(".").split("."))) < elf.glibc:
            raise TargetMismatchError(
                f"{path.name} needs glibc {text}; the kernel's machine has {version}.",
                advice="Build it for an older glibc: zig as the linker (`pip install ziglang`) can target any version.",
            )


_REBUILD = "Build it for that kernel: %%rust --on, or --target with its triple."


def _glibc(name: str) -> tuple[int, ...]:
    number = name.removeprefix("GLIBC_")
    return tuple(map(int, number.split("."))) if number != name and number.replace(".", "").isdigit() else ()
