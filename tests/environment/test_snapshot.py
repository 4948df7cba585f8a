"""Recorded lookups hold until something changes."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.snapshot import content, is_file, recording, stamp, which

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)


@pytest.mark.parametrize(
    ("look", "change"),
    [
        (lambda folder: is_file(folder / "absent"), lambda folder: (folder / "absent").touch()),
        (lambda folder: stamp(folder / "file"), lambda folder: (folder / "file").write_text("longer than before")),
        (lambda folder: content(folder / "file"), lambda folder: (folder / "file").unlink()),
        (lambda folder: stamp(folder / "file"), lambda folder: (folder / "file").chmod(0o600)),
        (_which := lambda folder: which("tool", path=f"{folder / 'a'}{os.pathsep}{folder / 'b'}"), lambda folder: _program(folder / "a" / "tool")),
        (_which, lambda folder: (folder / "b" / "tool").write_text("another")),
        (_which, lambda folder: shutil.rmtree(folder / "b")),
    ],
)  # fmt: skip
def test_a_change_is_seen(look: Callable[[Path], object], change: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o640)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    _program(tmp_path / "b" / "tool")
    old = 10**18
    os.utime(tmp_path, ns=(old, old))
    with recording() as snapshot:
        look(tmp_path)
    look(tmp_path / "elsewhere")
    assert snapshot.found or snapshot.absent
    assert snapshot.still_holds()
    (tmp_path / "unrelated").touch()
    for _ in range(2):
        assert snapshot.still_holds()
    change(tmp_path)
    assert not snapshot.still_holds()


def test_nothing_is_missed_in_a_folder_that_has_just_changed(tmp_path: Path) -> None:
    """Its time may be the same after the next change."""
    (tmp_path / "other").touch()
    with recording() as snapshot:
        assert not is_file(tmp_path / "absent")
    status = tmp_path.stat()
    (tmp_path / "absent").touch()
    os.utime(tmp_path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not snapshot.still_holds()


def test_what_was_missing_with_its_folder(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(10**18, 10**18))
    with recording() as snapshot:
        assert content(tmp_path / ".cargo" / "config.toml") is None
        assert content(tmp_path / ".cargo" / "config") is None
    assert snapshot.still_holds()
    (tmp_path / ".cargo").mkdir()
    for folder in (tmp_path, tmp_path / ".cargo"):
        os.utime(folder, ns=(2 * 10**18 // 3, 2 * 10**18 // 3))
    assert snapshot.still_holds()
    assert snapshot.still_holds()
    (tmp_path / ".cargo" / "config").touch()
    assert not snapshot.still_holds()


def test_what_is_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    assert content(tmp_path / "file") == b"text"
    assert content(tmp_path) is None
    assert is_file(tmp_path / "file")
    assert not is_file(tmp_path)
    assert stamp(tmp_path / "absent") is None
    assert which("absent", path=str(tmp_path)) is None


def test_lookups_are_recorded_only_while_the_block_runs(tmp_path: Path) -> None:
    with recording() as snapshot:
        is_file(tmp_path / "during")
    stamp(tmp_path / "afterwards")
    (tmp_path / "afterwards").touch()
    os.utime(tmp_path, ns=(1, 1))
    assert snapshot.still_holds()
    (tmp_path / "during").touch()
    assert not snapshot.still_holds()


def test_one_lookup_stands_for_all_in_a_folder_that_has_settled(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(10**18, 10**18))
    with recording() as snapshot:
        for name in ("a", "b", ".cargo/c"):
            is_file(tmp_path / name)
    assert list(snapshot.absent) == list(snapshot.folders) == [str(tmp_path)]
    assert snapshot.folders[str(tmp_path)] == stamp(tmp_path)
    (tmp_path / "unrelated").touch()
    with recording() as fresh:
        is_file(tmp_path / "a")
    assert fresh.folders == {str(tmp_path): None}, "another file could still come in the same tick"


def test_only_folders_before_the_program_are_watched(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    _program(folders[1] / "tool")
    with recording() as snapshot:
        which("tool", path=os.pathsep.join(map(str, folders)))
    assert set(snapshot.found) == {str(folders[0]), str(folders[1] / "tool")}
    _program(folders[2] / "tool")
    assert snapshot.still_holds()
