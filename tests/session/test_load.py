"""An artifact becomes a module."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.machinery
import json
import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import Build, build
from pyo3magic.errors import ImportConflictError
from pyo3magic.session import load as load_module
from pyo3magic.session.load import (
    RustModule,
    bind_module,
    check_free,
    exported_names,
    load,
    load_for_worker,
    loaded,
    stub,
)
from pyo3magic.store import Artifact, Store

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def unbuilt(folder: Path, module: str, file_name: str, digest: str = "1" * 64) -> Artifact:
    return Artifact(digest=digest, folder=folder, module=module, file_name=file_name, sha256="", interpreter="")


def test_a_file_that_python_cannot_import(tmp_path: Path) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(b"not a library")
    artifact = unbuilt(tmp_path, "broken", file.name)
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
    (tmp_path / "of_another_kernel.py").write_text(stub(tmp_path, unbuilt(tmp_path, "m", "m.so")))
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


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Artifact]:
    """An artifact that is one of the standard library's own extension modules, so that no compiler is needed."""
    file = next(Path(sysconfig.get_config_var("DESTSHARED") or "lib-dynload").glob("_struct.*.so"), None)
    if file is None:
        pytest.skip("this Python has its extension modules built in")
    digest = hashlib.sha256(str(tmp_path).encode()).hexdigest()
    folder = tmp_path / "store" / "artifacts" / digest[:2] / digest
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    yield unbuilt(folder, "_struct", file.name, digest)
    sys.modules.pop(f"_struct_{digest[:16]}", None)


def test_loading_once(library: Artifact) -> None:
    assert loaded(library.digest) is None
    before = sys.modules["_struct"]
    first = load(library)
    assert load(library) is first
    assert loaded(library.digest) is first
    assert type(first.module) is RustModule
    assert sys.modules[library.alias] is first.module
    assert sys.modules["_struct"] is before
    assert {"pack", "unpack", "Struct"} <= set(first.names)
    assert first.exports()["pack"] is first.module.pack


def test_what_it_exports_says_where_it_comes_from(library: Artifact) -> None:
    found = load(library)
    assert found.module.pack.__module__ == library.alias
    assert pickle.loads(pickle.dumps(found.module.pack)) is found.module.pack
    assert pickle.loads(pickle.dumps(found.module)) is found.module


def test_used_cells_are_loaded_first(library: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = dataclasses.replace(library, digest="f" * 64, cells={"used": library.digest, "gone": "e" * 64})
    asked = []

    def get(_: Store, digest: str) -> Artifact | None:
        asked.append(digest)
        return library if digest == library.digest else None

    monkeypatch.setattr(Store, "get", get)
    (tmp_path / "store" / "artifacts" / "00" / "0").mkdir(parents=True)
    load(user)
    assert asked == [library.digest, "e" * 64]
    assert loaded(library.digest) is not None
    assert loaded("e" * 64) is None
    again = dataclasses.replace(user, digest="d" * 64, cells={"used": library.digest})
    load(again)
    assert asked == [library.digest, "e" * 64]


def test_types_that_say_their_own_module_keep_it() -> None:
    here = sys.modules[__name__]
    assert load_module._is_importable(Path)
    assert load_module._is_importable(Outer.Inner)
    assert not load_module._is_importable(type("Nowhere", (), {"__module__": "nowhere_at_all"}))
    other = type("Outer", (), {"__module__": here.__name__})
    assert not load_module._is_importable(other)


class Outer:
    class Inner:
        pass


def test_stubs_that_cannot_be_read_are_someone_elses(tmp_path: Path) -> None:
    assert not load_module._is_stub(str(tmp_path / "missing.py"))
    assert not load_module._is_stub(None)
    (tmp_path / "mine.so").write_text("pyo3magic.session.load")
    assert not load_module._is_stub(str(tmp_path / "mine.so"))
    (tmp_path / "mine.py").write_text("pyo3magic.session.load")
    assert load_module._is_stub(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(("said", "advice"), [("undefined symbol: x", "--force"), ("no PyInit_x", "#[cfg(...)]")])
def test_advice_about_what_cannot_be_imported(
    library: Artifact, monkeypatch: pytest.MonkeyPatch, said: str, advice: str
) -> None:
    def fail(*_: object) -> None:
        raise ImportError(said)

    monkeypatch.setattr(importlib.machinery.ExtensionFileLoader, "exec_module", fail)
    with pytest.raises(ImportConflictError, match=said) as caught:
        load(library)
    assert advice in caught.value.advice


def test_binding_and_taking_names(library: Artifact) -> None:
    found = load(library)
    try:
        bind_module(found, "bound_by_the_test")
        assert sys.modules["bound_by_the_test"] is found.module
        check_free("bound_by_the_test")
        bind_module(found, "bound_by_the_test")
    finally:
        sys.modules.pop("bound_by_the_test", None)
    with pytest.raises(ImportConflictError, match="built into Python"):
        bind_module(found, "sys")
    with pytest.raises(ImportConflictError, match="part of Python's standard library"):
        check_free("lib2to3" if "lib2to3" not in sys.modules else "wave")
    assert Path(json.__file__).name == "__init__.py"
    with pytest.raises(ImportConflictError, match=r"json.__init__\.py"):
        check_free("json")


def test_folders_are_modules_only_with_python_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a_cargo_project" / "src").mkdir(parents=True)
    (tmp_path / "a_cargo_project" / "src" / "lib.rs").touch()
    check_free("a_cargo_project")
    for inner in ("one.py", "below/two.py"):
        (tmp_path / "a_namespace" / inner).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a_namespace" / inner).touch()
        with pytest.raises(ImportConflictError, match="a namespace package"):
            check_free("a_namespace")
        (tmp_path / "a_namespace" / inner).unlink()
    (tmp_path / "broken_name.txt").touch()
    check_free("broken_name.txt")


def test_a_worker_says_what_it_misses(library: Artifact, tmp_path: Path) -> None:
    text = stub(tmp_path / "store", library)
    assert f"{str(tmp_path / 'store')!r}, {library.digest!r}, __name__" in text
    with pytest.raises(ImportError, match="'mine' is no longer in the store"):
        load_for_worker(str(tmp_path / "store"), library.digest, "mine")


def test_a_worker_loads_what_the_store_has(library: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "get", lambda _, digest: library if digest == library.digest else None)
    monkeypatch.setitem(sys.modules, "of_the_worker", ModuleType("of_the_worker"))
    load_for_worker(str(tmp_path / "store"), library.digest, "of_the_worker")
    assert sys.modules["of_the_worker"] is load(library).module

    def fail(_: Artifact) -> None:
        raise ImportConflictError("It is damaged.")

    monkeypatch.setattr(load_module, "load", fail)
    with pytest.raises(ImportError, match=r"It is damaged\."):
        load_for_worker(str(tmp_path / "store"), library.digest, "of_the_worker")
