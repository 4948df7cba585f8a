from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.install_rust import install_advice
from pyo3magic.environment.target_requirements import find_linker, linker_advice

from .conftest import HOST, Find, make_program, posix

if TYPE_CHECKING:
    from pathlib import Path


@posix
@pytest.mark.parametrize(
    ("target", "program"),
    [
        (HOST, "cc"),
        ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu-gcc"),
        ("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf-gcc"),
        ("x86_64-pc-windows-gnu", "x86_64-w64-mingw32-gcc"),
        ("x86_64-pc-windows-msvc", "link.exe"),
    ],
)
def test_find_linker(tmp_path: Path, find: Find, target: str, program: str) -> None:
    found = find()
    linker = make_program(tmp_path / "linkers" / program, "")
    environ = {"PATH": str(linker.parent)}
    assert find_linker(found, target, environ) == linker
    assert find_linker(found, target, {"PATH": ""}) is None
    mine = make_program(tmp_path / "mine", "")
    variable = f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"
    assert find_linker(found, target, {**environ, variable: str(mine)}) == mine
    assert find_linker(found, target, {**environ, variable: "/none"}) is None


@pytest.mark.parametrize(
    ("platform", "word"), [("linux", "apt install gcc"), ("darwin", "xcode-select --install"), ("win32", "Build Tools")]
)
def test_advice_fits_the_platform(platform: str, word: str) -> None:
    assert word in linker_advice(platform)
    assert "https://rustup.rs" in install_advice({}, platform)
