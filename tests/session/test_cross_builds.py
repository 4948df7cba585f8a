"""Cells in their builds for other places: which version of a used cell goes along, and that it needs nothing else."""

from __future__ import annotations

import importlib.machinery
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from pyo3magic.cell import Options
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.deploy import _beside, _used
from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyo3magic.store import Artifact

pytestmark = [pytest.mark.cargo, pytest.mark.skipif(sys.platform != "linux", reason="shares libraries on Linux only")]

TOP = "#[pyfunction] fn three() -> i64 { middle::two() + 1 }"


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    session = Session(Store(store))
    yield session
    session.close()


def built(session: Session, source: str, module: str | None = None) -> Artifact:
    return session.build(Options(module), source, shipped=True, interpreter=Interpreter.current())


def files(session: Session, artifact: Artifact) -> dict[str, Path]:
    """All that is sent, by the name that it has there."""
    own = artifact.module + importlib.machinery.EXTENSION_SUFFIXES[0]
    beside = {file.name: file.path for file in _beside(artifact, _used(session.store, artifact))}
    return {**beside, own: artifact.file}


def value(session: Session, artifact: Artifact, folder: Path, expression: str) -> str:
    """What a fresh Python gives for an expression, with the files that are sent and nothing else."""
    folder.mkdir()
    for name, path in files(session, artifact).items():
        (folder / name).write_bytes(path.read_bytes())
    code = f"import {artifact.module} as it; print({expression})"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_very_version_that_a_cell_uses_goes_along(session: Session, tmp_path: Path) -> None:
    session.run(Options("base"), "pub fn one() -> i64 { 1 }", label="In[1]")
    session.run(Options("middle"), "pub fn two() -> i64 { base::one() + 1 }", label="In[2]")
    session.run(Options("base"), "pub fn one() -> i64 { 100 }", label="In[3]")
    assert value(session, built(session, TOP), tmp_path / "before", "it.three()") == "3"
    session.run(Options("middle"), "pub fn two() -> i64 { base::one() + 1 }", label="In[4]")
    assert value(session, built(session, TOP), tmp_path / "after", "it.three()") == "102"


def test_cell_that_was_last_built_for_elsewhere_is_used_there_and_the_one_from_here_here(
    session: Session, tmp_path: Path
) -> None:
    session.run(Options("side"), 'pub fn where_from() -> &\'static str { "here" }', label="In[1]")
    built(session, 'pub fn where_from() -> &\'static str { "elsewhere" }', "side")
    source = "#[pyfunction] fn side_of() -> &'static str { side::where_from() }"
    assert value(session, built(session, source), tmp_path / "there", "it.side_of()") == "elsewhere"
    assert session.run(Options(), source, label="In[2]").module.module.side_of() == "here"
    session.run(Options("side"), 'pub fn where_from() -> &\'static str { "here again" }', label="In[3]")
    assert value(session, built(session, source), tmp_path / "again", "it.side_of()") == "here again"


def test_what_is_sent_is_looked_for_in_one_folder(session: Session) -> None:
    options = Options("lettered", ("itoa",))
    source = "pub fn text() -> String { itoa::Buffer::new().format(7).to_owned() }"
    session.build(options, source, shipped=True, interpreter=Interpreter.current())
    sent = files(session, built(session, "#[pyfunction] fn seven() -> String { lettered::text() }"))
    assert len(sent) >= 4  # the module, the cell, the dependency, the runtime
    for path in sent.values():
        with path.open("rb") as file:
            dynamic = ELFFile(file).get_section_by_name(".dynamic")
            assert isinstance(dynamic, DynamicSection)
            paths = [str(getattr(tag, "runpath", "")) for tag in dynamic.iter_tags("DT_RUNPATH")]
        assert paths in (["$ORIGIN"], ["$ORIGIN/../lib"], [])


def test_one_cell_without_others_is_one_file(session: Session) -> None:
    assert len(files(session, built(session, "pub fn alone() -> i64 { 1 }"))) == 1


def test_kinds_of_build_do_not_meet(session: Session) -> None:
    """One for here, one to be sent with its libraries, one that is a single file: each its own artifact."""
    options, source = Options("three_ways"), "pub fn f() -> i64 { 1 }"
    here = session.run(options, source, label="In[1]").artifact
    sent, single = built(session, source, "three_ways"), session.build(options, source)
    assert len({here.digest, sent.digest, single.digest}) == 3
    assert [bool(each.providers) for each in (here, sent, single)] == [True, True, False]
