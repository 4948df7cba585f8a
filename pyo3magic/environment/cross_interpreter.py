"""Facts of the Python on another machine, from PyO3's variables or assumed.

For a connected kernel, the kernel's own facts are used instead (`pyo3magic.remote`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import InterpreterError

from .interpreter import Interpreter
from .triples import machine_of_triple
from .variables import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cross_interpreter"]


def cross_interpreter(triple: str, environ: Mapping[str, str]) -> tuple[Interpreter, tuple[str, ...]]:
    """Return the facts of the Python to build for on a target.

    PYO3_CONFIG_FILE is read first, then PyO3's cross variables; if none is set, a CPython of this kernel's version is
    assumed.

    Args:
        triple: the Rust target.
        environ: the environment.

    Returns:
        The facts, and notes for the user about their source.

    Raises:
        InterpreterError: a variable names a file or folder that does not exist, or has an invalid value.
    """
    notes = []
    if environ.get("PYO3_CROSS_INCLUDE_DIR"):
        notes.append(NO_HEADERS)
    if environ.get("PYTHON_SYS_EXECUTABLE"):
        notes.append(
            "PYTHON_SYS_EXECUTABLE is PyO3's old name for PYO3_PYTHON. It names a Python on this machine, so it is "
            "not used for another target."
        )
    if config := environ.get("PYO3_CONFIG_FILE"):
        return _from_config_file(Path(config), triple), tuple(notes)
    library = environ.get("PYO3_CROSS_LIB_DIR", "")
    version = environ.get("PYO3_CROSS_PYTHON_VERSION", "")
    if library:
        return _from_library_folder(Path(library), triple, version), tuple(notes)
    if version:
        return _assumed(triple, _version(version, "PYO3_CROSS_PYTHON_VERSION")), tuple(notes)
    current = Interpreter.current()
    notes.append(
        f"The module is for CPython {current.version[0]}.{current.version[1]} on {triple}, this kernel's version; "
        "set PYO3_CROSS_PYTHON_VERSION for a different one."
    )
    return _assumed(triple, current.version), tuple(notes)


def _assumed(triple: str, version: tuple[int, int], *, free_threaded: bool = False, debug: bool = False) -> Interpreter:
    """Return the facts of a CPython on a target, by the rules of its ``configure`` and PEP 3149."""
    machine = machine_of_triple(triple)
    system = triple.partition("-")[2]
    flags = f"{'t' if free_threaded else ''}{'d' if debug else ''}"
    digits = f"{version[0]}{version[1]}{flags}"
    libc: tuple[str, str] | None = None
    if "linux" in system:
        libc = ("musl", "") if "musl" in system else ("glibc", "")
        suffix = f".cpython-{digits}-{machine.multiarch or machine.names[0]}-linux-{system.rpartition('-')[2]}.so"
        platform = f"linux-{machine.names[0]}"
    elif "darwin" in system:
        suffix = f".cpython-{digits}-darwin.so"
        platform = f"macosx-11.0-{machine.apple}"
    elif "windows" in system:
        platform = machine.windows or "win32"
        suffix = f".cp{digits}-{platform.replace('-', '_')}.pyd"
    else:
        raise InterpreterError(
            f"The file names and flags of a Python on {triple} are not known.",
            advice="Describe the Python in a file and name it with PYO3_CONFIG_FILE, or connect to a kernel of that "
            "Python with %pyo3_connect.",
        )
    return Interpreter(
        implementation="CPython",
        version=version,
        full_version=f"{version[0]}.{version[1]}.0",
        abiflags=flags,
        ext_suffix=suffix,
        soabi=suffix.removesuffix(".so").removesuffix(".pyd").removeprefix("."),
        pointer_width=machine.pointer_width,
        debug=debug,
        gil_disabled=free_threaded,
        shared=True,
        lib_name=f"python{version[0]}{'' if 'windows' in system else '.'}{version[1]}{flags}",
        lib_dir="",
        framework_prefix="",
        platform=platform,
        machine=machine.names[0],
        libc=libc,
        executable="",
        base_prefix="",
    )


def _from_config_file(path: Path, triple: str) -> Interpreter:
    if not path.is_absolute():
        raise InterpreterError(
            f"PYO3_CONFIG_FILE is {str(path)!r}, but PyO3 needs an absolute path.", advice="Write the full path."
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InterpreterError(
            f"PYO3_CONFIG_FILE names {path}, which cannot be read: {error}.",
            advice="Correct the variable, or unset it.",
        ) from error
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    flags = values.get("build_flags", "")
    found = _assumed(
        triple,
        _version(values.get("version", ""), str(path)),
        free_threaded="Py_GIL_DISABLED" in flags,
        debug="Py_DEBUG" in flags,
    )
    if values.get("implementation", "CPython") != "CPython":
        raise InterpreterError(
            f"{path} describes {values['implementation']}, but only CPython's file names are known without a kernel.",
            advice="Connect to a kernel of that Python with %pyo3_connect.",
        )
    return replace(found, lib_dir=values.get("lib_dir", ""), lib_name=values.get("lib_name") or found.lib_name)


def _from_library_folder(folder: Path, triple: str, version: str) -> Interpreter:
    """Read the facts from a ``_sysconfigdata*.py`` in a folder of the target's file system, as PyO3 does."""
    if not folder.is_dir():
        raise InterpreterError(
            f"PYO3_CROSS_LIB_DIR names {folder}, which is not a folder.",
            advice="Name the folder of the target's libpython, or one that has its _sysconfigdata*.py.",
        )
    files = [path for path in sorted(folder.rglob("_sysconfigdata*.py")) if "test" not in path.parts]
    if version:
        number = _version(version, "PYO3_CROSS_PYTHON_VERSION")
        wanted = [path for path in files if f"{number[0]}.{number[1]}" in str(path)]
        files = wanted or files
    if len({path.resolve() for path in files}) > 1:
        raise InterpreterError(
            f"{folder} contains several Pythons: {', '.join(str(path.parent) for path in files)}.",
            advice="Choose one with PYO3_CROSS_PYTHON_VERSION, or name its own folder.",
        )
    if not files:
        if version:
            return _assumed(triple, _version(version, "PYO3_CROSS_PYTHON_VERSION"))
        raise InterpreterError(
            f"{folder} contains no _sysconfigdata*.py, so the version of the target's Python is not known.",
            advice="Set PYO3_CROSS_PYTHON_VERSION, for example to 3.11.",
        )
    text = files[0].read_text(encoding="utf-8", errors="replace")
    found = _assumed(
        triple,
        _version(_sysconfig(text, "VERSION") or version, str(files[0])),
        free_threaded=_sysconfig(text, "Py_GIL_DISABLED") == "1",
        debug=_sysconfig(text, "Py_DEBUG") == "1",
    )
    suffix = _sysconfig(text, "EXT_SUFFIX")
    facts = found.facts() | {"lib_dir": str(folder)}
    if suffix:
        facts |= {"ext_suffix": suffix, "soabi": suffix.strip(".").rpartition(".")[0]}
    return Interpreter.from_facts(facts)


def _sysconfig(text: str, name: str) -> str:
    """Read a value from a ``_sysconfigdata`` module without running it, because it comes from another machine."""
    match = re.search(rf"^ ?[{{ ]'{name}': (?:'([^'\n]*)'|(-?\d+))", text, re.MULTILINE)
    return (match[1] or match[2] or "") if match else ""


def _version(text: str, source: str) -> tuple[int, int]:
    match = re.fullmatch(r"(3)\.(\d{1,2})t?", text.strip())
    if match is None:
        raise InterpreterError(
            f"{source} gives the Python version as {text!r}, which is not a version.", advice="Write for example 3.11."
        )
    return int(match[1]), int(match[2])
