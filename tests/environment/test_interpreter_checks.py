from __future__ import annotations

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.errors import InterpreterError

from .samples import LINUX


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("implementation", "Jython"),
        ("implementation", None),
        ("version", [2, 7]),
        ("version", [3, 100]),
        ("version", [3, -1]),
        ("version", [3, True]),
        ("version", "3.11"),
        ("version", [3, 11, 7]),
        ("full_version", "3.11.7\n"),
        ("full_version", "3.11"),
        ("full_version", "3.1.1"),
        ("abiflags", "D"),
        ("ext_suffix", "/../x.so"),
        ("ext_suffix", "...so"),
        ("ext_suffix", ".so\n"),
        ("ext_suffix", ".exe"),
        ("ext_suffix", "." + "a" * 81 + ".so"),
        ("soabi", "a b"),
        ("pointer_width", 16),
        ("pointer_width", "64"),
        ("pointer_width", 64.0),
        ("debug", 1),
        ("gil_disabled", "False"),
        ("shared", None),
        ("lib_name", "a/b"),
        ("lib_name", "python\nextra_build_script_line=cargo:x"),
        ("lib_dir", "/lib\nextra_build_script_line=cargo:x"),
        ("lib_dir", "/" + "a" * 4096),
        ("executable", "/bin/\x00"),
        ("executable", "/bin/\udcff"),
        ("base_prefix", "/usr\u2028"),
        ("framework_prefix", 0),
        ("platform", "linux x86"),
        ("machine", "../.."),
        ("libc", ["glibc", "2.36\n"]),
        ("libc", ["uclibc", "1"]),
        ("libc", ["glibc"]),
        ("libc", [[], {}]),
        ("libc", "glibc"),
    ],
)
def test_implausible_fact_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InterpreterError, match=name):
        Interpreter.from_facts({**LINUX.facts(), name: value})


def test_missing_and_unknown_facts_are_refused() -> None:
    facts = LINUX.facts()
    del facts["machine"]
    with pytest.raises(InterpreterError, match="lacks 'machine'"):
        Interpreter.from_facts(facts)
    with pytest.raises(InterpreterError, match="contains 'path'"):
        Interpreter.from_facts({**LINUX.facts(), "path": "/"})


def test_too_old_python_is_refused() -> None:
    with pytest.raises(InterpreterError, match=r"3\.6\.15 is too old"):
        Interpreter.from_facts({**LINUX.facts(), "version": [3, 6], "full_version": "3.6.15"})
