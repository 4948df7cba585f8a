from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyo3magic.environment.child_environment import cargo_environment

CARGO = Path("/opt/rust/bin/cargo")


def test_cargo_environment(tmp_path: Path) -> None:
    config = tmp_path / "pyo3.txt"
    environ = {
        "PATH": "/usr/bin",
        "HOME": "/home/me",
        "CARGO_REGISTRY_TOKEN": "t",
        "CARGO_TARGET_DIR": "/elsewhere",
        "MAKEFLAGS": "--jobserver-auth=3,4",
        "PYO3_PRINT_CONFIG": "1",
        "PYTHON_SYS_EXECUTABLE": "/old/python",
    }
    result = cargo_environment(
        environ, cargo=CARGO, pyo3_config=config, progress_width=80, extra=[("RUSTUP_HOME", "/r")]
    )
    assert result == {
        "PATH": os.pathsep.join([str(CARGO.parent), "/usr/bin"]),
        "HOME": "/home/me",
        "CARGO_REGISTRY_TOKEN": "t",
        "PYO3_PYTHON": "/old/python",
        "PYO3_CONFIG_FILE": str(config),
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "CARGO_TERM_COLOR": "never",
        "CARGO_TERM_PROGRESS_WHEN": "always",
        "CARGO_TERM_PROGRESS_WIDTH": "80",
        "RUSTUP_HOME": "/r",
    }


def test_cargo_environment_for_binaries_and_path_with_cargo(tmp_path: Path) -> None:
    cargo = tmp_path / ("cargo.exe" if os.name == "nt" else "cargo")
    cargo.touch()
    cargo.chmod(0o755)
    environ = {"PATH": str(tmp_path), "PYO3_BUILD_EXTENSION_MODULE": "1", "PYO3_CONFIG_FILE": "/theirs"}
    result = cargo_environment(environ, cargo=CARGO, extension_module=False, color=True)
    assert result["PATH"] == str(tmp_path)
    assert "PYO3_BUILD_EXTENSION_MODULE" not in result
    assert "PYO3_CONFIG_FILE" not in result
    assert result["CARGO_TERM_COLOR"] == "always"
    assert result["CARGO_TERM_PROGRESS_WHEN"] == "never"


def test_relative_pyo3_config_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute"):
        cargo_environment({}, cargo=CARGO, pyo3_config=Path("pyo3.txt"))
