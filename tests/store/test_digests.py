"""Digests of files and folders."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.store import digest_file, digest_libraries, digest_tree

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and owners are POSIX's")


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


@pytest.mark.parametrize("name", ["target", ".git", "node_modules", "__pycache__", ".venv"])
def test_build_output_and_version_control_are_no_part_of_a_tree(tmp_path: Path, name: str) -> None:
    before = digest_tree(tmp_path)
    (tmp_path / name / "below").mkdir(parents=True)
    (tmp_path / name / "below" / "file").touch()
    assert digest_tree(tmp_path) == before
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / name).touch()
    assert digest_tree(tmp_path) != before, "a file of that name is a file like others"


def test_a_tree_is_told_by_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a.rs", "b/c.rs"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, ns=(1, 1))
    before = digest_tree(tmp_path)
    assert digest_tree(tmp_path) == before
    (tmp_path / "a.rs").write_text("y")
    os.utime(tmp_path / "a.rs", ns=(1, 1))
    assert digest_tree(tmp_path) == before, "content is not read: a dependency may be large"
    os.utime(tmp_path / "a.rs", ns=(1, 2))
    assert digest_tree(tmp_path) != before


@pytest.mark.parametrize("suffix", [".so", ".dylib", ".dll"])
def test_libraries_of_every_system(tmp_path: Path, suffix: str) -> None:
    before = digest_libraries(tmp_path)
    library = tmp_path / f"lib{suffix}"
    library.write_bytes(b"one")
    first = digest_libraries(tmp_path)
    assert first != before
    library.write_bytes(b"other")
    assert digest_libraries(tmp_path) != first
    (tmp_path / f"gone{suffix}").symlink_to("absent")
    (tmp_path / "sha256").write_text("x")
    library.write_bytes(b"one")
    assert digest_libraries(tmp_path) == first
