"""Targets, their linkers, and the facts of their Pythons; real builds under qemu's eyes where .ci/cross has set them up."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import build
from pyo3magic.cross import cross_interpreter, triple_of
from pyo3magic.errors import InterpreterError, ToolchainError
from pyo3magic.interpreter import Interpreter
from pyo3magic.targets.elf import read_elf

if TYPE_CHECKING:
    from pathlib import Path

SYSCONFIG = """build_time_vars = {'ABIFLAGS': '',
 'EXT_SUFFIX': '.cpython-311-arm-linux-gnueabihf.so',
 'Py_DEBUG': 0,
 'VERSION': '3.11'}
"""


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


@pytest.mark.parametrize(
    ("triple", "suffix"),
    [
        ("aarch64-unknown-linux-gnu", ".cpython-311-aarch64-linux-gnu.so"),
        ("armv7-unknown-linux-gnueabihf", ".cpython-311-arm-linux-gnueabihf.so"),
        ("x86_64-unknown-linux-musl", ".cpython-311-x86_64-linux-musl.so"),
        ("aarch64-apple-darwin", ".cpython-311-darwin.so"),
        ("x86_64-pc-windows-gnu", ".cp311-win_amd64.pyd"),
    ],
)
def test_file_name_on_a_target(triple: str, suffix: str) -> None:
    interpreter, notes = cross_interpreter(triple, {"PYO3_CROSS_PYTHON_VERSION": "3.11"})
    assert interpreter.ext_suffix == suffix
    assert triple_of(interpreter).partition("-")[0] == triple.partition("-")[0]
    assert notes == ()


def test_facts_from_a_root_file_system(tmp_path: Path) -> None:
    (tmp_path / "python3.11").mkdir()
    (tmp_path / "python3.11" / "_sysconfigdata__arm-linux-gnueabihf.py").write_text(SYSCONFIG)
    interpreter, _ = cross_interpreter("armv7-unknown-linux-gnueabihf", {"PYO3_CROSS_LIB_DIR": str(tmp_path)})
    assert (interpreter.version, interpreter.pointer_width) == ((3, 11), 32)
    assert interpreter.ext_suffix == ".cpython-311-arm-linux-gnueabihf.so"


def test_several_pythons_need_a_version(tmp_path: Path) -> None:
    for version in ("3.10", "3.11"):
        (tmp_path / f"python{version}").mkdir()
        text = SYSCONFIG.replace("3.11", version).replace("311", version.replace(".", ""))
        (tmp_path / f"python{version}" / "_sysconfigdata_x.py").write_text(text)
    environ = {"PYO3_CROSS_LIB_DIR": str(tmp_path)}
    with pytest.raises(InterpreterError, match="several Pythons"):
        cross_interpreter("armv7-unknown-linux-gnueabihf", environ)
    found, _ = cross_interpreter("armv7-unknown-linux-gnueabihf", {**environ, "PYO3_CROSS_PYTHON_VERSION": "3.10"})
    assert found.version == (3, 10)


def test_configuration_file_goes_first(tmp_path: Path) -> None:
    file = tmp_path / "pyo3.txt"
    file.write_text("implementation=CPython\nversion=3.12\npointer_width=64\n")
    environ = {"PYO3_CONFIG_FILE": str(file), "PYO3_CROSS_PYTHON_VERSION": "3.11"}
    assert cross_interpreter("aarch64-unknown-linux-gnu", environ)[0].version == (3, 12)


def test_without_facts_it_is_a_python_like_this_one_and_a_note_says_so() -> None:
    interpreter, (note,) = cross_interpreter("aarch64-unknown-linux-gnu", {})
    assert interpreter.version == sys.version_info[:2]
    assert "PYO3_CROSS_PYTHON_VERSION" in note


def test_old_name_is_understood_with_a_note() -> None:
    environ = {"PYO3_CROSS_INCLUDE_DIR": "/usr/include", "PYO3_CROSS_PYTHON_VERSION": "3.11"}
    assert "no longer needed" in cross_interpreter("aarch64-unknown-linux-gnu", environ)[1][0]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PYO3_CONFIG_FILE", "relative.txt", "only an absolute path"),
        ("PYO3_CONFIG_FILE", "/no/such/file.txt", "cannot be read"),
        ("PYO3_CROSS_LIB_DIR", "/no/such/folder", "is no folder"),
        ("PYO3_CROSS_PYTHON_VERSION", "three", "is not one"),
    ],
)
def test_what_is_wrong_is_named(variable: str, value: str, words: str) -> None:
    with pytest.raises(InterpreterError, match=words):
        cross_interpreter("aarch64-unknown-linux-gnu", {variable: value})


@pytest.mark.cargo
@pytest.mark.parametrize(
    ("target", "words"),
    [("no target", "is not a target"), ("sparc64-unknown-linux-gnu", "rustup target add|standard library")],
)
def test_target_that_cannot_be_built_for(target: str, words: str, store: Path) -> None:
    with pytest.raises(ToolchainError, match=words):
        build("pub fn f() {}", target=target, store=store)


@pytest.mark.cargo
@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("PYO3MAGIC_CROSS"), reason="PYO3MAGIC_CROSS is not set: run .ci/cross, then source its env.sh"
)
@pytest.mark.parametrize(
    ("target", "machine"),
    [("aarch64-unknown-linux-gnu", "EM_AARCH64"), ("armv7-unknown-linux-gnueabihf", "EM_ARM")],
)
def test_module_for_a_target(target: str, machine: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSTC", os.environ["PYO3MAGIC_CROSS_RUSTC"])
    monkeypatch.setenv("PATH", f"{os.environ['PYO3MAGIC_CROSS']}/bin", prepend=os.pathsep)
    monkeypatch.setenv("PYO3_CROSS_PYTHON_VERSION", "3.11")
    built = build("pub fn f() -> i64 { 4 }", target=target, store=store)
    facts = read_elf(built.path)
    assert facts is not None
    assert facts.machine == machine
    with pytest.raises(InterpreterError, match="another Python"):
        built.load()
