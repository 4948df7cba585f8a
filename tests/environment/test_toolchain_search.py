from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.install_rust import install_folder
from pyo3magic.environment.target_requirements import target_libdir_exists
from pyo3magic.environment.toolchain_search import cached_toolchain, find_toolchain
from pyo3magic.errors import ToolchainError

from .conftest import Find, count_starts, make_program, posix, rustc_script

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


@posix
def test_a_toolchain_that_was_found_before_is_known_without_a_process(tmp_path: Path, find: Find, fake: Path) -> None:
    environ = {"PATH": os.pathsep.join([str(fake / "bin"), "/usr/bin", "/bin"]), "HOME": str(tmp_path / "home")}
    facts: dict[str, Any] = {"directory": tmp_path, "environ": environ, "cache": tmp_path / "cache"}
    assert cached_toolchain(**facts) is None
    found = find()
    asked = count_starts(tmp_path)
    assert cached_toolchain(**facts) == found
    assert count_starts(tmp_path) == asked
    assert cached_toolchain(**{**facts, "environ": {"PATH": "", "CARGO": "/no/such"}}) is None


@posix
@pytest.mark.parametrize("folder", ["bin", "Library/bin"])
@pytest.mark.parametrize("by_variable", [True, False])
def test_a_conda_environment(
    tmp_path: Path, find: Find, fake: Path, monkeypatch: pytest.MonkeyPatch, folder: str, by_variable: bool
) -> None:
    prefix = tmp_path / "conda"
    (prefix / folder).parent.mkdir(parents=True, exist_ok=True)
    (prefix / folder).symlink_to(fake / "bin")
    if not by_variable:
        monkeypatch.setattr(sys, "prefix", str(prefix))
    found = find(PATH="/bin", **({"CONDA_PREFIX": str(prefix)} if by_variable else {}))
    assert found.cargo == prefix / folder / "cargo"


@posix
def test_the_toolchain_that_was_installed_for_this_user(
    tmp_path: Path, find: Find, fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    installed = install_folder()
    (installed / "cargo").mkdir(parents=True)
    (installed / "cargo" / "bin").symlink_to(fake / "bin")
    found = find(PATH="/bin")
    assert found.cargo == installed / "cargo" / "bin" / "cargo"
    assert found.variables == (("CARGO_HOME", f"{installed}/cargo"), ("RUSTUP_HOME", f"{installed}/rustup"))


@posix
def test_a_rustc_apart_from_cargo(tmp_path: Path, find: Find, fake: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cargo").symlink_to(fake / "bin" / "cargo")
    with pytest.raises(ToolchainError, match="but no rustc, neither next to it nor on PATH") as caught:
        find(PATH=str(tmp_path / "one"))
    assert "%pyo3_info --install" in caught.value.advice
    found = find(PATH=os.pathsep.join([str(tmp_path / "one"), str(fake / "bin")]))
    assert (found.cargo, found.rustc) == (tmp_path / "one" / "cargo", fake / "bin" / "rustc")
    beside = make_program(tmp_path / "one" / "rustc", rustc_script(fake, "1.87.0"))
    assert (
        find(PATH=os.pathsep.join([str(fake / "bin"), "/bin"]), CARGO=str(tmp_path / "one" / "cargo")).rustc == beside
    )
