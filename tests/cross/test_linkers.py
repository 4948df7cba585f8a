"""What is said where nothing can be built for a target."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import build
from pyo3magic.errors import ToolchainError

from .conftest import AARCH64

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


@pytest.mark.cargo
def test_without_a_linker_the_ways_to_one_are_named(cross: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{cross}/bin{os.pathsep}"))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ziglang" else find(name))
    with pytest.raises(ToolchainError, match="no aarch64-linux-gnu-gcc on PATH, no zig") as caught:
        build("pub fn f() {}", target=AARCH64, store=store)
    for way in ("sudo apt install gcc-aarch64-linux-gnu", "pip install ziglang", "CARGO_TARGET_AARCH64_UNKNOWN"):
        assert way in caught.value.advice
