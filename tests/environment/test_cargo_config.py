from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.cargo_config import cargo_config_files, rustflags_key, source_folders

if TYPE_CHECKING:
    from pathlib import Path


def _write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_config_files_upward_then_cargo_home(tmp_path: Path) -> None:
    near = _write(tmp_path / "a" / "b" / ".cargo" / "config.toml")
    far = _write(tmp_path / ".cargo" / "config")
    _write(tmp_path / ".cargo" / "config.toml")
    user = _write(tmp_path / "home" / "config.toml")
    environ = {"CARGO_HOME": str(tmp_path / "home")}
    files = cargo_config_files(tmp_path / "a" / "b", environ)
    assert files[0] == near
    assert files[1] == far
    assert files[-1] == user
    assert tmp_path / ".cargo" / "config.toml" not in files
    assert near not in cargo_config_files(tmp_path / "a", environ)


def test_cargo_home_above_is_named_once(tmp_path: Path) -> None:
    config = _write(tmp_path / ".cargo" / "config.toml")
    files = cargo_config_files(tmp_path / "work", {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)})
    assert files.count(config) == 1


def test_included_files_follow(tmp_path: Path) -> None:
    config = _write(
        tmp_path / ".cargo" / "config.toml", 'include = ["one.toml", { path = "two.toml", optional = true }]'
    )
    one = _write(tmp_path / ".cargo" / "one.toml", 'include = "config.toml"')
    files = cargo_config_files(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})
    assert files[:2] == (config, one)
    two = _write(tmp_path / ".cargo" / "two.toml")
    assert two in cargo_config_files(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})


def test_broken_config_is_left_to_cargo(tmp_path: Path) -> None:
    config = _write(tmp_path / ".cargo" / "config.toml", "include = [")
    assert cargo_config_files(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})[0] == config


TRIPLE = "x86_64-unknown-linux-gnu"
JOINED, BUILD = "target.'cfg(all())'.rustflags", "build.rustflags"
IN_BUILD, IN_TARGET = '[build]\nrustflags = ["--cfg", "one"]\n', f'[target.{TRIPLE}]\nrustflags = "--cfg two"\n'
OTHER = '[target.wasm32-wasip1]\nrustflags = "--cfg three"\n'


@pytest.mark.parametrize(
    ("text", "environ", "key"),
    [
        ("", {}, JOINED),
        ("[build]\njobs = 2 # no rustflags\n", {}, JOINED),
        (IN_BUILD, {}, BUILD),
        ("", {"CARGO_BUILD_RUSTFLAGS": "--cfg one"}, BUILD),
        (IN_BUILD + OTHER, {}, BUILD),
        (IN_TARGET, {}, JOINED),
        # cargo does not use the flags of `build` here.
        (IN_BUILD + IN_TARGET, {}, JOINED),
        (IN_BUILD, {"CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS": "--cfg two"}, JOINED),
        # Whether it does here is known to cargo alone, which also joins them.
        (IN_BUILD + "[target.'cfg(unix)']\nrustflags = '--cfg two'\n", {}, BUILD),
        ("rustflags = [", {}, JOINED),
        ("build = 5 # rustflags\n", {}, JOINED),
    ],
)
def test_flags_are_added_where_no_flag_of_the_user_is_lost(
    tmp_path: Path, text: str, environ: dict[str, str], key: str
) -> None:
    _write(tmp_path / ".cargo" / "config.toml", text)
    assert rustflags_key(tmp_path, {"CARGO_HOME": str(tmp_path / "none"), **environ}, TRIPLE) == key


def test_folders_with_crates(tmp_path: Path) -> None:
    text = '[source.a]\ndirectory = "near"\n[source.b]\nlocal-registry = "/far"\n[source.c]\nregistry = "x"\n'
    _write(tmp_path / ".cargo" / "config.toml", text)
    found = source_folders(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})
    assert [path.as_posix() for path in found] == [(tmp_path / "near").as_posix(), "/far"]
