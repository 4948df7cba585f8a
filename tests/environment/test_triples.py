"""Which Rust target a Python belongs to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.triples import linker_variable, machine_of_interpreter, machine_of_triple, triple_of
from pyo3magic.errors import InterpreterError


@pytest.mark.parametrize(
    ("machine", "width", "platform", "libc", "triple"),
    [
        ("x86_64", 64, "linux-x86_64", "glibc", "x86_64-unknown-linux-gnu"),
        ("x86_64", 32, "linux-i686", "glibc", "i686-unknown-linux-gnu"),
        ("aarch64", 64, "linux-aarch64", "glibc", "aarch64-unknown-linux-gnu"),
        ("aarch64", 64, "linux-aarch64", "musl", "aarch64-unknown-linux-musl"),
        ("aarch64", 32, "linux-armv8l", "glibc", "armv7-unknown-linux-gnueabihf"),
        ("armv8l", 32, "linux-armv8l", "glibc", "armv7-unknown-linux-gnueabihf"),
        ("armv7l", 32, "linux-armv7l", "musl", "armv7-unknown-linux-musleabihf"),
        ("riscv64", 64, "linux-riscv64", "glibc", "riscv64gc-unknown-linux-gnu"),
        ("arm64", 64, "macosx-11.0-arm64", None, "aarch64-apple-darwin"),
        ("AMD64", 64, "win-amd64", None, "x86_64-pc-windows-msvc"),
        ("x86", 32, "win32", None, "i686-pc-windows-msvc"),
    ],
)
def test_triple(machine: str, width: int, platform: str, libc: str | None, triple: str) -> None:
    known = (libc, "") if libc else None
    there = replace(Interpreter.current(), machine=machine, pointer_width=width, platform=platform, libc=known)
    assert triple_of(there) == triple


def test_machine_without_a_target_is_named() -> None:
    with pytest.raises(InterpreterError, match="No Rust target is known"):
        triple_of(replace(Interpreter.current(), machine="vax", platform="linux-vax"))


LINUX = [
    ("x86_64", 64, "x86_64-unknown-linux-gnu", "EM_X86_64"),
    ("amd64", 64, "x86_64-unknown-linux-gnu", "EM_X86_64"),
    ("i686", 32, "i686-unknown-linux-gnu", "EM_386"),
    ("i486", 32, "i686-unknown-linux-gnu", "EM_386"),
    ("i386", 32, "i686-unknown-linux-gnu", "EM_386"),
    ("i586", 32, "i586-unknown-linux-gnu", "EM_386"),
    ("arm64", 64, "aarch64-unknown-linux-gnu", "EM_AARCH64"),
    ("armv7l", 32, "armv7-unknown-linux-gnueabihf", "EM_ARM"),
    ("armv6l", 32, "arm-unknown-linux-gnueabihf", "EM_ARM"),
    ("arm", 32, "arm-unknown-linux-gnueabihf", "EM_ARM"),
    ("armv5tel", 32, "armv5te-unknown-linux-gnueabi", "EM_ARM"),
    ("ppc64le", 64, "powerpc64le-unknown-linux-gnu", "EM_PPC64"),
    ("ppc64", 64, "powerpc64-unknown-linux-gnu", "EM_PPC64"),
    ("riscv64", 64, "riscv64gc-unknown-linux-gnu", "EM_RISCV"),
    ("riscv32", 32, "riscv32gc-unknown-linux-gnu", "EM_RISCV"),
    ("s390x", 64, "s390x-unknown-linux-gnu", "EM_S390"),
    ("loongarch64", 64, "loongarch64-unknown-linux-gnu", "EM_LOONGARCH"),
]


@pytest.mark.parametrize(("machine", "width", "triple", "elf"), LINUX)
def test_machines_on_linux(machine: str, width: int, triple: str, elf: str) -> None:
    libc = ("glibc", "2.36")
    there = replace(Interpreter.current(), machine=machine, pointer_width=width, platform="linux-x", libc=libc)
    assert triple_of(there) == triple
    found = machine_of_interpreter(there)
    assert found is not None
    assert (found.elf, found.pointer_width) == (elf, width)
    assert machine_of_triple(triple) is found


@pytest.mark.parametrize(
    ("rust", "zig", "multiarch", "windows", "apple"),
    [
        ("x86_64", "x86_64", "x86_64", "win-amd64", "x86_64"),
        ("aarch64", "aarch64", "aarch64", "win-arm64", "arm64"),
        ("i686", "x86", "i386", "win32", ""),
        ("i586", "x86", "i386", "win32", ""),
        ("armv7", "arm", "arm", "", ""),
        ("arm", "arm", "arm", "", ""),
        ("armv5te", "arm", "arm", "", ""),
        ("powerpc64le", "powerpc64le", "powerpc64le", "", ""),
        ("powerpc64", "powerpc64", "powerpc64", "", ""),
        ("riscv64gc", "riscv64", "riscv64", "", ""),
        ("riscv32gc", "riscv32", "riscv32", "", ""),
        ("s390x", "s390x", "s390x", "", ""),
        ("sparc64", "sparc64", "sparc64", "", ""),
    ],
)
def test_other_names_of_a_machine(rust: str, zig: str, multiarch: str, windows: str, apple: str) -> None:
    machine = machine_of_triple(f"{rust}-unknown-linux-gnu")
    assert (machine.zig or machine.rust, machine.multiarch or machine.names[0]) == (zig, multiarch)
    assert (machine.windows, machine.apple) == (windows, apple)


@pytest.mark.parametrize(
    ("platform", "triple"),
    [
        ("win-amd64", "x86_64-pc-windows-msvc"),
        ("win-arm64", "aarch64-pc-windows-msvc"),
        ("win32", "i686-pc-windows-msvc"),
    ],
)
def test_windows(platform: str, triple: str) -> None:
    assert triple_of(replace(Interpreter.current(), machine="?", platform=platform, libc=None)) == triple


@pytest.mark.parametrize(
    ("machine", "platform"), [("riscv64", "macosx-11.0-riscv64"), ("x86_64", "freebsd-14-amd64"), ("vax", "macosx-11")]
)
def test_systems_without_a_target(machine: str, platform: str) -> None:
    there = replace(Interpreter.current(), machine=machine, platform=platform, pointer_width=64)
    with pytest.raises(InterpreterError, match=f"on {platform}") as caught:
        triple_of(there)
    assert "--target" in caught.value.advice


def test_variable_that_names_a_linker() -> None:
    assert linker_variable("thumbv8m.main-none-eabi") == "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABI_LINKER"
