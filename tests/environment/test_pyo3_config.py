from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.pyo3_config import python_check_cfgs

from .samples import DEBUG, FREE, GRAALPY, LINUX, PYPY, WINDOWS

if TYPE_CHECKING:
    from pyo3magic.environment.interpreter import Interpreter


@pytest.mark.parametrize(
    ("interpreter", "embed", "expected"),
    [
        (LINUX, False, "CPython 3.11 true 64 - suppress_build_script_link_lines=true"),
        (FREE, False, "CPython 3.14 true 64 Py_GIL_DISABLED suppress_build_script_link_lines=true"),
        (DEBUG, False, "CPython 3.11 true 64 Py_DEBUG,Py_REF_DEBUG suppress_build_script_link_lines=true"),
        (PYPY, False, "PyPy 3.11 true 64 - suppress_build_script_link_lines=true"),
        (GRAALPY, False, "GraalVM 3.12 true 64 - suppress_build_script_link_lines=true"),
        (WINDOWS, False, r"CPython 3.11 true 64 - lib_name=python311 lib_dir=C:\Py\libs"),
        (
            dataclasses.replace(LINUX, shared=False, framework_prefix="/Library/Frameworks"),
            True,
            (
                "CPython 3.11 false 64 - lib_name=python3.11 lib_dir=/opt/python/lib "
                "python_framework_prefix=/Library/Frameworks executable=/opt/python/bin/python3.11"
            ),
        ),
        (dataclasses.replace(LINUX, platform="android-24-arm64_v8a"), False, "CPython 3.11 true 64 -"),
    ],
)
def test_pyo3_config(interpreter: Interpreter, embed: bool, expected: str) -> None:
    implementation, version, shared, width, flags, *rest = expected.split(" ")
    head = [f"implementation={implementation}", f"version={version}", f"shared={shared}", f"pointer_width={width}"]
    head.append(f"build_flags={flags.strip('-')}")
    assert interpreter.pyo3_config(embed=embed).splitlines() == [*head, *rest]


@pytest.mark.parametrize(
    ("interpreter", "expected"),
    [
        (LINUX, ("Py_3_9", "Py_3_10", "Py_3_11")),
        (PYPY, ("Py_3_9", "Py_3_10", "Py_3_11", "PyPy")),
        (DEBUG, ("Py_3_9", "Py_3_10", "Py_3_11", 'py_sys_config="Py_DEBUG"', 'py_sys_config="Py_REF_DEBUG"')),
        (FREE, (*(f"Py_3_{minor}" for minor in range(9, 15)), "Py_GIL_DISABLED")),
    ],
)
def test_python_cfgs(interpreter: Interpreter, expected: tuple[str, ...]) -> None:
    assert interpreter.python_cfgs() == expected


@pytest.mark.cargo
@pytest.mark.parametrize("interpreter", [LINUX, DEBUG, FREE, PYPY], ids=["plain", "debug", "free-threaded", "pypy"])
def test_cfgs_are_those_of_pyo3(
    interpreter: Interpreter, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text("")
    (tmp_path / "Cargo.toml").write_text(
        '[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\npyo3-ffi = "0.30"\n'
    )
    config = tmp_path / "pyo3.txt"
    config.write_text(interpreter.pyo3_config())
    environ = {
        **os.environ,
        "PYO3_CONFIG_FILE": str(config),
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "CARGO_TARGET_DIR": str(tmp_path_factory.getbasetemp() / "cfgs"),
    }
    output = subprocess.check_output(
        ["cargo", "check", "--quiet", "--message-format", "json"], cwd=tmp_path, env=environ, text=True
    )
    messages = [json.loads(line) for line in output.splitlines()]
    (script,) = (m for m in messages if m["reason"] == "build-script-executed" and "pyo3-ffi" in m["package_id"])
    expected = {cfg for cfg in script["cfgs"] if cfg not in {"from_bytes_with_nul_error", "cfg_select"}}
    assert set(interpreter.python_cfgs()) == expected
    assert script["linked_libs"] == []
    written = [path.read_text() for path in Path(environ["CARGO_TARGET_DIR"]).glob("debug/build/pyo3-ffi-*/output")]
    prefix = "cargo:rustc-check-cfg="
    checks = {line.removeprefix(prefix) for text in written for line in text.splitlines() if line.startswith(prefix)}
    assert set(python_check_cfgs()) <= checks
    assert {check for check in checks if "Py" in check} == set(python_check_cfgs())
