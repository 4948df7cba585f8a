"""Gather the facts of the Python that runs this file.

The file also runs in other Pythons, so it needs only Python 3.7 and the standard library.
"""

from __future__ import annotations

import os
import pathlib
import re
import struct
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES

__all__ = ["collect_facts"]


def collect_facts() -> dict[str, object]:
    """Return the facts by name, as JSON can represent them (see `pyo3magic.environment.interpreter.Interpreter`)."""
    variable = sysconfig.get_config_var
    known = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
    implementation = known.get(sys.implementation.name, sys.implementation.name)
    version = "{}.{}".format(*sys.version_info)
    platform = sysconfig.get_platform()
    windows = os.name == "nt"
    base_prefix = getattr(sys, "base_prefix", sys.prefix)
    suffix = EXTENSION_SUFFIXES[0]
    gil_disabled = bool(variable("Py_GIL_DISABLED"))
    debug = bool(variable("Py_DEBUG")) or suffix.startswith("_d.")
    flags = ("t" if gil_disabled else "") + ("d" if debug else "")
    if implementation == "PyPy":
        lib_name = f"libpypy{version}-c" if windows else "pypy{}-c".format(variable("LDVERSION") or version)
    elif implementation == "GraalPy":
        lib_name = "python-native"
    elif platform.startswith("mingw"):
        lib_name = f"libpython{version}{flags}"
    elif windows:
        lib_name = "python" + version.replace(".", "") + flags.replace("d", "_d")
    else:
        lib_name = "python{}".format(variable("LDVERSION") or version + flags)
    if hasattr(os, "uname"):
        machine = os.uname().machine
    else:
        machine = {"win-amd64": "AMD64", "win-arm64": "ARM64", "win32": "x86"}.get(platform, platform)
    return {
        "implementation": implementation,
        "version": list(sys.version_info[:2]),
        "full_version": sys.version.split()[0],
        "abiflags": getattr(sys, "abiflags", ""),
        "ext_suffix": suffix,
        "soabi": variable("SOABI") or "",
        "pointer_width": struct.calcsize("P") * 8,
        "debug": debug,
        "gil_disabled": gil_disabled,
        "shared": implementation in {"PyPy", "GraalPy"}
        or windows
        or bool(variable("PYTHONFRAMEWORK"))
        or bool(variable("Py_ENABLE_SHARED"))
        or pathlib.Path(base_prefix, "conda-meta").exists(),
        "lib_name": lib_name,
        "lib_dir": base_prefix + "\\libs" if windows else variable("LIBDIR") or "",
        "framework_prefix": variable("PYTHONFRAMEWORKPREFIX") or "",
        "platform": platform,
        "machine": machine,
        "libc": _collect_libc(),
        "executable": sys.executable or "",
        "base_prefix": base_prefix,
    }


def _collect_libc() -> list[str] | None:
    if sys.platform != "linux" or hasattr(sys, "getandroidapilevel"):
        return None
    try:
        words = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, OSError, ValueError):
        words = []
    if len(words) == 2:  # noqa: PLR2004  # "glibc 2.36"
        return words
    # musl has no function that returns its version; its loader, which is the whole libc, contains it as a string.
    for loader in sorted(pathlib.Path("/lib").glob("ld-musl-*")):
        versions = set(re.findall(rb"\0(1\.[0-9]+\.[0-9]+)\0", loader.read_bytes()))
        return ["musl", versions.pop().decode() if len(versions) == 1 else ""]
    return None
