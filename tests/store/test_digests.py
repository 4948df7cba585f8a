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
