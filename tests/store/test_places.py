"""The store's folder: the user's own, and of this format."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.errors import StoreError
from pyo3magic.store import Store

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and owners are POSIX's")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_folder_of_someone_elses_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match="is not empty and is no store"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "file")


def test_another_format_is_refused(store: Store) -> None:
    store.place("format").write_text("12")
    with pytest.raises(StoreError, match="another version"):
        Store(store.folder)


@posix
@pytest.mark.skipif(os.name == "posix" and os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_store_is_refused(store: Store) -> None:
    os.chown(store.folder, 12345, 12345)
    with pytest.raises(StoreError, match=r"belongs to another user \(uid 12345\)"):
        Store(store.folder)


@posix
@pytest.mark.skipif(os.name == "posix" and os.getuid() == 0, reason="root can write anywhere")
def test_an_unwritable_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="PYO3MAGIC_STORE"):
            Store(tmp_path / "store")
    finally:
        tmp_path.chmod(0o700)
