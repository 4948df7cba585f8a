from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.target_requirements import target_libdir_exists
from pyo3magic.environment.toolchain_search import find_toolchain
from pyo3magic.errors import ToolchainError

from .conftest import Find, make_program, posix, rustc_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.cargo
def test_the_real_one(tmp_path: Path) -> None:
    found = find_toolchain(directory=tmp_path, environ=os.environ, cache=tmp_path / "cache")
    text = subprocess.check_output([found.rustc, "-vV"], text=True).strip()
    assert text == found.version_text
    assert f"release: {'.'.join(map(str, found.version))}" in text
    assert f"host: {found.host}" in text
    assert not found.rustc.resolve().name.startswith("rustup")
    assert target_libdir_exists(found, found.host)
    assert not target_libdir_exists(found, "no-such-target")


@posix
def test_cargo_and_rustc_variables(tmp_path: Path, find: Find, fake: Path) -> None:
    wrapper = make_program(tmp_path / "wrapper", rustc_script(fake, "1.88.0"))
    cargo = make_program(tmp_path / "mycargo", "echo cargo 1.88.0")
    found = find(RUSTC=str(wrapper), CARGO=str(cargo))
    assert (found.rustc, found.cargo, found.version) == (wrapper, cargo, (1, 88, 0))
    for name in ("RUSTC", "CARGO"):
        with pytest.raises(ToolchainError, match=f"variable {name} names /no/such"):
            find(**{name: "/no/such"})


@posix
@pytest.mark.parametrize("place", ["cargo-home", "home", "conda"])
def test_places_off_path(tmp_path: Path, find: Find, fake: Path, place: str) -> None:
    target = {"cargo-home": "ch/bin", "home": "home/.cargo/bin", "conda": "conda/bin"}[place]
    (tmp_path / target).parent.mkdir(parents=True)
    (tmp_path / target).symlink_to(fake / "bin")
    found = find(PATH="/bin", CARGO_HOME=str(tmp_path / "ch"), CONDA_PREFIX=str(tmp_path / "conda"))
    assert found.cargo == tmp_path / target / "cargo"


@posix
def test_no_cargo_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(ToolchainError, match="cargo, which builds Rust cells, was not found") as caught:
        find_toolchain(directory=tmp_path, environ={"PATH": "", "HOME": str(tmp_path)})
    assert "https://rustup.rs" in caught.value.advice
    assert "%pyo3_info --install" in caught.value.advice
