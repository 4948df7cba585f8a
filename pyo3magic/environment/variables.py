"""The variables and configuration files that cargo, rustc, PyO3 and C compilers read.

Variables that affect the result of a build are part of the digest. Variables that only affect its display or downloads,
and secrets, are passed to cargo unread.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .snapshot import content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["IGNORED", "NO_HEADERS", "RELEVANT", "BuildEnvironment", "build_environment", "digest"]

RELEVANT: tuple[tuple[str, str], ...] = (
    ("CARGO_*", "cargo reference, 'Environment Variables' and 'Configuration': every config key has this form"),
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
"""Variables that affect the result of a build, as a name, ``PREFIX*`` or ``*SUFFIX``, each with its reader."""
NO_HEADERS = "PYO3_CROSS_INCLUDE_DIR is no longer needed: PyO3 reads no C headers."
IGNORED: tuple[tuple[str, str], ...] = (
    ("*TOKEN", "a secret: never digested, never recorded"),
    ("*SECRET", "a secret"),
    ("*SECRET_KEY", "a secret"),
    ("*PASSWORD", "a secret"),
    ("*PASSPHRASE", "a secret"),
    ("CARGO_REGISTRY_*", "the source of crates, possibly with a secret; the lock file records the crates"),
    ("CARGO_REGISTRIES_*", "likewise"),
    ("CARGO_HTTP_*", "how crates are fetched; a proxy's address may contain a password"),
    ("CARGO_NET_*", "likewise"),
    ("CARGO_TERM_*", "only how cargo prints"),
    ("CARGO_LOG*", "only what cargo logs"),
    ("CARGO_BUILD_JOBS", "only how fast a build is"),
    ("CARGO_TARGET_DIR", "the store's own folder is used"),
    ("CARGO_BUILD_TARGET_DIR", "likewise"),
    ("CARGO_BUILD_BUILD_DIR", "likewise"),
    ("CARGO_BUILD_TARGET", "the cell's --target determines it"),
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


def _split(rules: Iterable[tuple[str, str]]) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    names = [name for name, _ in rules]
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    suffixes = tuple(name[1:] for name in names if name.startswith("*"))
    return frozenset(name for name in names if "*" not in name), prefixes, suffixes


_NAMES, _PREFIXES, _SUFFIXES = _split(RELEVANT)
_NOT_NAMES, _NOT_PREFIXES, _NOT_SUFFIXES = _split(IGNORED)


@dataclass(frozen=True, slots=True)
class BuildEnvironment:
    """The variables that a build depends on.

    Attributes:
        variables: name and value of each, sorted by name.
        notes: notes for the user about outdated names.
    """

    variables: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def build_environment(environ: Mapping[str, str]) -> BuildEnvironment:
    """Return the variables in ``environ`` that affect the result of a build, never secrets."""
    found = {
        name: value
        for name, value in environ.items()
        if (name in _NAMES or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES))
        and not (name in _NOT_NAMES or name.startswith(_NOT_PREFIXES) or name.endswith(_NOT_SUFFIXES))
    }
    notes = []
    old = found.pop("PYTHON_SYS_EXECUTABLE", "")
    if old and found.setdefault("PYO3_PYTHON", old) == old:
        notes.append("PYTHON_SYS_EXECUTABLE is PyO3's old name for PYO3_PYTHON. It is used; please rename it.")
    elif old:
        notes.append("PYTHON_SYS_EXECUTABLE is ignored because PYO3_PYTHON, its new name, is also set.")
    if "PYO3_CROSS_INCLUDE_DIR" in found:
        notes.append(NO_HEADERS)
    return BuildEnvironment(tuple(sorted(found.items())), tuple(notes))


def digest(environment: BuildEnvironment, config_files: Iterable[Path] = ()) -> str:
    """Return the SHA-256 (hexadecimal) of the variables, and of each configuration file's path and content."""
    total = hashlib.sha256()
    for name, value in environment.variables:
        _add(total.update, b"variable", os.fsencode(name), os.fsencode(value))
    for path in config_files:
        _add(total.update, b"file", os.fsencode(path), content(path) or b"")
    return total.hexdigest()


def _add(update: Callable[[bytes], None], *parts: bytes) -> None:
    for part in parts:
        update(len(part).to_bytes(8, "big"))
        update(part)
