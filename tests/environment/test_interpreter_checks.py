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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("libc", None),
        ("libc", ["musl", ""]),
        ("libc", ["musl", "1.2.4"]),
        ("libc", ("glibc", "2.36")),
        ("pointer_width", 32),
        ("soabi", ""),
        ("soabi", "a" * 80),
        ("abiflags", "t" * 8),
        ("lib_dir", ""),
        ("lib_dir", "/" + "ä" * 4095),
        ("lib_name", "a" * 60),
        ("platform", "a" * 60),
        ("machine", "a" * 40),
        ("ext_suffix", "_d.cp311-win_amd64.pyd"),
        ("ext_suffix", "." + "a" * 80 + ".so"),
        ("ext_suffix", ".so"),
        ("implementation", "PyPy"),
        ("implementation", "GraalPy"),
        ("debug", True),
        ("gil_disabled", True),
        ("shared", False),
    ],
)
def test_plausible_fact_is_taken_as_it_is(name: str, value: object) -> None:
    taken = Interpreter.from_facts({**LINUX.facts(), name: value}).facts()
    assert taken == {**LINUX.facts(), name: tuple(value) if isinstance(value, list) else value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("soabi", "a" * 81),
            ("abiflags", "t" * 9),
            ("lib_dir", "a" * 4097),
            ("lib_name", ""),
            ("lib_name", "a" * 61),
        ),
        *(("platform", "a" * 61), ("machine", "a" * 41), ("libc", ["glibc", "2." + "1" * 11]), ("version", [4, 0])),
        *(("full_version", "3.11.7" + "a" * 21), ("pointer_width", 33), ("libc", ["glibc", None]), ("machine", "")),
    ],
)
def test_fact_just_beyond_the_plausible_is_refused(name: str, value: object) -> None:
    with pytest.raises(InterpreterError, match=f"its {name} is .*, which is not possible"):
        Interpreter.from_facts({**LINUX.facts(), name: value})


@pytest.mark.parametrize(("version", "full"), [([3, 7], "3.7.0"), ([3, 99], "3.99.0"), ([3, 14], "3.14.0rc1+")])
def test_versions_at_the_limits(version: list[int], full: str) -> None:
    facts = {**LINUX.facts(), "version": version, "full_version": full}
    assert Interpreter.from_facts(facts).version == tuple(version)


def test_python_3_0_is_a_version_that_is_too_old() -> None:
    with pytest.raises(InterpreterError, match=r"3\.0\.1 is too old") as caught:
        Interpreter.from_facts({**LINUX.facts(), "version": [3, 0], "full_version": "3.0.1"})
    assert "--python" in caught.value.advice


def test_the_advice_for_facts_that_are_not_believed() -> None:
    with pytest.raises(InterpreterError, match=r"its full_version is 3\.12\.7 and its version 3\.11") as caught:
        Interpreter.from_facts({**LINUX.facts(), "full_version": "3.12.7"})
    assert "Choose another Python" in caught.value.advice


def test_missing_and_unknown_facts_are_refused() -> None:
    facts = LINUX.facts()
    del facts["machine"]
    with pytest.raises(InterpreterError, match="lacks 'machine'"):
        Interpreter.from_facts(facts)
    with pytest.raises(InterpreterError, match="contains an unknown field, 'path'"):
        Interpreter.from_facts({**LINUX.facts(), "path": "/"})


def test_too_old_python_is_refused() -> None:
    with pytest.raises(InterpreterError, match=r"3\.6\.15 is too old"):
        Interpreter.from_facts({**LINUX.facts(), "version": [3, 6], "full_version": "3.6.15"})
