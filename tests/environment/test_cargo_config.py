from __future__ import annotations

from typing import TYPE_CHECKING

from pyo3magic.environment.cargo_config import cargo_config_files

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
