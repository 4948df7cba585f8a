"""The store: private, whole or not at all, and never believed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import StoreError
from pyo3magic.store import Artifact, Description, Inputs, Store, digest_file, digest_libraries, digest_tree

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "ab" * 32
posix = pytest.mark.skipif(os.name == "nt", reason="permissions and owners are POSIX's")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def publish(
    store: Store,
    *,
    key: str = KEY,
    content: bytes = b"module",
    inputs: Inputs | None = None,
    write_crate: Callable[[Path], None] = Path.mkdir,
    **more: Any,
) -> Artifact:
    with store.workspace() as workspace:
        built = workspace / "libcell.so"
        built.write_bytes(content)
        return store.publish(
            key,
            inputs or Inputs(),
            Description(
                **{"module": "cell_abababab", "file_name": "cell.so", "interpreter": "identity", **more},
            ),
            built=built,
            write_crate=write_crate,
        )


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


# Inputs


def test_included_files_variables_and_folders_decide_which_artifact_is_found(store: Store, tmp_path: Path) -> None:
    file, tree = tmp_path / "data.txt", tmp_path / "dependency"
    file.write_text("one")
    tree.mkdir()
    (tree / "lib.rs").write_text("one")

    def inputs(value: str | None) -> Inputs:
        return Inputs({str(file): digest_file(file)}, {str(tree): digest_tree(tree)}, {"X": value})

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


# The folder


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


def test_small_files_are_written_whole(store: Store) -> None:
    path = store.place("locks", "new", "file.txt")
    store.write_text(path, "ä")
    store.write_text(path, "€")
    assert path.read_text(encoding="utf-8") == "€"
    with pytest.raises(StoreError):
        store.write_text(path / "below", "x")
    assert list(store.place("tmp").iterdir()) == []


# Digests


def test_digests_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(b"abc")
    assert digest_file(tmp_path / "a.so") == hashlib.sha256(b"abc").hexdigest()
    assert digest_file(tmp_path / "absent") == digest_file(tmp_path) == ""
    before = (digest_tree(tmp_path), digest_libraries(tmp_path))
    for skipped in ("target", ".git"):
        (tmp_path / skipped).mkdir()
        (tmp_path / skipped / "file").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    assert digest_libraries(tmp_path) == before[1]
    assert digest_tree(tmp_path) != before[0]
    (tmp_path / "notes.txt").unlink()
    assert digest_tree(tmp_path) == before[0]
    (tmp_path / "a.so").rename(tmp_path / "b.so")
    assert digest_libraries(tmp_path) != before[1]


def test_an_alias_stands_for_the_content(store: Store) -> None:
    assert publish(store, module="cell_abababab").alias == "cell_abababab"
    assert publish(store, key="cd" * 32, module="geometry").alias == "geometry_cdcdcdcd"
