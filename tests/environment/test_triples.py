"""Which Rust target a Python belongs to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.triples import triple_of
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
