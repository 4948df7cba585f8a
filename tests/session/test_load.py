"""An artifact becomes a module."""

from __future__ import annotations

import dataclasses
import importlib
import os
import pickle
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import Build, build
from pyo3magic.errors import ImportConflictError
from pyo3magic.session.load import bind_module, check_free, exported_names, load, loaded, stub
from pyo3magic.store import Artifact

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def built(store: Path) -> Build:
    source = "#[pyfunction] fn seven() -> i32 { 7 }\n#[pyclass] #[derive(Clone)] struct Point;\n#[pymethods] impl Point { #[new] fn new() -> Self { Point } }"
    return build(source, store=store)


def module(**names: object) -> ModuleType:
    made = ModuleType("made")
    vars(made).update(names)
    return made


@pytest.mark.parametrize(
    ("names", "exported"),
    [
        ({"a": 1, "_b": 2}, ("a",)),
        ({"a": 1, "_b": 2, "__all__": ["_b", "a"]}, ("_b", "a")),
        ({"__all__": ["missing"]}, ()),
        ({}, ()),
    ],
)
def test_exported_names(names: dict[str, object], exported: tuple[str, ...]) -> None:
    assert exported_names(module(**names)) == exported


@pytest.mark.cargo
def test_the_same_artifact_is_the_same_module(built: Build) -> None:
    first = load(built.artifact)
    assert load(built.artifact) is first
    assert loaded(built.artifact.digest) is first
    assert first.exports().keys() == {"seven", "Point"}
    assert first.module.seven() == 7


@pytest.mark.cargo
def test_functions_and_classes_pickle_by_content(built: Build) -> None:
    found = load(built.artifact)
    for item in found.exports().values():
        assert item.__module__ == built.artifact.alias
        assert pickle.loads(pickle.dumps(item)) is item


@pytest.mark.cargo
def test_a_worker_gets_the_module_from_a_stub(built: Build, store: Path, tmp_path: Path) -> None:
    (tmp_path / "geometry.py").write_text(stub(store, built.artifact))
    code = "import geometry; print(geometry.seven(), geometry.__file__.endswith('.py'))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *filter(None, sys.path)))}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "7 False\n"


@pytest.mark.cargo
def test_a_worker_is_told_when_the_artifact_is_gone(built: Build, store: Path, tmp_path: Path) -> None:
    gone = dataclasses.replace(built.artifact, digest="0" * 64)
    (tmp_path / "gone_cell.py").write_text(stub(store, gone))
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(ImportError, match="'gone_cell' is no longer in the store"):
            importlib.import_module("gone_cell")
    finally:
        sys.path.remove(str(tmp_path))


def test_a_file_that_python_cannot_import(tmp_path: Path) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(b"not a library")
    artifact = Artifact("1" * 64, tmp_path, "broken", file, "", "")
    with pytest.raises(ImportConflictError, match="cannot import the built module 'broken'") as caught:
        load(artifact)
    assert "--force" in caught.value.advice
    assert loaded(artifact.digest) is None
    assert "broken" not in sys.modules


@pytest.mark.parametrize("name", ["json", "sys", "pytest", "pyo3magic", "_elementtree", "wave"])
def test_names_of_other_modules_are_not_taken(name: str) -> None:
    with pytest.raises(ImportConflictError, match="already the name of another module") as caught:
        check_free(name)
    assert f"-m rust_{name}" in caught.value.advice


def test_names_that_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_free("a_name_nobody_has")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "of_another_kernel.py").write_text(stub(tmp_path, Artifact("1" * 64, tmp_path, "m", tmp_path, "", "")))
    check_free("of_another_kernel")
    (tmp_path / "of_the_user.py").write_text("x = 1")
    with pytest.raises(ImportConflictError, match=r"of_the_user\.py"):
        check_free("of_the_user")


@pytest.mark.cargo
def test_binding_a_name(built: Build) -> None:
    found = load(built.artifact)
    try:
        bind_module(found, "bound_geometry")
        bind_module(found, "bound_geometry")
        assert importlib.import_module("bound_geometry") is found.module
    finally:
        sys.modules.pop("bound_geometry", None)
    with pytest.raises(ImportConflictError):
        bind_module(found, "json")
    assert sys.modules["json"] is not found.module
