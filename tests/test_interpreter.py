"""Facts of a Python: gathered, checked, and turned into PyO3's configuration."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import pytest
from packaging import tags

from pyo3magic.errors import InterpreterError
from pyo3magic.interpreter import Interpreter, probe_source, python_check_cfgs

CURRENT = Interpreter.current()
posix = pytest.mark.skipif(os.name == "nt", reason="uses sh")


def _other(**changes: Any) -> Interpreter:
    return dataclasses.replace(CURRENT, **changes)


LINUX = _other(
    implementation="CPython",
    version=(3, 11),
    full_version="3.11.7",
    abiflags="",
    ext_suffix=".cpython-311-x86_64-linux-gnu.so",
    pointer_width=64,
    debug=False,
    gil_disabled=False,
    shared=True,
    lib_name="python3.11",
    lib_dir="/opt/python/lib",
    framework_prefix="",
    platform="linux-x86_64",
    machine="x86_64",
    executable="/opt/python/bin/python3.11",
)
FREE = dataclasses.replace(
    LINUX,
    version=(3, 14),
    full_version="3.14.1",
    abiflags="t",
    gil_disabled=True,
    ext_suffix=".cpython-314t-x86_64-linux-gnu.so",
)
DEBUG = dataclasses.replace(LINUX, abiflags="d", debug=True, ext_suffix=".cpython-311d-x86_64-linux-gnu.so")
PYPY = dataclasses.replace(
    LINUX, implementation="PyPy", ext_suffix=".pypy311-pp73-x86_64-linux-gnu.so", lib_name="pypy3.11-c"
)
GRAALPY = dataclasses.replace(
    LINUX,
    implementation="GraalPy",
    version=(3, 12),
    full_version="3.12.8",
    ext_suffix=".graalpy250-312-native-x86_64-linux.so",
    lib_name="python-native",
)
WINDOWS = dataclasses.replace(
    LINUX,
    ext_suffix=".cp311-win_amd64.pyd",
    lib_name="python311",
    lib_dir=r"C:\Py\libs",
    platform="win-amd64",
    libc=None,
)


def test_current_agrees_with_this_python() -> None:
    assert CURRENT.version == sys.version_info[:2]
    assert sys.executable == CURRENT.executable
    assert Interpreter.current() is CURRENT
    best = next(tags.sys_tags())
    assert (CURRENT.python_tag, CURRENT.abi_tag) == (best.interpreter, best.abi)


def test_current_starts_no_process_and_is_quick() -> None:
    code = (
        "import time, subprocess, pyo3magic.interpreter as i, sysconfig; sysconfig.get_config_vars()\n"
        "def fail(*a, **k): raise AssertionError\n"
        "subprocess.Popen = fail\n"
        "start = time.perf_counter(); i.Interpreter.current(); print(time.perf_counter() - start)"
    )
    root = Path(__file__).parents[1]
    run = [subprocess.check_output([sys.executable, "-c", code], cwd=root) for _ in range(3)]
    assert min(map(float, run)) < 0.01  # about 1 ms; the rest is for a busy machine


def test_probing_this_python_finds_the_same() -> None:
    assert Interpreter.probe(sys.executable) == CURRENT


def test_environments_of_one_python_share_everything_that_decides_a_build(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", symlinks=os.name != "nt")
    folder = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    found = Interpreter.probe(folder / "python")
    assert found.executable != CURRENT.executable
    assert found.is_abi_equal(CURRENT)
    assert (found.digest, found.pyo3_config()) == (CURRENT.digest, CURRENT.pyo3_config())


def test_probe_finds_a_name_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert Interpreter.probe(Path(sys.executable).name).is_abi_equal(CURRENT)


def _script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@posix
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo hello", "printed 'hello'"),
        ("exit 0", "printed ''"),
        ("echo '[1, 2]'", "is not a Python"),
        ("echo '{}'", "lacks 'implementation'"),
        ("echo broken >&2; exit 3", "ended with code 3 and said: broken"),
        ("yes", "is not a working Python"),
        ("printf 'old 3.6.1'", r"Python 3\.6\.1, which is too old"),
        ("echo 'Unknown option: -I' >&2; exit 2", "Python 2, which is too old"),
        ("sleep 60", "did not answer within"),
    ],
)
def test_probe_of_something_else(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InterpreterError, match=message) as caught:
        Interpreter.probe(_script(tmp_path, text), timeout=0.5)
    assert caught.value.advice


@posix
def test_probe_of_what_cannot_be_started(tmp_path: Path) -> None:
    plain, broken = tmp_path / "plain", tmp_path / "broken"
    plain.write_text("")
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    cases: dict[str | Path, str] = {
        tmp_path: "is a folder",
        tmp_path / "none": "does not exist",
        plain: "is not executable",
        broken: "cannot be started",
        "no-such-python": "no Python called 'no-such-python' on PATH",
    }
    for path, message in cases.items():
        with pytest.raises(InterpreterError, match=message):
            Interpreter.probe(path)


def test_probe_runs_on_every_python_at_hand() -> None:
    found = {path for minor in range(7, 16) if (path := shutil.which(f"python3.{minor}"))}
    for path in found:
        try:
            interpreter = Interpreter.probe(path)
        except InterpreterError as error:  # noqa: PERF203  # a version manager's shim for a Python that is not chosen
            assert "is not a working Python" in error.message  # noqa: PT017
        else:
            assert Path(path).name.endswith(f"{interpreter.version[1]}")


def test_probe_source_is_self_contained() -> None:
    ast.parse(probe_source(), feature_version=(3, 8))
    printed = subprocess.check_output([sys.executable, "-I", "-S", "-c", probe_source()])
    assert Interpreter.from_facts(json.loads(printed)) == CURRENT


def test_facts_survive_json() -> None:
    assert Interpreter.from_facts(json.loads(json.dumps(CURRENT.facts()))) == CURRENT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("implementation", "Jython"),
        ("implementation", None),
        ("version", [2, 7]),
        ("version", [3, 100]),
        ("version", [3, -1]),
        ("version", [3, True]),
        ("version", "3.11"),
        ("version", [3, 11, 7]),
        ("full_version", "3.11.7\n"),
        ("full_version", "3.11"),
        ("full_version", "3.1.1"),
        ("abiflags", "D"),
        ("ext_suffix", "/../x.so"),
        ("ext_suffix", "...so"),
        ("ext_suffix", ".so\n"),
        ("ext_suffix", ".exe"),
        ("ext_suffix", "." + "a" * 81 + ".so"),
        ("soabi", "a b"),
        ("pointer_width", 16),
        ("pointer_width", "64"),
        ("pointer_width", 64.0),
        ("debug", 1),
        ("gil_disabled", "False"),
        ("shared", None),
        ("lib_name", "a/b"),
        ("lib_name", "python\nextra_build_script_line=cargo:x"),
        ("lib_dir", "/lib\nextra_build_script_line=cargo:x"),
        ("lib_dir", "/" + "a" * 4096),
        ("executable", "/bin/\x00"),
        ("executable", "/bin/\udcff"),
        ("base_prefix", "/usr\u2028"),
        ("framework_prefix", 0),
        ("platform", "linux x86"),
        ("machine", "../.."),
        ("libc", ["glibc", "2.36\n"]),
        ("libc", ["uclibc", "1"]),
        ("libc", ["glibc"]),
        ("libc", [[], {}]),
        ("libc", "glibc"),
    ],
)
def test_implausible_fact_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InterpreterError, match=name):
        Interpreter.from_facts({**LINUX.facts(), name: value})


def test_missing_and_unknown_facts_are_refused() -> None:
    facts = LINUX.facts()
    del facts["machine"]
    with pytest.raises(InterpreterError, match="lacks 'machine'"):
        Interpreter.from_facts(facts)
    with pytest.raises(InterpreterError, match="contains 'path'"):
        Interpreter.from_facts({**LINUX.facts(), "path": "/"})


def test_too_old_python_is_refused() -> None:
    with pytest.raises(InterpreterError, match=r"3\.6\.15 is too old"):
        Interpreter.from_facts({**LINUX.facts(), "version": [3, 6], "full_version": "3.6.15"})


@pytest.mark.parametrize(
    ("interpreter", "name", "python_tag", "abi_tag"),
    [
        (LINUX, "CPython 3.11.7, x86_64", "cp311", "cp311"),
        (DEBUG, "CPython 3.11.7, x86_64, debug", "cp311", "cp311d"),
        (FREE, "CPython 3.14.1, x86_64, free-threaded", "cp314", "cp314t"),
        (PYPY, "PyPy 3.11.7, x86_64", "pp311", "pypy311_pp73"),
        (GRAALPY, "GraalPy 3.12.8, x86_64", "graalpy312", "graalpy250_312_native"),
        (WINDOWS, "CPython 3.11.7, x86_64", "cp311", "cp311"),
    ],
)
def test_names_and_tags(interpreter: Interpreter, name: str, python_tag: str, abi_tag: str) -> None:
    assert (interpreter.name, interpreter.python_tag, interpreter.abi_tag) == (name, python_tag, abi_tag)


@pytest.mark.parametrize(
    "changes",
    [
        {"implementation": "PyPy"},
        {"version": (3, 12)},
        {"abiflags": "d"},
        {"debug": True},
        {"gil_disabled": True},
        {"pointer_width": 32},
        {"ext_suffix": ".so"},
        {"platform": "macosx-11.0-arm64"},
        {"machine": "aarch64"},
        {"libc": ("musl", "1.2.3")},
    ],
)
def test_identity_changes_with_the_abi(changes: dict[str, Any]) -> None:
    glibc = dataclasses.replace(LINUX, libc=("glibc", "2.36"))
    other = dataclasses.replace(glibc, **changes)
    assert not glibc.is_abi_equal(other)
    assert glibc.digest != other.digest


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


def test_probe_does_not_wait_longer_than_asked(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("uses sh")
    start = time.monotonic()
    with pytest.raises(InterpreterError):
        Interpreter.probe(_script(tmp_path, "sleep 60 & sleep 60"), timeout=0.2)
    assert time.monotonic() - start < 5
