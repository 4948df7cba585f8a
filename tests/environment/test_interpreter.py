from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging import tags

from pyo3magic.environment.interpreter import Interpreter

from .samples import CURRENT, DEBUG, FREE, GRAALPY, LINUX, PYPY, WINDOWS


def test_current_agrees_with_this_python() -> None:
    assert CURRENT.version == sys.version_info[:2]
    assert sys.executable == CURRENT.executable
    assert Interpreter.current() is CURRENT
    best = next(tags.sys_tags())
    assert (CURRENT.python_tag, CURRENT.abi_tag) == (best.interpreter, best.abi)


def test_current_starts_no_process_and_is_quick() -> None:
    code = (
        "import time, subprocess, pyo3magic.environment.interpreter as i, sysconfig; sysconfig.get_config_vars()\n"
        "def fail(*a, **k): raise AssertionError\n"
        "subprocess.Popen = fail\n"
        "start = time.perf_counter(); i.Interpreter.current(); print(time.perf_counter() - start)"
    )
    root = Path(__file__).parents[2]
    run = [subprocess.check_output([sys.executable, "-c", code], cwd=root) for _ in range(3)]
    assert min(map(float, run)) < 0.01  # about 1 ms; the rest is for a busy machine


def test_facts_survive_json() -> None:
    assert Interpreter.from_facts(json.loads(json.dumps(CURRENT.facts()))) == CURRENT


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
