from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.export.write_files import check_folder, place_file, place_tree, source_date

from .conftest import listed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_never_overwritten_by_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    place_file(path, b"one", force=False)
    before = path.stat().st_mtime_ns
    place_file(path, b"one", force=False)
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
    assert (folder / "b" / "c.sh").stat().st_mode & 0o111
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


@pytest.mark.parametrize(
    ("environ", "date"),
    [
        ({}, (1980, 1, 1, 0, 0, 0)),
        ({"SOURCE_DATE_EPOCH": "1700000000"}, (2023, 11, 14, 22, 13, 20)),
        ({"SOURCE_DATE_EPOCH": "5"}, (1980, 1, 1, 0, 0, 0)),
    ],
)
def test_source_date(environ: Any, date: Any) -> None:
    assert source_date(environ) == date
