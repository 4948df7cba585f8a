"""The store's folder: the user's own, and of this format."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyo3magic.errors import StoreError
from pyo3magic.store import Store

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and owners are POSIX's")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_folder_of_someone_elses_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match="is not empty and is not a store"):
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


@pytest.mark.parametrize("text", ["", "\0", "one", "1\n1"])
def test_a_damaged_format_is_written_again(store: Store, text: str) -> None:
    store.place("format").write_text(text)
    Store(store.folder)
    assert store.place("format").read_text() == "1"


def test_a_store_of_which_little_is_left_is_completed(store: Store) -> None:
    for path in store.folder.iterdir():
        if path.name != "targets":
            path.rmdir() if path.is_dir() else path.unlink()
    Store(store.folder)
    assert store.place("artifacts").is_dir()
    assert store.place("format").read_text() == "1"


@posix
def test_a_store_that_others_could_replace_is_refused(tmp_path: Path) -> None:
    parent = tmp_path / "open" / "inner"
    store = Store(parent / "store")
    parent.parent.chmod(0o777)
    with pytest.raises(StoreError, match=r"open, which can be changed by every user: .*another user could") as caught:
        Store(store.folder)
    assert f"chmod o-w {parent.parent}" in caught.value.advice
    link = tmp_path / "link"
    link.symlink_to(parent.parent)
    with pytest.raises(StoreError, match="every user"):
        Store(link / "inner" / "store")
    parent.parent.chmod(0o1777)
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


def test_a_new_store(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "store"
    folder.mkdir(parents=True)
    Store(folder)
    folders = {path.name for path in folder.iterdir() if path.is_dir()}
    assert folders == {
        *("artifacts", "crashes", "interpreters", "locks", "plans", "runtimes", "sessions", "support", "targets"),
        *("tmp", "toolchains", "variants"),
    }
    assert (folder / "format").read_text() == "1"
    # https://bford.info/cachedir/: backup programs look for these very bytes
    assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    Store(tmp_path / "not" / "there" / "yet")


@posix
@pytest.mark.parametrize("mode", [0o701, 0o704, 0o710, 0o740, 0o777])
def test_a_store_that_others_could_enter_is_closed(store: Store, mode: int) -> None:
    store.folder.chmod(mode)
    Store(store.folder)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@posix
def test_folders_are_private_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: set[int] = set()
    mkdir = Path.mkdir

    def watched(folder: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        if not folder.exists() and "store" in folder.parts:
            modes.add(mode)
        mkdir(folder, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", watched)
    Store(tmp_path / "store")
    assert modes == {0o700}


def test_a_store_whose_making_was_interrupted_is_completed(store: Store) -> None:
    for name in ("format", "CACHEDIR.TAG"):
        store.place(name).unlink()
    for name in ("interpreters", "variants", "tmp"):
        store.place(name).rmdir()
    Store(store.folder)
    assert store.place("variants").is_dir()
    assert store.place("format").is_file()
