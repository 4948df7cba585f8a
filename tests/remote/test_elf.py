"""Files and machines that fit, and those that do not."""

from __future__ import annotations

import shutil
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.elf import _glibc, check_fits, read_elf
from pyo3magic.remote.target import TargetMismatchError

HERE = Interpreter.current()

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ELF files are looked for in the running Python")


@pytest.fixture(scope="module")
def native() -> Path:
    """An extension module or program of this machine."""
    import _ctypes

    return Path(getattr(_ctypes, "__file__", None) or sys.executable).resolve()


def test_this_machines_files_fit(native: Path) -> None:
    elf = read_elf(native)
    assert elf is not None
    assert elf.pointer_width == HERE.pointer_width
    assert "libc.so.6" in elf.needed
    check_fits(native, HERE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": "aarch64"}, "is built for x86_64, 64 bits; the kernel runs"),
        ({"machine": "aarch64", "pointer_width": 32}, "32 bits"),
        ({"machine": "x86_64", "pointer_width": 32}, "32 bits"),
        ({"machine": "armv7l", "pointer_width": 32}, "32 bits"),
        ({"libc": ("musl", "1.2.4")}, "needs glibc; the kernel's Python uses musl"),
        ({"libc": ("glibc", "2.1")}, r"needs glibc 2\.\d+; the kernel's machine has 2.1"),
    ],
)
def test_others_do_not(native: Path, changes: dict[str, Any], message: str) -> None:
    if HERE.machine != "x86_64":
        pytest.skip("the table is written for x86-64")
    with pytest.raises(TargetMismatchError, match=message):
        check_fits(native, replace(HERE, **changes))


def test_the_glibc_that_is_needed_is_enough(native: Path) -> None:
    elf = read_elf(native)
    assert elf is not None
    assert elf.glibc > (2,)
    needed = ".".join(map(str, elf.glibc))
    older = ".".join(map(str, (*elf.glibc[:-1], elf.glibc[-1] - 1)))
    for version in (needed, f"{needed}.", f"{needed}.1", "3"):
        check_fits(native, replace(HERE, libc=("glibc", version)))
    check_fits(native, replace(HERE, libc=("glibc", "")))
    with pytest.raises(TargetMismatchError, match=f"needs glibc {needed}; the kernel's machine has {older}"):
        check_fits(native, replace(HERE, libc=("glibc", older)))


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("GLIBC_2.34", (2, 34)),
        ("GLIBC_2.2.5", (2, 2, 5)),
        ("GLIBC_PRIVATE", ()),
        ("GLIBC_ABI_DT_RELR", ()),
        ("2.34", ()),
    ],
)
def test_versions_of_symbols(name: str, version: tuple[int, ...]) -> None:
    assert _glibc(name) == version


def test_unknown_machines_and_libcs_are_not_judged(native: Path) -> None:
    check_fits(native, replace(HERE, machine="newcpu"))
    check_fits(native, replace(HERE, libc=None))


def test_what_is_no_elf_file(tmp_path: Path, native: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no")
    assert read_elf(text) is None
    check_fits(text, HERE, data=True)
    with pytest.raises(TargetMismatchError, match="is not an ELF file"):
        check_fits(text, HERE)
    check_fits(text, replace(HERE, platform="win-amd64"))


@pytest.mark.parametrize("keep", [5, 40, 64, 4000])
def test_truncated_files_are_refused(tmp_path: Path, native: Path, keep: int) -> None:
    copy = tmp_path / "cut.so"
    copy.write_bytes(native.read_bytes()[:keep])
    with pytest.raises(TargetMismatchError, match="damaged"):
        read_elf(copy)


def test_damaged_section_table_is_refused(tmp_path: Path, native: Path) -> None:
    copy = tmp_path / "bad.so"
    shutil.copy(native, copy)
    with copy.open("r+b") as file:
        file.seek(0x28)  # e_shoff of a 64-bit file
        file.write(struct.pack("<Q", 1 << 60))
    with pytest.raises(TargetMismatchError, match="damaged"):
        read_elf(copy)
