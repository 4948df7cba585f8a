"""The prefixes of paths that differ between machines, and what replaces them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from pyo3magic.compile.path_prefixes import (
    local_packages,
    path_prefixes,
    prefix_options,
    prefixes_file,
    write_prefixes,
)
from pyo3magic.compile.profile import module_profile
from pyo3magic.crate import Manifest

from .conftest import make_context

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

REGISTRY = "registry.example-0123456789abcdef"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    environ = {"HOME": str(tmp_path / "home"), "USERPROFILE": str(tmp_path / "home")}
    (tmp_path / "home" / ".cargo" / "registry" / "index" / REGISTRY).mkdir(parents=True)
    return make_context(tmp_path, environ)


def replaced(path: Path, prefixes: tuple[tuple[str, str], ...]) -> str:
    """The path as rustc replaces it: by the last prefix that fits."""
    for prefix, name in reversed(prefixes):
        if path.is_relative_to(prefix):
            return str(Path(name) / path.relative_to(prefix))
    return str(path)


def test_each_folder_has_a_name(context: Context, tmp_path: Path) -> None:
    prefixes = path_prefixes(context, {tmp_path / "home" / "work" / "geo": "geo"})
    home, cargo = tmp_path / "home", tmp_path / "home" / ".cargo"
    for path, expected in (
        (home / "x.rs", "~/x.rs"),
        (home / "work" / "geo" / "src" / "lib.rs", "geo/src/lib.rs"),
        (home / "work" / "geometry" / "lib.rs", "~/work/geometry/lib.rs"),
        (cargo / "git" / "checkouts" / "x" / "lib.rs", "cargo/git/checkouts/x/lib.rs"),
        # A registry is known by its index, before the first crate is downloaded.
        (cargo / "registry" / "src" / REGISTRY / "pyo3-0.30.1" / "src" / "lib.rs", "pyo3-0.30.1/src/lib.rs"),
        (context.store.folder / "tmp" / "1" / "lib.rs", "pyo3magic/tmp/1/lib.rs"),
        (context.target_folder / "release" / "build" / "x" / "out" / "made.rs", "target/release/build/x/out/made.rs"),
        (context.toolchain.sysroot / "lib" / "core.rs", "rust/lib/core.rs"),
        (tmp_path / "elsewhere.rs", str(tmp_path / "elsewhere.rs")),
    ):
        assert replaced(path, prefixes) == str(Path(expected)), path


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_folder_behind_a_link_is_known_by_both_paths(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    prefixes = path_prefixes(make_context(tmp_path, {"HOME": str(tmp_path / "link")}))
    assert replaced(tmp_path / "real" / "x.rs", prefixes) == replaced(tmp_path / "link" / "x.rs", prefixes) == "~/x.rs"


@pytest.mark.parametrize("folder", ["/", "relative"])
def test_a_home_that_is_no_folder_of_its_own_is_left_alone(tmp_path: Path, folder: str) -> None:
    prefixes = path_prefixes(make_context(tmp_path, {"HOME": folder, "USERPROFILE": folder, "CARGO_HOME": "/c"}))
    assert folder not in dict(prefixes)


def test_crates_in_a_folder_that_replaces_a_registry(tmp_path: Path) -> None:
    config = tmp_path / "home" / ".cargo" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "vendor"\n', encoding="utf-8"
    )
    prefixes = path_prefixes(make_context(tmp_path, {"HOME": str(tmp_path / "home")}))
    assert replaced(tmp_path / "home" / "vendor" / "pyo3" / "src" / "lib.rs", prefixes) == "pyo3/src/lib.rs"


def test_packages_that_a_package_names(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "")):
        (tmp_path / name / "src").mkdir(parents=True)
        named = f'[dependencies]\n{other} = {{ path = "../{other}" }}\n' if other else ""
        text = f'[package]\nname = "{name}"\nversion = "0.1.0"\n{named}'
        (tmp_path / name / "Cargo.toml").write_text(text, encoding="utf-8")
    manifest = Manifest(f'[dependencies]\none = {{ path = "{(tmp_path / "one").as_posix()}" }}\n', "cell", "cell")
    assert local_packages(manifest) == {tmp_path / "one": "one", tmp_path / "two": "two"}


def test_older_compilers_replace_the_paths_in_messages_too(context: Context) -> None:
    def with_rustc(minor: int) -> Context:
        chosen = dataclasses.replace(context.toolchain, version=(1, minor, 0))
        return dataclasses.replace(context, toolchain=chosen)

    assert prefix_options(with_rustc(95))[-1] == "--remap-path-scope=object"
    assert all(option.startswith("--remap-path-prefix=") for option in prefix_options(with_rustc(94)))


def test_a_path_that_no_line_can_hold_is_left_out(context: Context) -> None:
    chosen = {Path("/a\nb"): "LINE", Path("/c\udcff"): "BYTE", Path("/d e=f\u3000"): "GOOD"}
    text = "\n".join(prefix_options(context, chosen))
    assert "--remap-path-prefix=/d e=f\u3000=GOOD" in text
    assert "LINE" not in text
    assert "BYTE" not in text


def test_the_file_is_written_when_something_changes_or_is_damaged(context: Context) -> None:
    path = prefixes_file(context)
    assert path is not None
    write_prefixes(context)
    text = path.read_text(encoding="utf-8")
    assert text.splitlines() == list(prefix_options(context))
    before = path.stat().st_ino
    write_prefixes(context)
    assert path.stat().st_ino == before
    path.write_bytes(b"\xff")
    write_prefixes(context)
    assert path.read_text(encoding="utf-8") == text
    path.unlink()
    path.mkdir()
    write_prefixes(context)
    assert path.read_text(encoding="utf-8") == text
    write_prefixes(dataclasses.replace(context, environ=MappingProxyType({"HOME": "/home/other"})))
    assert "--remap-path-prefix=/home/other=~" in path.read_text(encoding="utf-8")


def test_paths_can_be_kept(context: Context) -> None:
    kept = dataclasses.replace(context, environ=MappingProxyType({**context.environ, "PYO3MAGIC_KEEP_PATHS": "1"}))
    write_prefixes(kept)
    assert prefixes_file(kept) is None
    assert not kept.target_folder.exists()
    assert module_profile(kept).rustflags == ()
