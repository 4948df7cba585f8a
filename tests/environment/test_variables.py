from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.variables import IGNORED, RELEVANT, build_environment, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    [
        *("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO", "RUSTC"),
        *(
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_BOOTSTRAP",
            "RUSTUP_TOOLCHAIN",
            "RUSTUP_HOME",
            "CARGO_HOME",
        ),
        *("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "PYO3_PYTHON", "PYO3_CROSS_LIB_DIR", "CC", "TARGET_CC"),
        *("CC_x86_64-unknown-linux-gnu", "CFLAGS_aarch64_unknown_linux_gnu", "HOST_CC", "LDFLAGS", "AR", "SDKROOT"),
        *("PKG_CONFIG_PATH", "MACOSX_DEPLOYMENT_TARGET", "LIBRARY_PATH", "C_INCLUDE_PATH", "OPENSSL_DIR"),
        *("ZSTD_SYS_USE_PKG_CONFIG", "LZMA_NO_PKG_CONFIG", "FOO_LIB_DIR"),
    ],
)
def test_relevant_variable_is_kept_and_changes_the_digest(name: str) -> None:
    one, other = build_environment({name: "1"}), build_environment({name: "2"})
    assert one.variables == ((name, "1"),)
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    "name",
    [
        *("CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_MINE_TOKEN", "CARGO_REGISTRIES_MINE_INDEX", "OPENSSL_PASSWORD"),
        *("CARGO_REGISTRIES_MINE_SECRET_KEY", "CARGO_HTTP_PROXY", "CARGO_TERM_COLOR", "CARGO_TARGET_DIR"),
        *("CARGO_MAKEFLAGS", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "PYO3_CONFIG_FILE", "PATH", "HOME", "LANG"),
        *("PYO3MAGIC_STORE", "LD_LIBRARY_PATH", "RUST_BACKTRACE"),
    ],
)
def test_other_variable_is_not_looked_at(name: str) -> None:
    assert build_environment({name: "1"}).variables == ()


def test_rules_are_names_prefixes_or_suffixes_with_a_reason() -> None:
    for name, reason in RELEVANT + IGNORED:
        assert name.count("*") <= 1
        assert "*" not in name[1:-1]
        assert reason


def test_values_cannot_run_into_each_other() -> None:
    assert digest(build_environment({"CC": "aCXX", "CXX": "b"})) != digest(
        build_environment({"CC": "a", "CXX": "CXXb"})
    )


@pytest.mark.parametrize(
    ("environ", "variables", "note"),
    [
        ({"PYTHON_SYS_EXECUTABLE": "/p"}, {"PYO3_PYTHON": "/p"}, "rename it"),
        ({"PYTHON_SYS_EXECUTABLE": "/p", "PYO3_PYTHON": "/q"}, {"PYO3_PYTHON": "/q"}, "ignored"),
        ({"PYO3_CROSS_INCLUDE_DIR": "/i"}, {"PYO3_CROSS_INCLUDE_DIR": "/i"}, "no longer needed"),
    ],
)
def test_old_names_are_noted(environ: dict[str, str], variables: dict[str, str], note: str) -> None:
    environment = build_environment(environ)
    assert dict(environment.variables) == variables
    assert note in environment.notes[0]


def test_a_hundred_variables_are_quick() -> None:
    environ = {f"VARIABLE_{number}": "x" * 50 for number in range(90)} | {f"CARGO_V{n}": "x" for n in range(10)}
    best = min(_timed(lambda: build_environment(environ)) for _ in range(50))
    assert best < 0.0005  # about 25 us; the rest is for a busy machine


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_digest_follows_the_content_of_config_files(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("a = 1")
    before = digest(build_environment({}), [config])
    assert digest(build_environment({}), [config]) == before
    config.write_text("a = 2")
    assert digest(build_environment({}), [config]) != before
    assert digest(build_environment({})) != before


READ = """
*_INCLUDE_DIR *_LIB_DIR *_NO_PKG_CONFIG *_NO_VENDOR *_SYS_USE_PKG_CONFIG AR ARFLAGS ARFLAGS_* AR_*
BINDGEN_EXTRA_CLANG_ARGS* CARGO_* CC CC_* CFLAGS CFLAGS_* CLANG_PATH CMAKE CMAKE_* COMPILER_PATH
CONDA_BUILD_SYSROOT CPATH CPLUS_INCLUDE_PATH CPPFLAGS CRATE_CC_NO_DEFAULTS CUDA_HOME CUDA_PATH CXX CXXFLAGS
CXXFLAGS_* CXXSTDLIB CXXSTDLIB_* CXX_* C_INCLUDE_PATH DEVELOPER_DIR GCC_EXEC_PREFIX HDF5_* HOST_AR HOST_CC
HOST_CFLAGS HOST_CXX HOST_CXXFLAGS HOST_PKG_CONFIG* INCLUDE IPHONEOS_DEPLOYMENT_TARGET LD LDFLAGS LDFLAGS_*
LIB LIBCLANG_* LIBGIT2_* LIBPATH LIBRARY_PATH LIBSQLITE3_* LIBSSH2_* LLVM_CONFIG_PATH
MACOSX_DEPLOYMENT_TARGET MKLROOT NM OPENBLAS_* OPENSSL_* PKG_CONFIG PKG_CONFIG_* PROTOC PROTOC_INCLUDE
PYO3_* PYTHON_SYS_EXECUTABLE RANLIB RANLIB_* RUSTC RUSTC_* RUSTFLAGS RUSTUP_HOME RUSTUP_TOOLCHAIN
RUST_TARGET_PATH SDKROOT SOURCE_DATE_EPOCH SQLITE3_* TARGET_* VCINSTALLDIR VCPKG* VCToolsInstallDir
VSCMD_ARG_TGT_ARCH WindowsSdkDir ZSTD_*
"""
NOT_READ = """
*PASSPHRASE *PASSWORD *SECRET *SECRET_KEY *TOKEN CARGO_BIN_* CARGO_BUILD_BUILD_DIR CARGO_BUILD_JOBS
CARGO_BUILD_TARGET CARGO_BUILD_TARGET_DIR CARGO_CRATE_NAME CARGO_HTTP_* CARGO_LOG* CARGO_MAKEFLAGS
CARGO_MANIFEST_* CARGO_NET_* CARGO_PKG_* CARGO_PRIMARY_PACKAGE CARGO_REGISTRIES_* CARGO_REGISTRY_*
CARGO_TARGET_DIR CARGO_TERM_* PYO3_BUILD_EXTENSION_MODULE PYO3_CONFIG_FILE PYO3_PRINT_CONFIG
"""


def test_every_name_is_spelled_as_its_reader_spells_it() -> None:
    """A misspelled name would go unseen: a variable of this list would change a build and not the digest."""
    assert {name for name, _ in RELEVANT} == set(READ.split())
    assert {name for name, _ in IGNORED} == set(NOT_READ.split())


def test_every_rule_is_in_force() -> None:
    names = [name.replace("*", "X") for name in READ.split()]
    found = dict(build_environment(dict.fromkeys(names, "1")).variables)
    assert set(names) - set(found) == {"PYTHON_SYS_EXECUTABLE"}, "which is found under its new name"
    assert not build_environment({name.replace("*", "X"): "1" for name in NOT_READ.split()}).variables


def test_the_digest_is_the_same_in_every_version() -> None:
    """Another digest would make every stored artifact unreachable without any reason."""
    known = "46b44c463569ee7a6f227ca53ea96270a51e12e67b27dfec6c78298c04714fe2"
    assert digest(build_environment({"CC": "gcc", "RUSTFLAGS": "-g"})) == known
