"""Looks at the file system that are noted."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pyo3magic.looks import content, is_file, noted, see_the_same, stamp, which

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
    with noted() as notes:
        look(tmp_path)
    look(tmp_path / "elsewhere")
    assert notes
    assert see_the_same(notes)
    (tmp_path / "unrelated").touch()
    assert see_the_same(notes)
    change(tmp_path)
    assert not see_the_same(notes)


def test_what_is_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    assert content(tmp_path / "file") == b"text"
    assert content(tmp_path) is None
    assert is_file(tmp_path / "file")
    assert not is_file(tmp_path)
    assert stamp(tmp_path / "absent") is None
    assert which("absent", path=str(tmp_path)) is None
