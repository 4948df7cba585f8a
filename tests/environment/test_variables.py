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
