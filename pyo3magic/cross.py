"""Building for another machine: the target's standard library, its linker, and the facts of its Python.

What is looked for, in this order: the user's own cargo configuration, the cross compiler that distributions ship, zig
from PyPI's ``ziglang``. The facts come from a probe of the target's Python, from PYO3_CONFIG_FILE, or from PyO3's cross
variables (PyO3 guide, 'Cross compiling').
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InterpreterError, ToolchainError
from .interpreter import Interpreter
from .toolchain.linkers import target_libdir_exists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .store import Store
    from .toolchain import Toolchain

__all__ = ["CrossTarget", "cross_interpreter", "prepare_target", "triple_of"]

_TRIPLE = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_.]+){1,4}")
_GNU_PACKAGES = {
    "aarch64-unknown-linux-gnu": ("aarch64-linux-gnu", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    "armv7-unknown-linux-gnueabihf": ("arm-linux-gnueabihf", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
    "arm-unknown-linux-gnueabihf": ("arm-linux-gnueabihf", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"),
    "i686-unknown-linux-gnu": ("i686-linux-gnu", "gcc-i686-linux-gnu libc6-dev-i386-cross"),
    "powerpc64le-unknown-linux-gnu": ("powerpc64le-linux-gnu", "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross"),
    "riscv64gc-unknown-linux-gnu": ("riscv64-linux-gnu", "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"),
    "s390x-unknown-linux-gnu": ("s390x-linux-gnu", "gcc-s390x-linux-gnu libc6-dev-s390x-cross"),
    "x86_64-unknown-linux-gnu": ("x86_64-linux-gnu", "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"),
    "x86_64-pc-windows-gnu": ("x86_64-w64-mingw32", "gcc-mingw-w64-x86-64"),
}
"""Target to the prefix of its GNU tools and the Debian packages that have them."""

_ZIG_ARCHITECTURES = {"armv7": "arm", "arm": "arm", "riscv64gc": "riscv64", "i686": "x86", "i586": "x86"}
_MACHINES = {"armv7": "armv7l", "arm": "armv6l", "riscv64gc": "riscv64", "powerpc64le": "ppc64le"}
_NARROW = frozenset({"arm", "armv7", "i586", "i686"})
_ARCHITECTURES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "armv7l": "armv7",
    "armv8l": "armv7",
    "armv6l": "arm",
    "i686": "i686",
    "i386": "i686",
    "ppc64le": "powerpc64le",
    "riscv64": "riscv64gc",
    "s390x": "s390x",
}


@dataclass(frozen=True, slots=True)
class CrossTarget:
    """How to build for a target.

    Attributes:
        triple: the target, as rustc calls it.
        linker: what was found to link with; empty where the user's own configuration names one.
        variables: what cargo's environment needs for it.
        notes: remarks for the user.
    """

    triple: str
    linker: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def triple_of(interpreter: Interpreter) -> str:
    """The Rust target of a Python on Linux, macOS or Windows.

    Machine, pointer width and extension suffix are looked at together: a 32-bit userland on a 64-bit processor calls
    its machine ``armv8l`` or ``aarch64``.

    Raises:
        InterpreterError: no Rust target is known for it.
    """
    machine = interpreter.machine.lower()
    architecture = _ARCHITECTURES.get(machine, "")
    if interpreter.pointer_width == 32 and architecture in {"aarch64", "x86_64"}:  # noqa: PLR2004
        architecture = {"aarch64": "armv7", "x86_64": "i686"}[architecture]
    platform = interpreter.platform
    if architecture and platform.startswith("linux"):
        musl = interpreter.libc is not None and interpreter.libc[0] == "musl"
        hard_float = "eabihf" if architecture in {"armv7", "arm"} else ""
        return f"{architecture}-unknown-linux-{'musl' if musl else 'gnu'}{hard_float}"
    if architecture and platform.startswith("macosx"):
        return f"{architecture}-apple-darwin"
    if platform in {"win-amd64", "win-arm64", "win32"}:
        return {"win-amd64": "x86_64", "win-arm64": "aarch64", "win32": "i686"}[platform] + "-pc-windows-msvc"
    raise InterpreterError(
        f"No Rust target is known for {interpreter.name} on {platform}.",
        advice="Name one with --target; `rustc --print target-list` lists them.",
    )


def prepare_target(triple: str, toolchain: Toolchain, store: Store, environ: Mapping[str, str]) -> CrossTarget:
    """Find what it takes to build for ``triple``; nothing is installed.

    Raises:
        ToolchainError: the target is none, its standard library is missing, or nothing can link for it.
    """
    if not _TRIPLE.fullmatch(triple):
        raise ToolchainError(
            f"{triple!r} is not a target.",
            advice="`rustc --print target-list` lists them, for example aarch64-unknown-linux-gnu.",
        )
    if not target_libdir_exists(toolchain, triple):
        raise ToolchainError(
            f"Rust's standard library for {triple} is not installed in {toolchain.sysroot}.",
            advice=f"Run: rustup target add {triple} --toolchain {toolchain.sysroot.name}\n"
            "(with a Rust from elsewhere: install that distribution's standard library for the target)",
        )
    variable = _linker_variable(triple)
    if triple == toolchain.host or environ.get(variable) or _configured(triple, environ):
        return CrossTarget(triple)
    prefix, packages = _GNU_PACKAGES.get(triple, ("", ""))
    gcc = shutil.which(f"{prefix}-gcc", path=environ.get("PATH")) if prefix else None
    if gcc:
        return CrossTarget(triple, gcc, _variables(triple, gcc, f"{prefix}-ar", environ))
    if importlib.util.find_spec("ziglang") is not None and (zig := _zig_target(triple, environ)):
        wrapper = _zig_wrapper(store, zig)
        return CrossTarget(triple, str(wrapper), _variables(triple, str(wrapper), "ar", environ))
    ways = [f"  pip install ziglang (into {sys.prefix})", f"  set {variable}"]
    if packages:
        ways.insert(0, f"  sudo apt install {packages}")
    raise ToolchainError(
        f"Nothing was found that links for {triple}: no linker in cargo's configuration, no {prefix or triple}-gcc on "
        "PATH, no zig.",
        advice="Do one of these:\n" + "\n".join(ways),
    )


def cross_interpreter(triple: str, environ: Mapping[str, str]) -> tuple[Interpreter, tuple[str, ...]]:
    """Facts of the Python that a module for ``triple`` is for, and remarks about where they come from.

    PYO3_CONFIG_FILE goes before PyO3's cross variables; without either it is a Python of this kernel's version.

    Raises:
        InterpreterError: what the variables name does not exist or is not understood.
    """
    notes = []
    if environ.get("PYO3_CROSS_INCLUDE_DIR"):
        notes.append("PYO3_CROSS_INCLUDE_DIR is no longer needed: PyO3 reads no C headers.")
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
        "PYO3_CROSS_PYTHON_VERSION names another."
    )
    return _assumed(triple, current.version), tuple(notes)


def _assumed(triple: str, version: tuple[int, int], *, free_threaded: bool = False, debug: bool = False) -> Interpreter:
    """What a CPython of that version looks like on that target (its ``configure`` and ``PEP 3149`` names)."""
    architecture, *rest = triple.split("-")
    system = "-".join(rest)
    machine = _MACHINES.get(architecture, architecture)
    flags = f"{'t' if free_threaded else ''}{'d' if debug else ''}"
    digits = f"{version[0]}{version[1]}{flags}"
    libc: tuple[str, str] | None = None
    if "linux" in system:
        multiarch = {"armv7": "arm", "arm": "arm", "i686": "i386", "riscv64gc": "riscv64"}.get(
            architecture, architecture
        )
        libc = ("musl", "") if "musl" in system else ("glibc", "")
        suffix = f".cpython-{digits}-{multiarch}-linux-{rest[-1]}.so"
        platform = f"linux-{machine}"
    elif "darwin" in system:
        suffix = f".cpython-{digits}-darwin.so"
        platform = f"macosx-11.0-{'arm64' if architecture == 'aarch64' else architecture}"
    elif "windows" in system:
        platform = {"x86_64": "win-amd64", "aarch64": "win-arm64"}.get(architecture, "win32")
        suffix = f".cp{digits}-{platform.replace('-', '_')}.pyd"
    else:
        raise InterpreterError(
            f"What a Python on {triple} looks like is not known.",
            advice="Describe it in a file and name that with PYO3_CONFIG_FILE, or connect to it with %pyo3_connect.",
        )
    return Interpreter(
        implementation="CPython",
        version=version,
        full_version=f"{version[0]}.{version[1]}.0",
        abiflags=flags,
        ext_suffix=suffix,
        soabi=suffix.removesuffix(".so").removesuffix(".pyd").removeprefix("."),
        pointer_width=32 if architecture in _NARROW else 64,
        debug=debug,
        gil_disabled=free_threaded,
        shared=True,
        lib_name=f"python{version[0]}{'' if 'windows' in system else '.'}{version[1]}{flags}",
        lib_dir="",
        framework_prefix="",
        platform=platform,
        machine=machine,
        libc=libc,
        executable="",
        base_prefix="",
    )


def _from_config_file(path: Path, triple: str) -> Interpreter:
    if not path.is_absolute():
        raise InterpreterError(
            f"PYO3_CONFIG_FILE is {str(path)!r}, and PyO3 takes only an absolute path.", advice="Write the whole path."
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
            f"{path} describes {values['implementation']}, and only CPython's file names are known without a probe.",
            advice="Connect to a kernel of that Python with %pyo3_connect.",
        )
    return replace(found, lib_dir=values.get("lib_dir", ""), lib_name=values.get("lib_name") or found.lib_name)


def _from_library_folder(folder: Path, triple: str, version: str) -> Interpreter:
    """Facts from a ``_sysconfigdata*.py`` below a folder of the target's file system, as PyO3 itself finds them."""
    if not folder.is_dir():
        raise InterpreterError(
            f"PYO3_CROSS_LIB_DIR names {folder}, which is no folder.",
            advice="Name the folder of the target's libpython, or one that has its _sysconfigdata*.py.",
        )
    files = [path for path in sorted(folder.rglob("_sysconfigdata*.py")) if "test" not in path.parts]
    if version:
        number = _version(version, "PYO3_CROSS_PYTHON_VERSION")
        wanted = [path for path in files if f"{number[0]}.{number[1]}" in str(path)]
        files = wanted or files
    if len({path.resolve() for path in files}) > 1:
        raise InterpreterError(
            f"Below {folder} there are several Pythons: {', '.join(str(path.parent) for path in files)}.",
            advice="Say which one with PYO3_CROSS_PYTHON_VERSION, or name its own folder.",
        )
    if not files:
        if version:
            return _assumed(triple, _version(version, "PYO3_CROSS_PYTHON_VERSION"))
        raise InterpreterError(
            f"Below {folder} there is no _sysconfigdata*.py, so nothing is known of the target's Python.",
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
    """One value of a ``_sysconfigdata`` module, which is read and never run: it comes from another machine."""
    match = re.search(rf"^ ?[{{ ]'{name}': (?:'([^'\n]*)'|(-?\d+))", text, re.MULTILINE)
    return (match[1] or match[2] or "") if match else ""


def _version(text: str, source: str) -> tuple[int, int]:
    match = re.fullmatch(r"(3)\.(\d{1,2})t?", text.strip())
    if match is None:
        raise InterpreterError(
            f"{source} says the Python version is {text!r}, which is not one.", advice="Write for example 3.11."
        )
    return int(match[1]), int(match[2])


def _configured(triple: str, environ: Mapping[str, str]) -> bool:
    """Whether a cargo configuration file names a linker for the target."""
    from .environment.cargo_config import cargo_config_files

    for path in cargo_config_files(Path.cwd(), environ):
        text = path.read_text(encoding="utf-8", errors="replace")
        section = re.search(rf"^\[target\.[\"']?{re.escape(triple)}[\"']?\]([^\[]*)", text, re.MULTILINE)
        if section and re.search(r"^\s*linker\s*=", section[1], re.MULTILINE):
            return True
    return False


def _linker_variable(triple: str) -> str:
    return f"CARGO_TARGET_{triple.upper().replace('-', '_').replace('.', '_')}_LINKER"


def _variables(triple: str, compiler: str, archiver: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What cargo, and the crate ``cc`` for dependencies in C, read; what the user has set stays."""
    path, name = environ.get("PATH"), triple.replace("-", "_")
    found = shutil.which(archiver, path=path) or shutil.which("ar", path=path)
    variables = {_linker_variable(triple): compiler, f"CC_{name}": compiler} | ({f"AR_{name}": found} if found else {})
    return {key: environ.get(key, value) for key, value in variables.items()}


def _zig_target(triple: str, environ: Mapping[str, str]) -> str:
    """Zig's name of a Linux target, with the oldest glibc that Rust's standard library supports as its floor."""
    architecture, *rest = triple.split("-")
    if "linux" not in rest:
        return ""
    floor = environ.get("PYO3MAGIC_GLIBC", "2.17")
    abi = rest[-1]
    return f"{_ZIG_ARCHITECTURES.get(architecture, architecture)}-linux-{abi}{f'.{floor}' if 'gnu' in abi else ''}"


def _zig_wrapper(store: Store, target: str) -> Path:
    wrapper = store.place("linkers", f"zig-{target}")
    arguments = f'"{sys.executable}" -m ziglang cc -target {target}'
    # rustc passes the target's own name for the machine, which zig does not know.
    keep_others = 'case "$argument" in --target=*) ;; *) set -- "$@" "$argument";; esac'
    text = f'#!/bin/sh\nfor argument; do shift; {keep_others}; done\nexec {arguments} "$@"\n'
    if not wrapper.exists() or wrapper.read_text(encoding="utf-8") != text:
        store.write_text(wrapper, text)
    if os.name == "posix":
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper
