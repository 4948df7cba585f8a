"""The store: private, whole or not at all, and never believed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.errors import StoreError
from pyo3magic.store import Artifact, Store, digest_libraries

from .publishing import KEY, publish

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and owners are POSIX's")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def rewrite(artifact: Artifact, change: dict[str, Any]) -> None:
    """Give an artifact a record whose own checksum is right."""
    path = artifact.folder / "record.json"
    record = {**json.loads(path.read_bytes().partition(b"\n")[2]), **change}
    text = json.dumps({name: value for name, value in record.items() if value is not ...})
    path.chmod(0o600)
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def test_what_is_published_is_found_again_by_another_process(store: Store) -> None:
    warnings: tuple[dict[str, Any], ...] = ({"level": "warning", "text": "unused ä"},)
    made = publish(store, diagnostics=warnings, notes=("a note",), seconds=0.12345)
    assert made.file.read_bytes() == b"module"
    assert made.file.parent == store.folder / "artifacts" / "ab" / KEY
    found = Store(store.folder).find(KEY, {})
    assert found is not None
    assert (found.digest, found.module, found.sha256, found.interpreter) == (
        KEY,
        "cell_abababab",
        made.sha256,
        "identity",
    )
    assert (found.diagnostics, found.notes, found.seconds) == (warnings, ("a note",), 0.123)
    assert found.crate.is_dir()
    assert list(store.place("tmp").iterdir()) == []


def test_nothing_is_found_where_nothing_is(store: Store) -> None:
    assert store.find(KEY, {}) is None
    assert store.get("../../../etc/passwd") is None


@posix
def test_it_is_private_and_artifacts_are_read_only(store: Store) -> None:
    made = publish(store)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in store.folder.iterdir() if path.is_dir())
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o500
    store.folder.chmod(0o755)
    Store(store.folder)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def damage_module(artifact: Artifact) -> None:
    artifact.file.chmod(0o600)
    artifact.file.write_bytes(b"modulE")


def damage_record(artifact: Artifact) -> None:
    path = artifact.folder / "record.json"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"cell.so", b"evil.so"))


def record(**change: Any) -> Any:
    return lambda artifact: rewrite(artifact, change)


def cut(size: int) -> Any:
    def damage(artifact: Artifact) -> None:
        (artifact.folder / "record.json").chmod(0o600)
        os.truncate(artifact.folder / "record.json", size)

    return damage


def folder_for_record(artifact: Artifact) -> None:
    (artifact.folder / "record.json").unlink()
    (artifact.folder / "record.json").mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        damage_module,
        damage_record,
        lambda artifact: artifact.file.unlink(),
        folder_for_record,
        cut(30),
        cut(0),
        record(digest="cd" * 32),
        record(sha256="0" * 64),
        record(sha256=""),
        record(module=...),
        record(providers=...),
        record(providers=[["only one"]]),
        record(diagnostics=None),
        record(file_name="../../../elsewhere.so"),
        record(file_name=7),
    ],
)
def test_a_damaged_artifact_is_not_loaded_and_can_be_made_again(store: Store, damage: Any) -> None:
    damage(publish(store))
    assert store.get(KEY) is None
    made = publish(store)
    assert made.file.read_bytes() == b"module"
    assert store.get(KEY) == made
    assert list(store.place("tmp").iterdir()) == []


def test_a_record_that_is_no_table(store: Store) -> None:
    made = publish(store)
    path = made.folder / "record.json"
    path.chmod(0o600)
    path.write_text(f"{hashlib.sha256(b'[1]').hexdigest()}\n[1]")
    assert store.get(KEY) is None


def test_what_is_there_is_not_replaced(store: Store) -> None:
    first = publish(store)
    inode = first.file.stat().st_ino
    second = publish(store)
    assert second.file.stat().st_ino == inode


def _publish_often(folder: Path, barrier: Any, results: Any) -> None:
    store = Store(folder)
    for number in range(20):
        barrier.wait(10)
        made = publish(store, key=f"{number:064x}")
        results.put((number, made.file.read_bytes(), store.get(made.digest) is not None))


def test_two_processes_that_publish_the_same_both_have_it(store: Store) -> None:
    context: Any = multiprocessing.get_context("spawn" if os.name == "nt" else "fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_publish_often, args=(store.folder, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=10) for _ in range(40)]
    for process in processes:
        process.join()
    assert sorted(found) == sorted((number, b"module", True) for number in range(20) for _ in range(2))


def test_an_error_while_publishing_leaves_nothing(store: Store) -> None:
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left on device") as caught:
        publish(store, write_crate=fail)
    assert "%pyo3_cache" in caught.value.advice
    assert store.get(KEY) is None
    assert list(store.place("tmp").iterdir()) == []


def test_a_workspace_is_private_and_gone_afterwards(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.workspace() as first, store.workspace() as second:
        assert first != second
        (first / "file").write_text("x")
        raise ZeroDivisionError
    assert list(store.place("tmp").iterdir()) == []


def test_a_store_that_is_removed_meanwhile_is_made_again(store: Store) -> None:
    shutil.rmtree(store.folder)
    assert publish(store).file.read_bytes() == b"module"


@pytest.mark.parametrize("removed", [(), ("format",)])
def test_empty_folders_that_are_removed_are_made_again(store: Store, removed: tuple[str, ...]) -> None:
    for path in store.folder.iterdir():
        if path.is_dir():
            path.rmdir()
    for name in removed:
        (store.folder / name).unlink()
        (store.folder / "CACHEDIR.TAG").unlink()
    store.write_text(store.place("plans", "plan"), "text")
    assert store.place("plans", "plan").read_text() == "text"
    assert list(store.place("tmp").iterdir()) == []
    assert Store(store.folder).place("artifacts").is_dir()


def test_concealed_values(store: Store, tmp_path: Path) -> None:
    digest = store.conceal("value")
    assert store.conceal("value") == Store(store.folder).conceal("value") == digest
    assert store.conceal("other") != digest
    assert Store(tmp_path / "another").conceal("value") != digest
    assert len(store.place("secret").read_bytes()) == 32
    assert store.place("secret").stat().st_mode & 0o777 == 0o600
    assert list(store.place("tmp").iterdir()) == []
    store.place("secret").write_bytes(b"damaged")
    assert Store(store.folder).conceal("value") != digest
    layer = Store(store.folder, read_only=True)
    assert layer.conceal("value") == Store(store.folder).conceal("value")
    store.place("secret").unlink()
    with pytest.raises(OSError, match="key is missing"):
        Store(store.folder, read_only=True).conceal("value")


def test_two_processes_that_make_the_key_at_once_agree(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    urandom = os.urandom
    seen: list[str] = []

    def meanwhile(size: int) -> bytes:
        if not seen:
            seen.append("")
            seen.append(Store(store.folder).conceal("value"))
        return urandom(size)

    monkeypatch.setattr(os, "urandom", meanwhile)
    assert store.conceal("value") == seen[1]


def test_small_files_are_written_whole(store: Store) -> None:
    path = store.place("locks", "new", "file.txt")
    store.write_text(path, "ä")
    store.write_text(path, "€")
    assert path.read_text(encoding="utf-8") == "€"
    with pytest.raises(StoreError):
        store.write_text(path / "below", "x")
    assert list(store.place("tmp").iterdir()) == []


@posix
def test_small_files_are_private_and_programs_can_run(store: Store) -> None:
    store.write_text(store.place("toolchains", "text"), "x")
    store.write_text(store.place("toolchains", "new", "program"), "#!/bin/sh\n", executable=True)
    modes = [stat.S_IMODE(store.place("toolchains", name).stat().st_mode) for name in ("text", "new", "new/program")]
    assert modes == [0o600, 0o700, 0o700]


def test_files_of_a_folder(store: Store) -> None:
    folder = store.place("plans", "p")
    store.write_files(folder, {"a": b"1", "b/c": b"2"})
    store.write_files(folder, {"a": b"3"})
    assert ((folder / "a").read_bytes(), (folder / "b" / "c").read_bytes()) == (b"3", b"2")
    store.write_files(folder, {"a": b"3"}, only=True)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["a"]
    with pytest.raises(StoreError, match="cannot be used"):
        store.write_files(folder / "a", {"b": b""})


@posix
def test_folders_and_links(store: Store, tmp_path: Path) -> None:
    folder = store.make_folder(store.place("sessions", "s", "below"))
    assert store.make_folder(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    link = store.place("interpreters", "new", "libpython.so")
    for _ in range(2):
        store.link(link, tmp_path)
    assert link.readlink() == tmp_path
    (link.parent / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        store.make_folder(link.parent / "file")
    with pytest.raises(StoreError, match="cannot be used"):
        store.link(link.parent / "file" / "x", tmp_path)


@posix
def test_removing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    store.link(store.place("plans", "link"), tmp_path / "outside")
    store.write_text(store.place("plans", "folder", "file"), "x")
    store.write_text(store.place("plans", "file"), "x")
    assert [store.remove(store.place("plans", name)) for name in ("link", "folder", "file", "absent")] == [
        *(True, True, True),
        False,
    ]
    assert list(store.place("plans").iterdir()) == list(store.place("tmp").iterdir()) == []
    assert (tmp_path / "outside").is_dir()


def test_a_layer_is_never_changed(store: Store) -> None:
    made = publish(store)
    layer = Store(store.folder, read_only=True)
    assert not layer.remove(made.folder)
    assert layer.get(KEY) == made
    damage_module(made)
    assert layer.get(KEY) is None
    assert made.folder.is_dir()


def test_a_cell_that_is_needed(store: Store) -> None:
    made = publish(store)
    assert store.need("geometry", KEY) == made
    damage_module(made)
    with pytest.raises(StoreError, match="'geometry', or a library that it is linked with, is damaged") as caught:
        store.need("geometry", KEY)
    assert "--force" in caught.value.advice


def test_libraries_and_cells_that_an_artifact_is_linked_with(store: Store) -> None:
    library = store.place("runtimes", "r", "librt.so")
    library.parent.mkdir()
    library.write_bytes(b"runtime")
    used = publish(store, key="cd" * 32)
    providers = ((str(library), digest_libraries(library.parent)),)
    made = publish(store, cells={"used": used.digest}, providers=providers)
    os.utime(library.parent, (1, 1))
    os.utime(made.folder / "record.json", (1, 1))
    assert store.get(KEY) == made
    assert library.parent.stat().st_mtime > 1, "what is used is not pruned"
    assert (made.folder / "record.json").stat().st_mtime > 1
    library.write_bytes(b"damaged")
    assert store.get(KEY) is None
    library.write_bytes(b"runtime")
    assert store.get(KEY) == made
    shutil.rmtree(used.folder)
    assert store.get(KEY) is None
    assert made.folder.is_dir(), "what it is linked with may be built again"


def test_what_another_process_publishes_at_the_same_moment(store: Store) -> None:
    target = store.place("runtimes", "r")
    for text in ("first", "second"):
        with store.workspace() as staging:
            (staging / "file").write_text(text)
            assert store.replace_folder(staging, target, is_good=Path.is_dir) is (text == "first")
    assert (target / "file").read_text() == "first"
    with store.workspace() as staging:
        (staging / "file").write_text("third")
        assert store.replace_folder(staging, target)
    assert (target / "file").read_text() == "third"


@posix
def test_a_damaged_folder_that_cannot_be_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    target = store.make_folder(store.place("runtimes", "r"))
    (target / "file").touch()
    tries: list[Path] = []
    monkeypatch.setattr(Store, "remove", lambda _, path: tries.append(path))
    with store.workspace() as staging, pytest.raises(StoreError, match="is damaged and cannot be replaced"):
        store.replace_folder(staging, target)
    assert tries == [target] * 3


def test_a_folder_that_cannot_be_published(store: Store) -> None:
    store.place("runtimes").rmdir()
    store.place("runtimes").touch()
    with (
        store.workspace() as staging,
        pytest.raises(StoreError, match=r"cannot be used: (File exists|Not a directory)"),
    ):
        store.replace_folder(staging, store.place("runtimes", "r"))


def test_the_store_of_an_artifact(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = publish(store)
    assert made.store == store.folder
    assert Store.holding(made).remove(made.folder)
    made = publish(store)
    store.folder.parent.chmod(0o755)
    monkeypatch.setenv("PYO3MAGIC_STORE", f"{tmp_path / 'mine'}{os.pathsep}{store.folder}")
    assert not Store.holding(made).remove(made.folder)
    assert repr(store) == f"Store({str(store.folder)!r})"


@posix
def test_what_only_a_layer_has(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = publish(store)
    store.write_text(store.place("plans", "p", "invocation.json"), "{}")
    monkeypatch.setenv("PYO3MAGIC_STORE", f"{tmp_path / 'mine'}{os.pathsep}{store.folder}")
    mine = Store(tmp_path / "mine")
    assert [layer.folder for layer in mine.layers] == [store.folder]
    assert mine.get(KEY) == made
    assert mine.existing("plans", "p", "invocation.json") == store.place("plans", "p", "invocation.json")
    mine.write_text(mine.place("plans", "p", "invocation.json"), "{}")
    assert mine.existing("plans", "p", "invocation.json") == mine.place("plans", "p", "invocation.json")
    assert mine.existing("plans", "q") == mine.place("plans", "q")
    assert publish(mine) == made, "what a layer has is not stored again"
    made.file.chmod(0o777)
    assert mine.get(KEY) is None, "others could change it"
    made.file.chmod(0o500)
    assert mine.get(KEY) == made
    made.folder.chmod(0o777)
    assert mine.get(KEY) is None
