"""What an artifact is called, and which inputs decide which one is found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.store import Inputs, Store, digest_file, digest_tree

from .publishing import KEY, publish

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and owners are POSIX's")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_included_files_variables_and_folders_decide_which_artifact_is_found(store: Store, tmp_path: Path) -> None:
    file, tree = tmp_path / "data.txt", tmp_path / "dependency"
    file.write_text("one")
    tree.mkdir()
    (tree / "lib.rs").write_text("one")

    def inputs(value: str | None) -> Inputs:
        return Inputs(
            {str(file): digest_file(file)}, {str(tree): digest_tree(tree)}, {"X": value and store.conceal(value)}
        )

    first = publish(store, inputs=inputs("1"), content=b"first")
    assert first.digest != KEY
    assert store.find(KEY, {"X": "1"}) == first
    assert store.find(KEY, {"X": "2"}) is None
    assert store.find(KEY, {}) is None
    file.write_text("two")
    assert store.find(KEY, {"X": "1"}) is None
    second = publish(store, inputs=inputs("1"), content=b"second")
    assert store.find(KEY, {"X": "1"}) == second
    file.write_text("one")
    assert store.find(KEY, {"X": "1"}) == first
    (tree / "more.rs").write_text("")
    assert store.find(KEY, {"X": "1"}) is None
    file.unlink()
    assert store.find(KEY, {"X": "1"}) is None


def test_cells_decide_too(store: Store) -> None:
    made = publish(store, inputs=Inputs(cells={"geometry": "d1", "other": None}))
    assert store.find(KEY, {}, {"geometry": "d1"}) == made
    assert store.find(KEY, {}, {"geometry": "d2"}) is None
    assert store.find(KEY, {}, {"geometry": "d1", "other": "d3"}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": {}}', '{"files": 7}', "null"])
def test_a_damaged_list_of_inputs_means_a_new_build(store: Store, text: str) -> None:
    publish(store, inputs=Inputs(variables={"X": "1"}))
    store.place("variants", f"{KEY}.json").write_text(text)
    assert store.find(KEY, {"X": "1"}) is None


def test_without_inputs_the_key_is_the_digest() -> None:
    assert Inputs().digest(KEY) == KEY
    assert len({Inputs(variables={"X": value}).digest(KEY) for value in ("1", "2", None)}) == 3


def test_an_alias_stands_for_the_content(store: Store) -> None:
    assert publish(store, module="cell_abababab").alias == "cell_abababab"
    assert publish(store, key="cd" * 32, module="geometry").alias == "geometry_cdcdcdcd"
