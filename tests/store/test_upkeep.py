"""The store's size, and what goes first."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from pyo3magic.store import Description, Inputs, Store, digest_libraries
from pyo3magic.store.locking import Presence, exclusive
from pyo3magic.store.upkeep import _human, clear, enforce, forget_versions, in_use, measure, prune, tend

from .publishing import publish

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 100_000
HOUR = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def artifact(store: Store, number: int, *, age: float) -> str:
    """An artifact that was used ``age`` seconds ago; returns its digest."""
    key = f"{number:02d}" * 32
    with store.workspace() as workspace:
        built = workspace / "built.so"
        built.write_bytes(bytes(SIZE))
        made = store.publish(
            key,
            Inputs(),
            Description(module="m", file_name="m.so", interpreter="i"),
            built=built,
            write_crate=lambda folder: folder.mkdir(),
        )
    _age(made.folder / "record.json", age)
    return made.digest


def target(store: Store, name: str, *, age: float) -> Path:
    folder = store.place("targets", name)
    (folder / "release").mkdir(parents=True)
    (folder / "release" / "libpyo3.rlib").write_bytes(bytes(3 * SIZE))
    _age(folder, age)
    return folder


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def left(store: Store) -> set[str]:
    return {entry.path.name for entry in measure(store).entries}


def test_measuring(store: Store) -> None:
    artifact(store, 1, age=0)
    target(store, "t", age=0)
    usage = measure(store)
    assert usage.of("target") == (1, 3 * SIZE)
    count, size = usage.of("artifact")
    assert count == 1
    assert SIZE < size < SIZE + 2000
    assert usage.of("plan") == (0, 0)
    assert usage.total == usage.other + size + 3 * SIZE


def test_hard_links_count_once(store: Store) -> None:
    folder = target(store, "t", age=0)
    os.link(folder / "release" / "libpyo3.rlib", folder / "linked.rlib")
    assert measure(store).of("target") == (1, 3 * SIZE)


def test_the_least_recently_used_goes_first(store: Store) -> None:
    old, middle, new = (artifact(store, number, age=age) for number, age in ((1, 3 * HOUR), (2, 2 * HOUR), (3, HOUR)))
    assert prune(store, 10 * SIZE) == 0
    assert left(store) == {old, middle, new}
    assert prune(store, measure(store).total - 1) >= SIZE
    assert left(store) == {middle, new}
    store.get(middle)
    prune(store, measure(store).total - 1)
    assert left(store) == {middle}


def test_target_folders_go_last(store: Store) -> None:
    target(store, "t", age=9 * HOUR)
    artifact(store, 1, age=2 * HOUR)
    prune(store, 3 * SIZE + 1000)
    assert left(store) == {"t"}
    prune(store, 0)
    assert left(store) == set()


def test_what_a_living_kernel_uses_stays(store: Store) -> None:
    digest, other = artifact(store, 1, age=9 * HOUR), artifact(store, 2, age=2 * HOUR)
    session = store.place("sessions", "s1")
    session.mkdir()
    (session / "cell.py").write_text(f"load_for_worker('x', '{digest}', __name__)")
    presence = Presence(session / "alive")
    assert in_use(store) == {digest}
    prune(store, 0)
    assert left(store) == {digest}
    presence.release()
    assert in_use(store) == frozenset()
    _age(store.place("artifacts", digest[:2], digest, "record.json"), 2 * HOUR)
    prune(store, 0)
    assert left(store) == set()
    assert other not in left(store)


def test_a_build_that_is_running_keeps_its_target_folder(store: Store) -> None:
    folder = target(store, "t", age=9 * HOUR)
    with exclusive(store.place("locks", "target-t.lock")):
        prune(store, 0)
        assert folder.is_dir()
    prune(store, 0)
    assert not folder.exists()


def test_what_dead_processes_left_is_removed(store: Store) -> None:
    for name, age in (("old", 7 * HOUR), ("new", 0)):
        folder = store.place("tmp", name)
        folder.mkdir()
        _age(folder, age)
    old_file = store.place("tmp", "old.part")
    old_file.touch()
    _age(old_file, 7 * HOUR)
    session = store.place("sessions", "dead")
    session.mkdir()
    (session / "alive").touch()
    _age(session / "alive", 7 * HOUR)
    prune(store, 10**9)
    assert [path.name for path in store.place("tmp").iterdir()] == ["new"]
    assert list(store.place("sessions").iterdir()) == []


def test_clearing_forgets_everything(store: Store) -> None:
    artifact(store, 1, age=0)
    (store.place("locks") / "x.lock.toml").write_text("")
    (store.place("variants") / "k.json").write_text("{}")
    assert clear(store) >= SIZE
    assert left(store) == set()
    assert [path.name for path in store.place("locks").iterdir()] == ["generation"]
    assert list(store.place("variants").iterdir()) == []


def test_forgetting_versions_is_a_new_generation_each_time(store: Store) -> None:
    generations = set()
    for _ in range(3):
        forget_versions(store)
        generations.add(store.place("locks", "generation").read_text())
    assert len(generations) == 3


def test_the_limit_is_enforced_now_and_then(store: Store) -> None:
    artifact(store, 1, age=2 * HOUR)
    artifact(store, 2, age=HOUR)
    enforce(store, measure(store).total - 1)
    assert len(left(store)) == 1
    enforce(store, 0)
    assert len(left(store)) == 1
    _age(store.place("locks", "measured"), HOUR)
    enforce(store, 0)
    assert left(store) == set()


def test_the_answer(store: Store) -> None:
    artifact(store, 1, age=2 * HOUR)
    text, data = tend(store)
    assert data["freed"] is None
    assert data["artifacts"] == {"count": 1, "bytes": measure(store).of("artifact")[1]}
    assert str(store.folder) in text
    text, data = tend(store, limit=0, update=True)
    assert data["artifacts"] == {"count": 0, "bytes": 0}
    assert "kB freed" in text
    assert "chooses the versions of its dependencies again" in text
    assert "0 B freed" in tend(store, clear_all=True)[0]


def test_clear_takes_folders_among_the_facts_too(store: Store) -> None:
    folder = store.place("toolchains", "folder")
    folder.mkdir()
    (folder / "facts.json").write_text("{}", encoding="utf-8")
    clear(store)
    assert not folder.exists()


def linked(store: Store, number: int, *, cells: dict[str, str], library: str) -> str:
    """An artifact that uses cells and a library; returns its digest."""
    folder = store.make_folder(store.place("runtimes", library))
    (folder / "lib.so").write_bytes(bytes(SIZE))
    made = publish(
        store,
        key=f"{number:02d}" * 32,
        cells=cells,
        providers=((str(folder / "lib.so"), digest_libraries(folder)),),
    )
    return made.digest


def test_what_a_used_artifact_is_linked_with_stays(store: Store) -> None:
    first = linked(store, 1, cells={}, library="r1")
    second = linked(store, 2, cells={"first": first}, library="r2")
    third = linked(store, 3, cells={"second": second}, library="r3")
    _age(store.get(linked(store, 4, cells={}, library="r4")).folder / "record.json", 2 * HOUR)  # type: ignore[union-attr]
    for name in ("r1", "r2", "r3", "r4"):
        _age(store.place("runtimes", name), 2 * HOUR)
    session = store.make_folder(store.place("sessions", "s1"))
    (session / "cell.py").write_text(f"load_for_worker('x', '{third}', __name__)")
    presence = Presence(session / "alive")
    assert in_use(store) == {first, second, third, "r1", "r2", "r3"}
    prune(store, 0)
    assert left(store) == {first, second, third, "r1", "r2", "r3"}
    presence.release()


def test_a_plan_that_was_used_a_moment_ago_stays(store: Store) -> None:
    for name, age in (("old", HOUR), ("new", 0)):
        store.write_text(store.place("plans", name, "invocation.json"), "{}")
        _age(store.place("plans", name), age)
    prune(store, 0)
    assert left(store) == {"new"}


def test_nothing_is_removed_from_a_store_that_is_just_full(store: Store) -> None:
    artifact(store, 1, age=HOUR)
    assert prune(store, measure(store).total) == 0
    assert len(left(store)) == 1


@pytest.mark.parametrize(("age", "stays"), [(5.9 * HOUR, True), (6.1 * HOUR, False)])
def test_left_behind_files_stay_for_six_hours(store: Store, age: float, stays: bool) -> None:
    folder = store.make_folder(store.place("tmp", "x"))
    _age(folder, age)
    prune(store, 10**9)
    assert folder.exists() is stays


@pytest.mark.parametrize(
    ("age", "stays"), [(-2 * HOUR, False), (-0.9 * HOUR, True), (0.9 * HOUR, True), (HOUR + 5, False)]
)
def test_what_was_used_within_an_hour_stays(store: Store, age: float, stays: bool) -> None:
    artifact(store, 1, age=age)
    target(store, "t", age=age)
    store.write_text(store.place("plans", "p", "invocation.json"), "{}")
    _age(store.place("plans", "p"), age)
    prune(store, 0)
    assert len(left(store)) == (3 if stays else 0)


def test_clearing_beside_another_kernel_keeps_what_its_build_may_use(store: Store) -> None:
    artifact(store, 1, age=0)
    artifact(store, 2, age=2 * HOUR)
    own, other = (store.make_folder(store.place("sessions", name)) for name in ("own", "other"))
    mine, others = Presence(own / "alive"), Presence(other / "alive")
    clear(store, own=own)
    assert len(left(store)) == 1
    others.release()
    clear(store)
    assert len(left(store)) == 1
    clear(store, own=own)
    assert left(store) == set()
    mine.release()


def test_everything_in_the_store_counts(store: Store) -> None:
    before = measure(store).other
    names = ("interpreters", "locks", "sessions", "support", "tmp", "toolchains", "variants")
    for name in names:
        (store.place(name) / "file").write_bytes(bytes(1000))
    assert measure(store).other == before + 1000 * len(names)
    for kind in ("runtimes", "plans", "targets"):
        (store.make_folder(store.place(kind, "folder")) / "file").write_bytes(bytes(SIZE))
        assert measure(store).of(kind.removesuffix("s")) == (1, SIZE)


def test_the_answer_in_words(store: Store) -> None:
    artifact(store, 1, age=0)
    target(store, "t", age=0)
    (store.make_folder(store.place("runtimes", "r")) / "lib.so").write_bytes(bytes(999))
    text, data = tend(store, limit=10**9)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "0 B freed."
    assert lines[1] == f"{store.folder}: {_human(measure(store).total)}"
    assert [line.split(maxsplit=1)[0] for line in lines[2:-1]] == ["1", "1", "0", "1"]
    assert lines[2].startswith("1  built modules")
    assert lines[3] == f"1  {'libraries they share':<22} {'999 B':>10}"
    assert lines[4] == f"0  {'sets of dependencies':<22} {'0 B':>10}"
    assert lines[5] == f"1  {'cargo target folders':<22} {'300 kB':>10}"
    assert lines[6].startswith("everything else")
    assert set(data) == {"store", "bytes", "freed", "artifacts", "runtimes", "plans", "targets"}
    assert data["bytes"] == measure(store).total
    assert tend(store)[1]["freed"] is None
    assert len(left(store)) == 3, "nothing is removed unless that is asked for"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (999, "999 B"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (10**6, "1 MB"),
        (10**9, "1.0 GB"),
        (1.25 * 10**12, "1250.0 GB"),
    ],
)
def test_sizes_in_words(size: float, text: str) -> None:
    assert _human(int(size)) == text


def test_clearing_removes_compiled_packages_unless_a_target_folder_needs_them(store: Store) -> None:
    target(store, "t", age=0)
    store.make_folder(store.place("support", "s"))
    with exclusive(store.place("locks", "target-t.lock")):
        clear(store)
        assert store.place("support", "s").is_dir()
    clear(store)
    assert not store.place("support", "s").exists()


def test_the_limit_is_measured_every_ten_minutes(store: Store) -> None:
    artifact(store, 1, age=HOUR)
    store.write_text(store.place("locks", "measured"), "")
    _age(store.place("locks", "measured"), 590)
    enforce(store, 0)
    assert len(left(store)) == 1
    _age(store.place("locks", "measured"), 610)
    enforce(store, 0)
    assert left(store) == set()


def test_pruning_leaves_room_for_the_next_builds(store: Store) -> None:
    for number in range(1, 11):
        artifact(store, number, age=(20 - number) * HOUR)
    limit = measure(store).total - 1
    enforce(store, limit)
    assert measure(store).total <= 0.8 * limit
    assert len(left(store)) == 7
