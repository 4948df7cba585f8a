"""What can be refused is refused before cargo is started: the cargo and rustc here leave a mark when they are."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment.context import Context
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.toolchain import Toolchain
from pyo3magic.errors import ManifestError, OptionError, PyO3MagicError, ToolchainError
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.project import make_project
from pyo3magic.export.sdist import make_sdist
from pyo3magic.export.source_tree import BuiltCell, assemble_package
from pyo3magic.export.wheel import make_wheel
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses sh")

HOST = "x86_64-unknown-linux-gnu"
LOCK = 'version = 4\n\n[[package]]\nname = "pyo3"\nversion = "0.30.1"\nsource = "registry"\n'


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "started"


@pytest.fixture
def context(tmp_path: Path, mark: Path) -> Context:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{mark}'\nexit 1\n")
    program.chmod(0o755)
    toolchain = Toolchain(
        cargo=program,
        rustc=program,
        sysroot=tmp_path / "sysroot",
        host=HOST,
        version=(1, 95, 0),
        version_text="rustc 1.95.0",
        commit_hash="abc",
        cargo_version="cargo 1.95.0",
        channel="stable",
    )
    for triple in (HOST, "x86_64-pc-windows-msvc"):
        (tmp_path / "sysroot" / "lib" / "rustlib" / triple / "lib").mkdir(parents=True)
    environ = {**os.environ, "CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER": "link.exe"}
    return Context(Store(tmp_path / "store"), Interpreter.current(), toolchain, environ, "environment", tmp_path)


def cell(source: str = "pub fn f() -> i64 { 1 }\n", module: str = "plain", lock: str = LOCK) -> BuiltCell:
    return BuiltCell(module, Options(module=module), source, lock)


def wheel(context: Context, folder: Path, *cells: BuiltCell, **options: Any) -> Path:
    made = {name: options.pop(name) for name in [*options] if name in {"abi3", "defaults", "options", "available"}}
    made = {"options": MetadataOptions(), "available": {}, **made}
    package = assemble_package(context, cells or (cell(),), **made)
    return make_wheel(context, package, folder, **options).path


def test_what_is_right_starts_cargo(context: Context, tmp_path: Path, mark: Path) -> None:
    """Else the tests below would prove nothing."""
    with pytest.raises(PyO3MagicError):
        wheel(context, tmp_path / "dist", platform="linux_x86_64", abi3=(3, 10))
    assert "metadata" in mark.read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "my package"}, "--name my-package"),
        ({"name": "json"}, "--name rust-json"),
        ({"version": "1.x"}, "--version 1"),
        ({"version": "1+local"}, "local part"),
        ({"summary": "a\nb"}, "one line"),
        ({"authors": ("<>",)}, "not an author"),
        ({"license": "GPL"}, "GPL-3.0-or-later"),
        ({"requires_python": "3.11"}, ">=3.11"),
        ({"readme": "missing.md"}, "cannot be read"),
        ({"classifiers": ("Topic :: Nothing",)}, "classifiers"),
    ],
)
def test_metadata(options: Any, words: str, context: Context, tmp_path: Path, mark: Path) -> None:
    with pytest.raises(OptionError) as raised:
        wheel(context, tmp_path / "dist", options=MetadataOptions(**options))
    assert words in str(raised.value)
    assert not mark.exists()


def test_a_key_of_the_setting(context: Context, tmp_path: Path, mark: Path) -> None:
    with pytest.raises(OptionError, match="Did you mean 'name'"):
        wheel(context, tmp_path / "dist", defaults={"nmae": "x"})
    assert not mark.exists()


def test_a_key_of_the_front_matter(context: Context, tmp_path: Path, mark: Path) -> None:
    with pytest.raises(ManifestError, match="Did you mean 'license'"):
        wheel(context, tmp_path / "dist", cell('---\n[tool.pyo3magic]\nlicence = "MIT"\n---\npub fn f() {}\n'))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"platform": "manylinux1"}, "glibc 2.17"),
        ({"platform": "manylinux_2_28_aarch64"}, "names the machine aarch64"),
        ({"platform": "linux_aarch64"}, "names the machine aarch64"),
        ({"platform": "musllinux_1_2", "target": HOST}, "promise about musl"),
        ({"platform": "musllinux_1_2"}, "rustup target add x86_64-unknown-linux-musl"),
        ({"platform": "manylinux2014", "target": "x86_64-pc-windows-msvc"}, "promise about glibc"),
        ({"target": "nope"}, "not a target"),
        ({"target": "s390x-unknown-linux-gnu"}, "rustup target add"),
    ],
)
def test_platforms_and_targets(options: Any, words: str, context: Context, tmp_path: Path, mark: Path) -> None:
    with pytest.raises(PyO3MagicError) as raised:
        wheel(context, tmp_path / "dist", **options)
    assert words in str(raised.value)
    assert not mark.exists()


def test_folders(context: Context, tmp_path: Path, mark: Path) -> None:
    (tmp_path / "file").write_text("")
    package = assemble_package(context, (cell(),), options=MetadataOptions(), available={})
    makers: tuple[Callable[..., Any], ...] = (make_wheel, make_sdist, make_project)
    for make in makers:
        for folder in (tmp_path / "file", tmp_path / "file" / "below" / "folder"):
            with pytest.raises(OptionError, match=r"is a file|cannot be written"):
                make(context, package, folder)
    assert not mark.exists()


def test_a_folder_that_holds_something_else(context: Context, tmp_path: Path, mark: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "thesis.tex").write_text("")
    package = assemble_package(context, (cell(),), options=MetadataOptions(), available={})
    with pytest.raises(OptionError, match=r"is not empty, and Cargo\.toml in it is missing"):
        make_project(context, package, tmp_path / "project")
    assert not mark.exists()
    with pytest.raises(PyO3MagicError, match="cargo"):
        make_project(context, package, tmp_path / "project", force=True)
    assert mark.exists()


def test_cells_that_no_crate_can_be_made_of(context: Context, tmp_path: Path, mark: Path) -> None:
    own = cell("use other::f;\n#[pymodule]\nmod plain {}\n")
    with pytest.raises(OptionError, match="own #\\[pymodule\\]"):
        wheel(context, tmp_path / "dist", own, available={"other": cell(module="other")})
    with pytest.raises(OptionError, match=r"PyO3 0\.22"):
        wheel(context, tmp_path / "dist", cell(lock=LOCK.replace("0.30.1", "0.22.6")))
    with pytest.raises(OptionError, match="no name"):
        wheel(context, tmp_path / "dist", cell(), cell(module="other"))
    assert not mark.exists()


def test_a_path_dependency_in_a_source_distribution(context: Context, tmp_path: Path, mark: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "Cargo.toml").write_text('[package]\nname = "near"\n')
    source = '---\n[dependencies]\nnear = { path = "near" }\n---\npub fn f() {}\n'
    package = assemble_package(context, (cell(source),), options=MetadataOptions(), available={})
    with pytest.raises(OptionError, match="by its path"):
        make_sdist(context, package, tmp_path / "dist")
    assert not mark.exists()


def test_missing_tools(context: Context, tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sysconfig, "get_path", lambda *_: str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolchainError, match="-m pip install abi3audit"):
        wheel(context, tmp_path / "dist", abi3=(3, 10))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ToolchainError, match=r"glibc 2\.28 needs zig"):
        wheel(context, tmp_path / "dist", platform="manylinux_2_28")
    assert not mark.exists()
