from __future__ import annotations

import dataclasses
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from packaging._musllinux import platform_tags as musl_platforms
from packaging.tags import mac_platforms, sys_tags

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.errors import OptionError
from pyo3magic.export.build_target import BuildTarget, plain_platform
from pyo3magic.export.tags import Platform, Tag, check_abi3, macos_version, parse_abi3, parse_platform

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

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
        (Tag("cp312", "cp312", "macosx_10_12_x86_64"), "macOS 10.12 or newer on x86-64, CPython 3.12"),
        (Tag("graalpy311", "graalpy240_311_native", "win32"), "Windows x86, GraalPy 3.11"),
        (Tag("py3", "none", "manylinux1_i686"), "Linux i686 with glibc 2.5 or newer, py3-none"),
        (Tag("cp39", "cp39", "manylinux2010_x86_64"), "Linux x86-64 with glibc 2.12 or newer, CPython 3.9"),
        (Tag("cp39", "cp39", "freebsd_14_x86_64"), "freebsd_14_x86_64, CPython 3.9"),
        (Tag("cp312", "cp312", "win_amd64"), "Windows x86-64, CPython 3.12"),
        (Tag("cp312", "cp312", "linux_x86_64"), "Linux x86-64 like this one (PyPI refuses it), CPython 3.12"),
    ],
)
def test_words(tag: Any, words: Any) -> None:
    assert tag.words() == words


def test_a_tag_of_several_platforms_has_a_line_for_each() -> None:
    tag = Tag("cp311", "cp311", "manylinux_2_17_x86_64.manylinux2014_x86_64")
    assert tag.lines() == ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"]
    assert str(tag) == "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"


@pytest.mark.parametrize(
    ("text", "kind", "version"),
    [
        ("", "auto", None),
        ("auto", "auto", None),
        ("manylinux_2_17", "manylinux", (2, 17)),
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
    machine = text.partition("_x86_64")[1].strip("_") or text.partition("_aarch64")[1].strip("_")
    assert found.machine == machine


def test_a_platform_without_a_promise_may_name_a_machine() -> None:
    assert parse_platform("linux_armv7l") == Platform("linux", None, "armv7l")
    assert parse_platform("musllinux_1_2_x86_64").policy == "musllinux_1_2"


@pytest.mark.parametrize(
    ("text", "version"), [("manylinux1", "2.5"), ("manylinux2010", "2.12"), ("manylinux_2_16", "2.16")]
)
def test_a_promise_that_rust_cannot_keep(text: str, version: str) -> None:
    with pytest.raises(
        OptionError, match=re.escape(f"{text} promises glibc {version}, but Rust's standard library needs glibc 2.17.")
    ):
        parse_platform(text)


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


def test_the_boundaries_of_the_stable_abi() -> None:
    interpreter = dataclasses.replace(CURRENT, implementation="CPython", version=(3, 12), gil_disabled=False)
    check_abi3((3, 12), interpreter)
    check_abi3((3, 9), interpreter)
    check_abi3((3, 8), interpreter, pyo3_oldest=(3, 8))
    with pytest.raises(OptionError) as newer:
        check_abi3((3, 13), interpreter)
    assert str(newer.value) == (
        "The stable ABI of Python 3.13 cannot be built with Python 3.12.\nWrite --abi3 3.12 or an older version."
    )
    with pytest.raises(OptionError) as older:
        check_abi3((3, 8), interpreter)
    assert str(older.value) == (
        "PyO3 does not build for the stable ABI of Python 3.8.\nWrite --abi3 3.9 or a newer version."
    )


def variant(target: str, machine: str, **environ: str) -> BuildTarget:
    context = SimpleNamespace(environ=environ, interpreter=dataclasses.replace(CURRENT, platform="win-amd64"))
    return BuildTarget(cast("Context", context), target, machine, "")


@pytest.mark.parametrize(
    ("target", "machine", "wanted", "tag"),
    [
        ("x86_64-apple-darwin", "x86_64", "", "macosx_10_12_x86_64"),
        ("x86_64-apple-darwin", "x86_64", "10.9", "macosx_10_12_x86_64"),
        ("x86_64-apple-darwin", "x86_64", "10.15", "macosx_10_15_x86_64"),
        ("x86_64-apple-darwin", "x86_64", "11.3", "macosx_11_0_x86_64"),
        ("aarch64-apple-darwin", "aarch64", "", "macosx_11_0_arm64"),
        ("aarch64-apple-darwin", "aarch64", "10.15", "macosx_11_0_arm64"),
        ("aarch64-apple-darwin", "aarch64", "14", "macosx_14_0_arm64"),
        ("aarch64-apple-darwin", "aarch64", "12.3.1", "macosx_12_0_arm64"),
    ],
)
def test_macos_tags_follow_the_deployment_target(target: Any, machine: Any, wanted: Any, tag: Any) -> None:
    assert plain_platform(variant(target, machine, MACOSX_DEPLOYMENT_TARGET=wanted)) == tag
    assert tag in {f"macosx_{version}" for version in mac_versions(tag)}


def mac_versions(tag: str) -> list[str]:
    """What pip would take on a Mac of a far newer system."""
    return [name.removeprefix("macosx_") for name in mac_platforms((26, 0), tag.partition("_")[2].split("_", 2)[2])]


@pytest.mark.parametrize(
    ("machine", "wanted", "version"),
    [
        ("arm64", "", (11, 0)),
        ("arm64", "14", (14, 0)),
        ("arm64", "12.3.1", (12, 3)),
        ("x86_64", "", (10, 12)),
        ("x86_64", "10.13", (10, 13)),
    ],
)
def test_the_oldest_macos(machine: str, wanted: str, version: tuple[int, int]) -> None:
    assert macos_version(machine, wanted) == version


def test_a_deployment_target_that_is_no_version() -> None:
    with pytest.raises(OptionError, match="not a version of macOS") as raised:
        macos_version("arm64", "newest")
    assert "Set it to 11.0, for example" in raised.value.advice


@pytest.mark.parametrize(
    ("target", "machine", "tag"),
    [
        ("x86_64-unknown-linux-musl", "x86_64", "linux_x86_64"),
        ("armv7-unknown-linux-gnueabihf", "armv7l", "linux_armv7l"),
        ("x86_64-pc-windows-gnu", "x86_64", "win_amd64"),
    ],
)
def test_other_platforms(target: Any, machine: Any, tag: Any) -> None:
    assert plain_platform(variant(target, machine)) == tag


@pytest.mark.parametrize("text", ["musllinux_1_1", "musllinux_1_2"])
def test_a_musllinux_tag_is_one_that_pip_takes_there(text: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python with musl is here to install such a wheel: this is what ``packaging`` says of one."""
    monkeypatch.setattr("packaging._musllinux._get_musl_version", lambda _: SimpleNamespace(major=1, minor=2))
    assert f"{parse_platform(text).policy}_x86_64" in set(musl_platforms(["x86_64"]))
