from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.export.write_files import check_folder, check_project_folder, place_file, place_tree, source_date

from .conftest import listed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_never_overwritten_by_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    assert place_file(path, b"one", force=False) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    before = path.stat().st_mtime_ns
    assert place_file(path, b"one", force=False) == path
    assert path.stat().st_mtime_ns == before
    with pytest.raises(OptionError, match="--force"):
        place_file(path, b"two", force=False)
    assert path.read_bytes() == b"one"
    place_file(path, b"two", force=True)
    assert path.read_bytes() == b"two"
    assert listed(tmp_path) == ["a.whl"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("x")
    with pytest.raises(OptionError, match="is a file"):
        check_folder(tmp_path / "dist")
    with pytest.raises(OptionError, match="cannot be written"):
        check_folder(tmp_path / "dist" / "below")


def test_a_folder_that_cannot_be_written_to() -> None:
    with pytest.raises(OptionError, match="cannot be written"):
        check_folder(__import__("pathlib").Path("/proc/dist"))


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.whl").mkdir()
    with pytest.raises(OptionError):
        place_file(tmp_path / "a.whl", b"", force=True)


def test_a_tree_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    files = {"a.txt": b"a", "b/c.sh": b"c"}
    place_tree(folder, files, force=False, executable=frozenset({"b/c.sh"}))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes["project"] == modes["c.sh"] == 0o755
    assert not modes["a.txt"] & 0o111
    assert listed(tmp_path) == ["project"]
    place_tree(folder, files, force=False)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"a\.txt"):
        place_tree(folder, {"a.txt": b"other"}, force=False)
    assert (folder / "a.txt").read_bytes() == b"a"
    place_tree(folder, {"a.txt": b"other"}, force=True)
    assert (folder / "mine.txt").read_text() == "mine"
    assert (folder / "a.txt").read_bytes() == b"other"
    with pytest.raises(OptionError, match="is a file"):
        place_tree(folder / "a.txt", files, force=True)


def test_folders_are_made_as_deep_as_needed(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path / "a" / "b")
    check_project_folder(tmp_path / "c" / "d")
    assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "c" / "d").exists()
    place_tree(tmp_path / "c" / "d", {"e/f/g": b"", "e/f/h": b""}, force=False)
    assert listed(tmp_path / "c" / "d" / "e" / "f") == ["g", "h"]


def test_a_tree_cannot_be_written_over_a_folder(tmp_path: Path) -> None:
    (tmp_path / "project" / "a.txt" / "below").mkdir(parents=True)
    with pytest.raises(OptionError, match=r"project cannot be written: .*directory\.\nName another folder\."):
        place_tree(tmp_path / "project", {"a.txt": b""}, force=True)


def test_an_empty_folder_is_like_none(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    place_tree(tmp_path / "project", {"a.txt": b"a"}, force=False)
    assert listed(tmp_path / "project") == ["a.txt"]
    with pytest.raises(OptionError, match=r"b\.txt in it is missing or different"):
        place_tree(tmp_path / "project", {"a.txt": b"a", "b.txt": b"b"}, force=False)


@pytest.mark.parametrize(
    ("environ", "date"),
    [
        ({}, (1980, 1, 1, 0, 0, 0)),
        ({"SOURCE_DATE_EPOCH": "1700000000"}, (2023, 11, 14, 22, 13, 20)),
        ({"SOURCE_DATE_EPOCH": "5"}, (1980, 1, 1, 0, 0, 0)),
        ({"SOURCE_DATE_EPOCH": "315532801"}, (1980, 1, 1, 0, 0, 1)),
        ({"SOURCE_DATE_EPOCH": "soon"}, (1980, 1, 1, 0, 0, 0)),
    ],
)
def test_source_date(environ: Any, date: Any) -> None:
    assert source_date(environ) == date
