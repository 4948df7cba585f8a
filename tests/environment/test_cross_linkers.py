"""What is said where nothing can be built for a target."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import build
from pyo3magic.environment.cross_linkers import _configured, zig_programs, zig_target
from pyo3magic.errors import ToolchainError
from pyo3magic.store import Store
from tests.cross import AARCH64

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.cargo
@pytest.mark.parametrize(
    ("target", "words"),
    [("no target", "is not a target"), ("sparc64-unknown-linux-gnu", "rustup target add|standard library")],
)
def test_target_that_cannot_be_built_for(target: str, words: str, store: Path) -> None:
    with pytest.raises(ToolchainError, match=words):
        build("pub fn f() {}", target=target, store=store)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'[target.{AARCH64}]\nlinker = "x"', True),
        (f'[target."{AARCH64}"]\nrustflags = ["a"]\nlinker = "x"', True),
        (f'target.{AARCH64}.linker = "x"', True),
        (f'[target]\n{AARCH64} = {{ linker = "x" }}', True),
        (f'[target.{AARCH64}]\nrustflags = ["linker = 1"]', False),
        ('[target.x86_64-unknown-linux-gnu]\nlinker = "x"', False),
        (f'# [target.{AARCH64}]\n# linker = "x"', False),
        (f'[target.{AARCH64}\nlinker = "x"', False),
    ],
)
def test_linker_of_cargos_configuration(
    text: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert _configured(AARCH64, {"HOME": str(tmp_path)}) is expected


@pytest.mark.parametrize(
    ("triple", "floor", "name"),
    [
        (AARCH64, "", "aarch64-linux-gnu.2.17"),
        (AARCH64, "2.31", "aarch64-linux-gnu.2.31"),
        ("armv7-unknown-linux-gnueabihf", "", "arm-linux-gnueabihf.2.17"),
        ("riscv64gc-unknown-linux-gnu", "2.36", "riscv64-linux-gnu.2.36"),
        ("x86_64-unknown-linux-musl", "2.31", "x86_64-linux-musl"),
        ("aarch64-apple-darwin", "", ""),
    ],
)
def test_zigs_name_of_a_target(triple: str, floor: str, name: str) -> None:
    assert zig_target(triple, floor) == name


def test_what_is_not_a_version_of_glibc() -> None:
    with pytest.raises(ToolchainError, match="is not a version of glibc"):
        zig_target(AARCH64, "2.28/../../x")


@pytest.mark.cargo
def test_without_a_linker_the_ways_to_one_are_named(cross: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{cross}/bin{os.pathsep}"))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ziglang" else find(name))
    with pytest.raises(ToolchainError, match="no aarch64-linux-gnu-gcc on PATH, no zig") as caught:
        build("pub fn f() {}", target=AARCH64, store=store)
    for way in ("sudo apt install gcc-aarch64-linux-gnu", "pip install ziglang", "CARGO_TARGET_AARCH64_UNKNOWN"):
        assert way in caught.value.advice


@pytest.mark.skipif(os.name == "nt", reason="uses sh")
def test_zig_runs_where_pip_hides_the_packages_of_this_python(tmp_path: Path) -> None:
    """As in a build that pip isolates: its folder on PYTHONPATH takes the installed packages off the path."""
    pytest.importorskip("ziglang")
    hiding = "import sys\nsys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
    (tmp_path / "sitecustomize.py").write_text(hiding)
    store = Store(tmp_path / "store")
    linker, _ = zig_programs(store, "x86_64-linux-gnu.2.17")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([linker, "--version"], env=environ, capture_output=True, text=True, check=False)
    assert "clang" in done.stdout, done.stderr
    assert not (tmp_path / "home").exists(), "zig's cache is in the store"
