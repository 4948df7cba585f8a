"""Files that are written whole, and only where they differ."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pyo3magic.store.files import append_file, replace_file, write_files

posix = pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")


@posix
@pytest.mark.parametrize(("modes", "mode"), [({}, 0o600), ({"mode": 0o755}, 0o755), ({"mode": None}, 0o640)])
def test_a_file_is_replaced_in_one_step(tmp_path: Path, modes: dict[str, Any], mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = path.stat().st_ino
    old_mask = os.umask(0o027)
    with path.open("rb") as reader:
        try:
            replace_file(path, b"new", **modes)
        finally:
            os.umask(old_mask)
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != before
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_is_staged_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "staging").mkdir()
    seen: list[Path] = []
    replace = Path.replace

    def watched(staged: Path, path: Path) -> Path:
        seen.append(staged)
        return replace(staged, path)

    monkeypatch.setattr(Path, "replace", watched)
    replace_file(tmp_path / "file", b"x", staging=tmp_path / "staging" / "new")
    replace_file(tmp_path / "file", b"x")
    assert [path.parent for path in seen] == [tmp_path / "staging", tmp_path]
    assert seen[0].name == "new"
    assert seen[1].suffix == ".part"


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    with pytest.raises(OSError):
        replace_file(tmp_path / "folder", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "absent" / "file", b"x")


def _times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_files_that_are_right_keep_their_time(tmp_path: Path) -> None:
    files = {"a.txt": b"a", "sub/b.txt": b"b", "sub/deep/c.txt": b"c"}
    folder = tmp_path / "new"
    write_files(folder, dict(reversed(files.items())))
    assert {name: (folder / name).read_bytes() for name in files} == files
    for path in folder.rglob("*.txt"):
        os.utime(path, ns=(1, 1))
    write_files(folder, {**files, "sub/b.txt": b"other"}, always={"a.txt"})
    assert {name for name, time in _times(folder).items() if time != 1} == {"a.txt", "b.txt"}
    assert (folder / "sub" / "b.txt").read_bytes() == b"other"


@pytest.mark.parametrize("only", [False, True])
def test_other_files_stay_unless_the_folder_is_for_these_only(tmp_path: Path, only: bool) -> None:
    write_files(tmp_path, {"a": b"", "sub/b": b"", "sub/c": b""})
    if only:
        write_files(tmp_path, {"sub/c": b"1"}, only=True)
    else:
        write_files(tmp_path, {"sub/c": b"1"})
    assert sorted(_times(tmp_path)) == (["c"] if only else ["a", "b", "c"])


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_files(tmp_path, {"a": b""})


def test_lines_are_appended_to_a_private_file(tmp_path: Path) -> None:
    append_file(tmp_path / "lines.txt", b"one\n")
    append_file(tmp_path / "lines.txt", b"two\n")
    assert (tmp_path / "lines.txt").read_bytes() == b"one\ntwo\n"
    if os.name != "nt":
        assert (tmp_path / "lines.txt").stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="missing"):
        append_file(tmp_path / "missing" / "lines.txt", b"one\n")
