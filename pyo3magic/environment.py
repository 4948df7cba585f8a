"""Everything outside the cell that cargo, rustc, PyO3 and C compilers read: variables and cargo's config files.

The same variables decide what a build makes (so they are digested), while others only decide how it is shown or
fetched, or are secrets (so they are passed to cargo and never looked at).
"""
# Run for every cell, and os.path is several times faster than pathlib.
# ruff: noqa: PTH100, PTH113, PTH118, PTH120

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "IGNORED",
    "RELEVANT",
    "Answer",
    "BuildEnvironment",
    "ask",
    "build_environment",
    "cargo_config_files",
    "cargo_environment",
    "cargo_home",
    "digest",
    "home",
]

RELEVANT: tuple[tuple[str, str], ...] = (
    ("CARGO_*", "cargo reference, 'Environment Variables' and 'Configuration': every config key has such a form"),
    ("RUSTFLAGS", "cargo reference: flags for every rustc that cargo starts"),
    ("RUSTC", "cargo reference: the compiler to use"),
    ("RUSTC_*", "cargo reference and rustc: wrappers, RUSTC_BOOTSTRAP and RUSTC_LINKER"),
    ("RUST_TARGET_PATH", "rustc: where JSON target specifications are found"),
    ("RUSTUP_TOOLCHAIN", "rustup book, 'Environment variables': the toolchain its proxies start"),
    ("RUSTUP_HOME", "rustup book: where toolchains are"),
    ("PYO3_*", "PyO3 guide, 'Building and distribution': interpreter, configuration and cross compiling"),
    ("PYTHON_SYS_EXECUTABLE", "PyO3's name for PYO3_PYTHON before 0.12"),
    *((name, "crate cc, 'External configuration via environment variables'") for name in (
        "CC", "CC_*", "CXX", "CXX_*", "AR", "AR_*", "ARFLAGS", "ARFLAGS_*", "LD", "NM", "RANLIB", "RANLIB_*",
        "CFLAGS", "CFLAGS_*", "CXXFLAGS", "CXXFLAGS_*", "CPPFLAGS", "LDFLAGS", "LDFLAGS_*", "CXXSTDLIB", "CXXSTDLIB_*",
        "CRATE_CC_NO_DEFAULTS", "TARGET_*", "HOST_CC", "HOST_CXX", "HOST_AR", "HOST_CFLAGS", "HOST_CXXFLAGS",
    )),
    *((name, "crate pkg-config: what it finds, and how") for name in (
        "PKG_CONFIG", "PKG_CONFIG_*", "HOST_PKG_CONFIG*", "*_SYS_USE_PKG_CONFIG", "*_NO_PKG_CONFIG")),
    *((name, "Apple's tools: the SDK and the oldest system a binary runs on") for name in (
        "MACOSX_DEPLOYMENT_TARGET", "IPHONEOS_DEPLOYMENT_TARGET", "SDKROOT", "DEVELOPER_DIR")),
    *((name, "GCC manual, 'Environment Variables Affecting GCC'") for name in (
        "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH",
        "SOURCE_DATE_EPOCH")),
    *((name, "Visual Studio's developer prompt: headers and import libraries") for name in (
        "INCLUDE", "LIB", "LIBPATH", "VCINSTALLDIR", "VCToolsInstallDir", "WindowsSdkDir", "VSCMD_ARG_TGT_ARCH")),
    *((name, "crates cmake and bindgen: the generator and libclang to use") for name in (
        "CMAKE", "CMAKE_*", "LIBCLANG_*", "LLVM_CONFIG_PATH", "CLANG_PATH", "BINDGEN_EXTRA_CLANG_ARGS*")),
    *((name, "build scripts of -sys crates: which native library is linked, and how") for name in (
        "OPENSSL_*", "SQLITE3_*", "LIBSQLITE3_*", "LIBGIT2_*", "LIBSSH2_*", "ZSTD_*", "OPENBLAS_*", "HDF5_*", "MKLROOT",
        "CUDA_HOME", "CUDA_PATH", "PROTOC", "PROTOC_INCLUDE", "VCPKG*", "CONDA_BUILD_SYSROOT",
        "*_LIB_DIR", "*_INCLUDE_DIR", "*_NO_VENDOR")),
)  # fmt: skip
"""Variables that decide what a build makes, as a name, ``PREFIX*`` or ``*SUFFIX``, and who reads them."""

IGNORED: tuple[tuple[str, str], ...] = (
    ("*TOKEN", "a secret: never digested, never recorded"),
    ("*SECRET", "a secret"),
    ("*SECRET_KEY", "a secret"),
    ("*PASSWORD", "a secret"),
    ("*PASSPHRASE", "a secret"),
    ("CARGO_REGISTRY_*", "where crates come from, perhaps with a secret; the lock file says what came"),
    ("CARGO_REGISTRIES_*", "likewise"),
    ("CARGO_HTTP_*", "how crates are fetched; a proxy's address may hold a password"),
    ("CARGO_NET_*", "likewise"),
    ("CARGO_TERM_*", "only how cargo prints"),
    ("CARGO_LOG*", "only what cargo logs"),
    ("CARGO_BUILD_JOBS", "only how fast a build is"),
    ("CARGO_TARGET_DIR", "the store's own folder is used"),
    ("CARGO_BUILD_TARGET_DIR", "likewise"),
    ("CARGO_BUILD_BUILD_DIR", "likewise"),
    ("CARGO_BUILD_TARGET", "the cell's --target says it"),
    ("CARGO_MAKEFLAGS", "another cargo's job server"),
    ("CARGO_PKG_*", "set by cargo for its children, when the kernel itself runs under cargo"),
    ("CARGO_BIN_*", "likewise"),
    ("CARGO_MANIFEST_*", "likewise"),
    ("CARGO_CRATE_NAME", "likewise"),
    ("CARGO_PRIMARY_PACKAGE", "likewise"),
    ("PYO3_CONFIG_FILE", "written by us"),
    ("PYO3_BUILD_EXTENSION_MODULE", "set by us"),
    ("PYO3_PRINT_CONFIG", "stops the build to show the configuration"),
)
"""Exceptions to ``RELEVANT``."""

_DISTURBING = frozenset((
    *("CARGO_BUILD_BUILD_DIR", "CARGO_BUILD_TARGET", "CARGO_BUILD_TARGET_DIR", "CARGO_TARGET_DIR"),
    *("CARGO_CRATE_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE"),
    *("CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"),  # file descriptors of a make or cargo we are not a job of
    *("CARGO_TERM_QUIET", "CARGO_TERM_VERBOSE"),  # no progress, or lines nobody asked for
    *("PYO3_PRINT_CONFIG", "PYO3_NO_PYTHON", "PYTHON_SYS_EXECUTABLE"),
    *("RUSTUP_FORCE_ARG0", "RUST_RECURSION_COUNT"),
))  # fmt: skip


def _split(rules: Iterable[tuple[str, str]]) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    names = [name for name, _ in rules]
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    suffixes = tuple(name[1:] for name in names if name.startswith("*"))
    return frozenset(name for name in names if "*" not in name), prefixes, suffixes


_NAMES, _PREFIXES, _SUFFIXES = _split(RELEVANT)
_NOT_NAMES, _NOT_PREFIXES, _NOT_SUFFIXES = _split(IGNORED)


@dataclass(frozen=True, slots=True)
class BuildEnvironment:
    """The variables a build depends on, sorted by name, and notes on old names met among them."""

    variables: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def build_environment(environ: Mapping[str, str]) -> BuildEnvironment:
    """Return the variables of ``environ`` that decide what a build makes; secrets are never among them."""
    found = {
        name: value
        for name, value in environ.items()
        if (name in _NAMES or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES))
        and not (name in _NOT_NAMES or name.startswith(_NOT_PREFIXES) or name.endswith(_NOT_SUFFIXES))
    }
    notes = []
    old = found.pop("PYTHON_SYS_EXECUTABLE", "")
    if old and found.setdefault("PYO3_PYTHON", old) == old:
        notes.append("PYTHON_SYS_EXECUTABLE is PyO3's old name for PYO3_PYTHON; it is used, please rename it.")
    elif old:
        notes.append("PYTHON_SYS_EXECUTABLE is ignored: PYO3_PYTHON, its name today, is set as well.")
    if "PYO3_CROSS_INCLUDE_DIR" in found:
        notes.append("PYO3_CROSS_INCLUDE_DIR has no effect any more: PyO3 needs no headers to cross-compile.")
    return BuildEnvironment(tuple(sorted(found.items())), tuple(notes))


def home(environ: Mapping[str, str]) -> Path:
    """Return the user's home folder as rustup and cargo see it in ``environ``."""
    return Path(environ.get("USERPROFILE" if os.name == "nt" else "HOME") or Path.home())


def cargo_home(environ: Mapping[str, str]) -> Path:
    """Return CARGO_HOME, or its default."""
    configured = environ.get("CARGO_HOME")
    return Path(configured) if configured else home(environ) / ".cargo"


def cargo_config_files(directory: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the existing config files a cargo started in ``directory`` reads, the strongest first.

    Cargo reference, "Hierarchical structure" and "Including extra configuration files": the folders upward, then
    CARGO_HOME; a ``config`` without extension wins over ``config.toml``. An included file follows its includer.
    """
    folder = os.path.abspath(directory)
    folders = [folder]
    while (parent := os.path.dirname(folder)) != folder:
        folders.append(parent)
        folder = parent
    places = [os.path.join(folder, ".cargo") for folder in folders]
    places.append(os.path.join(folders[0], cargo_home(environ)))
    found: dict[Path, None] = {}
    for place in dict.fromkeys(places):
        for name in ("config", "config.toml"):
            path = f"{place}{os.sep}{name}"
            if os.path.isfile(path):
                found.update(dict.fromkeys(_with_includes(Path(path), set())))
                break
    return tuple(found)


def _with_includes(path: Path, seen: set[Path]) -> Iterator[Path]:
    content = _content(path)
    if content is None or path in seen:
        return
    seen.add(path)
    yield path
    if b"include" not in content:
        return
    import tomlkit  # takes 30 ms, needed by few
    from tomlkit.exceptions import ParseError

    try:
        entries = tomlkit.parse(content).unwrap().get("include", [])
    except (ParseError, UnicodeDecodeError):  # cargo says it better, when it reads the file
        return
    for entry in [entries] if isinstance(entries, str) else entries:
        name = entry.get("path") if isinstance(entry, dict) else entry
        if isinstance(name, str):
            yield from _with_includes(path.parent / name, seen)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def digest(environment: BuildEnvironment, config_files: Iterable[Path] = ()) -> str:
    """Return the SHA-256 of the variables and of the config files, each by path and content (hexadecimal)."""
    total = hashlib.sha256()
    for name, value in environment.variables:
        _add(total.update, b"variable", os.fsencode(name), os.fsencode(value))
    for path in config_files:
        _add(total.update, b"file", os.fsencode(path), _content(path) or b"")
    return total.hexdigest()


def _add(update: Callable[[bytes], None], *parts: bytes) -> None:
    for part in parts:
        update(len(part).to_bytes(8, "big"))
        update(part)


def cargo_environment(
    environ: Mapping[str, str],
    *,
    cargo: Path,
    pyo3_config: Path | None = None,
    extension_module: bool = True,
    progress_width: int | None = None,
    color: bool = False,
    extra: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Return the environment to start cargo or rustc with: the user's own, and what the build needs.

    Args:
        environ: the user's environment.
        cargo: the cargo that will be started; its folder goes before PATH when PATH has no cargo.
        pyo3_config: absolute path for PYO3_CONFIG_FILE.
        extension_module: whether PyO3 must leave libpython out (modules) or link it (``--test``, ``--bin``).
        progress_width: columns for the bar that cargo then prints even on a pipe; no bar without it.
        color: whether diagnostics carry ANSI colours.
        extra: variables of the toolchain itself (``Toolchain.variables``).

    Raises:
        ValueError: if ``pyo3_config`` is not absolute, which PyO3 refuses.
    """
    result = {name: value for name, value in environ.items() if name not in _DISTURBING}
    result.update(extra)
    old = environ.get("PYTHON_SYS_EXECUTABLE")
    if old:
        result.setdefault("PYO3_PYTHON", old)
    result.pop("PYO3_CONFIG_FILE", None)
    if pyo3_config is not None:
        if not pyo3_config.is_absolute():
            raise ValueError(f"PYO3_CONFIG_FILE must be an absolute path, not {pyo3_config}")
        result["PYO3_CONFIG_FILE"] = str(pyo3_config)
    result.pop("PYO3_BUILD_EXTENSION_MODULE", None)
    if extension_module:
        result["PYO3_BUILD_EXTENSION_MODULE"] = "1"
    result["CARGO_TERM_COLOR"] = "always" if color else "never"
    result["CARGO_TERM_PROGRESS_WHEN"] = "never"
    if progress_width is not None:
        result["CARGO_TERM_PROGRESS_WHEN"] = "always"
        result["CARGO_TERM_PROGRESS_WIDTH"] = str(progress_width)
    path = result.get("PATH", "")
    if shutil.which("cargo", path=path) is None:
        result["PATH"] = os.pathsep.join(filter(None, (str(cargo.parent), path)))
    return result


@dataclass(frozen=True, slots=True)
class Answer:
    """What a short program printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def ask(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout: float,
    limit: int = 1 << 20,
) -> Answer:
    """Run a program that should print a little and end.

    At most ``limit`` bytes of each stream are kept; a program that goes on printing loses its pipe. When the time is
    over the program is killed together with its children.

    Raises:
        OSError: when it cannot be started.
        TimeoutError: when it, or a child that holds its output, is still there after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    with subprocess.Popen(
        [os.fspath(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=None if environ is None else dict(environ),
        cwd=directory,
        start_new_session=True,
    ) as process:
        kept: dict[str, bytes] = {}

        def keep(name: str, stream: IO[bytes] | None) -> None:
            assert stream is not None  # noqa: S101  # Popen was given PIPE
            with stream:
                kept[name] = stream.read(limit)

        streams = {"stdout": process.stdout, "stderr": process.stderr}
        readers = [threading.Thread(target=keep, args=pair, daemon=True) for pair in streams.items()]
        try:
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join(max(0.0, deadline - time.monotonic()))
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            late = process.poll() is None or any(reader.is_alive() for reader in readers)
            if late:
                _kill(process)
            for reader in readers:
                reader.join()
        if late:
            raise TimeoutError(f"{command[0]} gave no answer within {timeout:g} seconds")
        texts = {name: content.decode("utf-8", "replace") for name, content in kept.items()}
        return Answer(process.returncode, texts["stdout"], texts["stderr"])


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
