"""Crates in cargo's folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyo3magic.assist.local_crates import local_crates, specs_beginning

if TYPE_CHECKING:
    from pathlib import Path


def test_names_of_the_index_and_versions_of_downloads(tmp_path: Path) -> None:
    index = tmp_path / "registry" / "index" / "registry-1" / ".cache"
    for place in ("1/a", "2/io", "3/s/syn", "se/rd/serde", "se/rd/serde_json"):
        (index / place).parent.mkdir(parents=True, exist_ok=True)
        (index / place).write_text("")
    downloads = tmp_path / "registry" / "cache" / "registry-1"
    downloads.mkdir(parents=True)
    for name in ("serde-1.0.9", "serde-1.0.10", "lz4-sys-1.11.1+lz4-1.10.0", "syn-2.0.0-rc.1"):
        (downloads / f"{name}.crate").write_text("")
    (downloads / "other.txt").write_text("")
    found = local_crates({"CARGO_HOME": str(tmp_path)})
    assert found == {
        "a": (),
        "io": (),
        "syn": ("2.0.0-rc.1",),
        "serde": ("1.0.10", "1.0.9"),
        "serde_json": (),
        "lz4-sys": ("1.11.1+lz4-1.10.0",),
    }
    assert specs_beginning("se", found) == ["a", "io", "lz4-sys", "serde", "serde_json", "syn"]
    assert specs_beginning("serde@", found) == ["serde@1.0.10", "serde@1.0.9"]
    assert specs_beginning("unknown@1", found) == []


def test_what_cargo_adds_is_seen(tmp_path: Path) -> None:
    downloads = tmp_path / "registry" / "cache" / "registry-1"
    downloads.mkdir(parents=True)
    environ = {"CARGO_HOME": str(tmp_path)}
    assert local_crates(environ) == {}
    (downloads / "rayon-1.0.0.crate").write_text("")
    os.utime(downloads, ns=(1, 1))  # file systems with coarse times
    assert local_crates(environ) == {"rayon": ("1.0.0",)}


def test_without_cargo_there_are_none(tmp_path: Path) -> None:
    assert local_crates({"CARGO_HOME": str(tmp_path / "missing")}) == {}
