"""Interpreters of every kind, made from the facts of this one."""

from __future__ import annotations

import dataclasses
from typing import Any

from pyo3magic.environment.interpreter import Interpreter

CURRENT = Interpreter.current()


def other(**changes: Any) -> Interpreter:
    return dataclasses.replace(CURRENT, **changes)


LINUX = other(
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
