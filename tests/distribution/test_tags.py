from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from packaging.tags import sys_tags

from pyo3magic.distribution.tags import Tag, check_abi3, parse_abi3, parse_platform
from pyo3magic.errors import OptionError
from pyo3magic.interpreter import Interpreter

CURRENT = Interpreter.current()


@pytest.mark.parametrize(
    ("facts", "tag"),
    [
        ({"version": (3, 11), "abiflags": "", "gil_disabled": False}, "cp311-cp311"),
        ({"version": (3, 14), "abiflags": "t", "gil_disabled": True}, "cp314-cp314t"),
        (
            {"implementation": "PyPy", "version": (3, 11), "ext_suffix": ".pypy311-pp73-x86_64-linux-gnu.so"},
            "pp311-pypy311_pp73",
        ),
    ],
)
def test_tags_of_interpreters(facts: Any, tag: Any) -> None:
    interpreter = dataclasses.replace(
        CURRENT, implementation="CPython", debug=False, **{k: v for k, v in facts.items() if k != "implementation"}
    )
    interpreter = dataclasses.replace(interpreter, implementation=facts.get("implementation", "CPython"))
    assert str(Tag.of(interpreter, "linux_x86_64", None)) == f"{tag}-linux_x86_64"


def test_this_pythons_tag_is_one_that_pip_takes() -> None:
    platform = next(tag.platform for tag in sys_tags())
    assert str(Tag.of(CURRENT, platform, None)) in {str(tag) for tag in sys_tags()}
    assert str(Tag.of(CURRENT, platform, (3, 10))) in {str(tag) for tag in sys_tags()}


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        (
            Tag("cp311", "cp311", "manylinux_2_17_x86_64.manylinux2014_x86_64"),
            "Linux x86-64 with glibc 2.17 or newer, CPython 3.11",
        ),
        (Tag("cp310", "abi3", "manylinux_2_34_aarch64"), "Linux ARM64 with glibc 2.34 or newer, CPython 3.10 or newer"),
        (
            Tag("cp314", "cp314t", "musllinux_1_2_x86_64"),
            "Linux x86-64 with musl 1.2 or newer, CPython 3.14, free-threaded",
        ),
        (Tag("pp311", "pypy311_pp73", "macosx_11_0_arm64"), "macOS 11.0 or newer on ARM64, PyPy 3.11"),
        (Tag("cp312", "cp312", "win_amd64"), "Windows x86-64, CPython 3.12"),
        (Tag("cp312", "cp312", "linux_x86_64"), "Linux x86-64 like this one (PyPI refuses it), CPython 3.12"),
    ],
)
def test_words(tag: Any, words: Any) -> None:
    assert tag.words() == words


@pytest.mark.parametrize(
    ("text", "kind", "version"),
    [
        ("", "auto", None),
        ("linux", "linux", None),
        ("manylinux2014", "manylinux", (2, 17)),
        ("manylinux2014_x86_64", "manylinux", (2, 17)),
        ("manylinux_2_28", "manylinux", (2, 28)),
        ("manylinux_2_28_aarch64", "manylinux", (2, 28)),
        ("musllinux_1_2", "musllinux", (1, 2)),
    ],
)
def test_platforms(text: Any, kind: Any, version: Any) -> None:
    found = parse_platform(text)
    assert (found.kind, found.version) == (kind, version)


@pytest.mark.parametrize(
    "text", ["manylinux", "manylinux2010", "manylinux1", "windows", "musllinux", "manylinux_2", "manylinux_2_12"]
)
def test_impossible_platforms(text: Any) -> None:
    with pytest.raises(OptionError, match="manylinux2014"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("text", "version"), [(None, None), ("", (3, 10)), ("3.12", (3, 12)), ("cp311", (3, 11)), ("3.9", (3, 9))]
)
def test_stable_abi_versions(text: Any, version: Any) -> None:
    assert parse_abi3(text) == version


@pytest.mark.parametrize("text", ["2.7", "3", "three", "3.x"])
def test_stable_abi_of_nothing(text: Any) -> None:
    with pytest.raises(OptionError, match="not a Python version"):
        parse_abi3(text)


@pytest.mark.parametrize(
    ("version", "facts", "words"),
    [
        ((3, 99), {}, "cannot be built with"),
        ((3, 8), {}, "PyO3 does not build"),
        ((3, 13), {"version": (3, 14), "gil_disabled": True}, "no stable ABI"),
        ((3, 10), {"implementation": "PyPy"}, "no stable ABI"),
    ],
)
def test_interpreters_without_that_stable_abi(version: Any, facts: Any, words: Any) -> None:
    with pytest.raises(OptionError, match=words):
        check_abi3(version, dataclasses.replace(CURRENT, **facts))
