"""What is known of the Python of another machine, and from where."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.cross_interpreter import cross_interpreter
from pyo3magic.environment.triples import triple_of
from pyo3magic.errors import InterpreterError

if TYPE_CHECKING:
    from pathlib import Path

SYSCONFIG = """build_time_vars = {'ABIFLAGS': '',
 'EXT_SUFFIX': '.cpython-311-arm-linux-gnueabihf.so',
 'Py_DEBUG': 0,
 'VERSION': '3.11'}
"""


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


@pytest.mark.parametrize(
    ("old", "words"),
    [("PYO3_CROSS_INCLUDE_DIR", "no longer needed"), ("PYTHON_SYS_EXECUTABLE", "old name for PYO3_PYTHON")],
)
def test_old_names_are_understood_with_a_note(old: str, words: str) -> None:
    environ = {old: "/usr/include", "PYO3_CROSS_PYTHON_VERSION": "3.11"}
    interpreter, (note,) = cross_interpreter("aarch64-unknown-linux-gnu", environ)
    assert interpreter.version == (3, 11)
    assert note.startswith(old)
    assert words in note


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PYO3_CONFIG_FILE", "relative.txt", "needs an absolute path"),
        ("PYO3_CONFIG_FILE", "/no/such/file.txt", "cannot be read"),
        ("PYO3_CROSS_LIB_DIR", "/no/such/folder", "is not a folder"),
        ("PYO3_CROSS_PYTHON_VERSION", "three", "is not a version"),
    ],
)
def test_what_is_wrong_is_named(variable: str, value: str, words: str) -> None:
    with pytest.raises(InterpreterError, match=words):
        cross_interpreter("aarch64-unknown-linux-gnu", {variable: value})
