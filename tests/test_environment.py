"""The variables and config files a build depends on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment import (
    IGNORED,
    RELEVANT,
    Answer,
    ask,
    build_environment,
    cargo_config_files,
    cargo_environment,
    digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CARGO = Path("/opt/rust/bin/cargo")


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
        ({"PYO3_CROSS_INCLUDE_DIR": "/i"}, {"PYO3_CROSS_INCLUDE_DIR": "/i"}, "no effect"),
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


def _write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_config_files_upward_then_cargo_home(tmp_path: Path) -> None:
    near = _write(tmp_path / "a" / "b" / ".cargo" / "config.toml")
    far = _write(tmp_path / ".cargo" / "config")
    _write(tmp_path / ".cargo" / "config.toml")
    user = _write(tmp_path / "home" / "config.toml")
    environ = {"CARGO_HOME": str(tmp_path / "home")}
    files = cargo_config_files(tmp_path / "a" / "b", environ)
    assert files[0] == near
    assert files[1] == far
    assert files[-1] == user
    assert tmp_path / ".cargo" / "config.toml" not in files
    assert near not in cargo_config_files(tmp_path / "a", environ)


def test_cargo_home_above_is_named_once(tmp_path: Path) -> None:
    config = _write(tmp_path / ".cargo" / "config.toml")
    files = cargo_config_files(tmp_path / "work", {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)})
    assert files.count(config) == 1


def test_included_files_follow(tmp_path: Path) -> None:
    config = _write(
        tmp_path / ".cargo" / "config.toml", 'include = ["one.toml", { path = "two.toml", optional = true }]'
    )
    one = _write(tmp_path / ".cargo" / "one.toml", 'include = "config.toml"')
    files = cargo_config_files(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})
    assert files[:2] == (config, one)
    two = _write(tmp_path / ".cargo" / "two.toml")
    assert two in cargo_config_files(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})


def test_broken_config_is_left_to_cargo(tmp_path: Path) -> None:
    config = _write(tmp_path / ".cargo" / "config.toml", "include = [")
    assert cargo_config_files(tmp_path, {"CARGO_HOME": str(tmp_path / "none")})[0] == config


def test_digest_follows_the_content_of_config_files(tmp_path: Path) -> None:
    config = _write(tmp_path / "config.toml", "a = 1")
    before = digest(build_environment({}), [config])
    assert digest(build_environment({}), [config]) == before
    config.write_text("a = 2")
    assert digest(build_environment({}), [config]) != before
    assert digest(build_environment({})) != before


def test_cargo_environment(tmp_path: Path) -> None:
    config = tmp_path / "pyo3.txt"
    environ = {
        "PATH": "/usr/bin",
        "HOME": "/home/me",
        "CARGO_REGISTRY_TOKEN": "t",
        "CARGO_TARGET_DIR": "/elsewhere",
        "MAKEFLAGS": "--jobserver-auth=3,4",
        "PYO3_PRINT_CONFIG": "1",
        "PYTHON_SYS_EXECUTABLE": "/old/python",
    }
    result = cargo_environment(
        environ, cargo=CARGO, pyo3_config=config, progress_width=80, extra=[("RUSTUP_HOME", "/r")]
    )
    assert result == {
        "PATH": os.pathsep.join([str(CARGO.parent), "/usr/bin"]),
        "HOME": "/home/me",
        "CARGO_REGISTRY_TOKEN": "t",
        "PYO3_PYTHON": "/old/python",
        "PYO3_CONFIG_FILE": str(config),
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "CARGO_TERM_COLOR": "never",
        "CARGO_TERM_PROGRESS_WHEN": "always",
        "CARGO_TERM_PROGRESS_WIDTH": "80",
        "RUSTUP_HOME": "/r",
    }


def test_cargo_environment_for_binaries_and_path_with_cargo(tmp_path: Path) -> None:
    cargo = _write(tmp_path / ("cargo.exe" if os.name == "nt" else "cargo"))
    cargo.chmod(0o755)
    environ = {"PATH": str(tmp_path), "PYO3_BUILD_EXTENSION_MODULE": "1", "PYO3_CONFIG_FILE": "/theirs"}
    result = cargo_environment(environ, cargo=CARGO, extension_module=False, color=True)
    assert result["PATH"] == str(tmp_path)
    assert "PYO3_BUILD_EXTENSION_MODULE" not in result
    assert "PYO3_CONFIG_FILE" not in result
    assert result["CARGO_TERM_COLOR"] == "always"
    assert result["CARGO_TERM_PROGRESS_WHEN"] == "never"


def test_relative_pyo3_config_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute"):
        cargo_environment({}, cargo=CARGO, pyo3_config=Path("pyo3.txt"))


def _python(code: str, **options: Any) -> Answer:
    return ask([sys.executable, "-S", "-c", code], timeout=options.pop("timeout", 20), **options)


def test_ask_gives_both_streams_and_the_code() -> None:
    answer = _python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (answer.stdout.strip(), answer.stderr.strip(), answer.returncode) == ("out", "err", 3)


def test_ask_ends_a_program_that_hangs() -> None:
    with pytest.raises(TimeoutError, match=r"within 0\.2 seconds"):
        _python("import time; time.sleep(60)", timeout=0.2)


@pytest.mark.skipif(os.name == "nt", reason="uses sh")
def test_ask_does_not_wait_for_a_child_that_holds_the_output() -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(["sh", "-c", "sleep 60 & exit 0"], timeout=0.2)
    assert time.monotonic() - start < 5


def test_ask_keeps_no_more_than_the_limit() -> None:
    answer = _python("import os\nwhile True: os.write(1, b'y' * 65536)", limit=1000)
    assert answer.stdout == "y" * 1000
    assert answer.returncode != 0
