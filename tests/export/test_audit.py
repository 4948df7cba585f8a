"""Boundaries of a promise about glibc; audits of real wheels are in ``test_wheel``."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyo3magic.errors import BuildError
from pyo3magic.export.audit import _check_promise, _with_alias, forbidding_symbols
from pyo3magic.export.tags import parse_platform

if TYPE_CHECKING:
    from pathlib import Path

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is for Linux")


@pytest.mark.parametrize("proved", ["manylinux_2_27_x86_64", "manylinux_2_28_x86_64", "manylinux_1_99_x86_64"])
def test_an_older_or_equal_glibc_keeps_the_promise(proved: str) -> None:
    _check_promise(parse_platform("manylinux_2_28"), {"sym_tag": proved}, {}, "x86_64")


@pytest.mark.parametrize(
    ("asked", "proved"),
    [
        ("manylinux_2_28", "manylinux_2_29_x86_64"),
        ("manylinux_2_28", "musllinux_1_1_x86_64"),
        ("manylinux_2_28", "linux_x86_64"),
        ("musllinux_1_2", "manylinux_2_17_x86_64"),
        ("musllinux_1_1", "musllinux_1_2_x86_64"),
    ],
)
def test_a_newer_or_another_libc_breaks_the_promise(asked: str, proved: str) -> None:
    facts = {"sym_tag": proved, "versioned_symbols": {"libc.so.6": ["GLIBC_2.35"]}}
    with pytest.raises(BuildError) as raised:
        _check_promise(parse_platform(asked), facts, {}, "x86_64")
    assert f"{parse_platform(asked).policy}_x86_64 promises: it needs GLIBC_2.35 of libc.so.6." in str(raised.value)


@LINUX
def test_symbols_of_the_promised_version_itself_are_allowed(tmp_path: Path) -> None:
    source, library = tmp_path / "a.c", tmp_path / "a.so"
    source.write_text("#include <stdlib.h>\n#include <stdio.h>\nint f(char *t) { puts(t); return atoi(t); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    content = library.read_bytes()
    everything = forbidding_symbols(content, (0, 0))
    versions = {match[0]: (int(match[1]), int(match[2])) for text in everything if (match := re.search(r"GLIBC_(\d+)\.(\d+)", text))}  # fmt: skip
    newest = max(versions.values())
    assert any(text.startswith("puts (GLIBC_") for text in everything)
    assert forbidding_symbols(content, newest) == []
    older = forbidding_symbols(content, (newest[0], newest[1] - 1))
    assert older
    assert all(text.endswith(f"(GLIBC_{newest[0]}.{newest[1]})") or text.count(".") > 1 for text in older)
    assert forbidding_symbols(b"MZ" + content, (0, 0)) == []


def test_old_names_of_policies() -> None:
    assert _with_alias("manylinux_2_17", "x86_64") == "manylinux_2_17_x86_64.manylinux2014_x86_64"
    assert _with_alias("manylinux_2_12", "i686") == "manylinux_2_12_i686.manylinux2010_i686"
    assert _with_alias("manylinux_2_5", "i686") == "manylinux_2_5_i686.manylinux1_i686"
    assert _with_alias("manylinux_2_28", "aarch64") == "manylinux_2_28_aarch64"
