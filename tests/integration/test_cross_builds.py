"""Real builds for aarch64, imported by its Python under qemu: what cargo's and the user's settings do to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import build
from pyo3magic.cell import Options
from pyo3magic.crate.existing_rust import bring
from pyo3magic.environment.build_options import BuildOptions
from pyo3magic.errors import InterpreterError
from pyo3magic.remote.elf import read_elf
from tests.cross import AARCH64, ARMV7

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyo3magic.session import Session
    from pyo3magic.store import Artifact

    Evaluate = Callable[[Artifact, str, str], str]

pytestmark = [pytest.mark.cargo, pytest.mark.slow]

COMPRESSED = """
    #[pyfunction] fn machine() -> &'static str { std::env::consts::ARCH }
    #[pyfunction] fn version() -> i32 { unsafe { lz4_sys::LZ4_versionNumber() } }
"""
CFGS = '#[pyfunction] fn cfgs() -> String { format!("{}{}{}", cfg!(one), cfg!(two), cfg!(three)) }'


def glibc(artifact: Artifact) -> tuple[int, ...]:
    facts = read_elf(artifact.file)
    assert facts is not None
    assert facts.machine == "EM_AARCH64"
    return facts.glibc


@pytest.mark.parametrize(("target", "machine"), [(AARCH64, "EM_AARCH64"), (ARMV7, "EM_ARM")])
def test_cell(cross: Path, store: Path, target: str, machine: str) -> None:
    built = build("pub fn f() -> i64 { 4 }", target=target, store=store)
    facts = read_elf(built.path)
    assert facts is not None
    assert facts.machine == machine
    with pytest.raises(InterpreterError, match="another Python"):
        built.load()


def test_file(cross: Path, session: Session, evaluated: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "told.rs").write_text('#[pyfunction] fn told() -> &\'static str { include_str!("told.txt") }\n')
    (tmp_path / "told.txt").write_text("from the file beside it")
    brought = bring(Options(), None, label="In[1]", file=str(tmp_path / "told.rs"))
    artifact = session.build(brought.options, brought.body, BuildOptions(target=AARCH64))
    assert glibc(artifact)
    assert evaluated(artifact, AARCH64, f"{artifact.module}.told()") == "from the file beside it"


def test_crate(cross: Path, session: Session, evaluated: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "Cargo.toml").write_text(
        '[package]\nname = "own-project"\nversion = "0.1.0"\nedition = "2021"\n'
        '[lib]\nname = "own"\ncrate-type = ["cdylib"]\n[dependencies]\npyo3 = "0.30"\n'
    )
    lib = "#[pyo3::pymodule] mod own { #[pyo3::pyfunction] fn machine() -> &'static str { std::env::consts::ARCH } }"
    (tmp_path / "src" / "lib.rs").write_text(lib)
    brought = bring(Options(), None, label="In[1]", crate=str(tmp_path))
    artifact = session.build(brought.options, brought.body, BuildOptions(target=AARCH64))
    assert artifact.file.name == "own.cpython-311-aarch64-linux-gnu.so"
    assert evaluated(artifact, AARCH64, "own.machine()") == "aarch64"
    assert not (tmp_path / "target").exists()


def test_c_code_is_compiled_by_the_cross_compiler(cross: Path, session: Session, evaluated: Evaluate) -> None:
    artifact = session.build(Options("packed", ("lz4-sys",)), COMPRESSED, BuildOptions(target=AARCH64))
    version = evaluated(artifact, AARCH64, "packed.machine(), packed.version() > 10000")
    assert version == "('aarch64', True)"


@pytest.mark.parametrize(("floor", "used"), [("", (2, 17)), ("2.28", (2, 28))])
def test_zig_links_and_compiles_for_the_glibc_that_is_asked_for(
    cross: Path,
    session: Session,
    evaluated: Evaluate,
    monkeypatch: pytest.MonkeyPatch,
    floor: str,
    used: tuple[int, int],
) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{cross}/bin{os.pathsep}"))
    if floor:
        monkeypatch.setenv("PYO3MAGIC_GLIBC", floor)
    artifact = session.build(Options("packed", ("lz4-sys",)), COMPRESSED, BuildOptions(target=AARCH64))
    assert glibc(artifact) == used
    assert evaluated(artifact, AARCH64, "packed.machine(), packed.version() > 10000") == "('aarch64', True)"


def test_flags_of_the_configuration_and_of_the_targets_variable_hold(
    cross: Path, session: Session, evaluated: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the linker that the configuration names is used: no other one is on PATH."""
    (tmp_path / ".cargo").mkdir()
    linker = cross / "bin" / "aarch64-linux-gnu-gcc"
    (tmp_path / ".cargo" / "config.toml").write_text(
        f'[target.{AARCH64}]\nlinker = "{linker}"\nrustflags = ["--cfg", "one", "--check-cfg=cfg(one,two,three)"]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{cross}/bin{os.pathsep}"))
    monkeypatch.setenv("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "--cfg two")
    artifact = session.build(Options("flags"), CFGS, BuildOptions(target=AARCH64))
    assert evaluated(artifact, AARCH64, "flags.cfgs()") == "truetruefalse"


def test_rustflags_hold(cross: Path, session: Session, evaluated: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSTFLAGS", "--cfg three --check-cfg=cfg(one,two,three)")
    artifact = session.build(Options("flags"), CFGS, BuildOptions(target=AARCH64))
    assert evaluated(artifact, AARCH64, "flags.cfgs()") == "falsefalsetrue"
