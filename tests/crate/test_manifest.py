from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tomlkit

from pyo3magic.crate import PYO3_RANGE, path_dependencies
from pyo3magic.errors import ManifestError

from .conftest import manifest, tables

if TYPE_CHECKING:
    from pathlib import Path


def test_without_front_matter() -> None:
    made = tables()
    assert made["package"] == {
        "name": "cell",
        "version": "0.0.0",
        "edition": "2024",
        "publish": False,
        "autobins": False,
    }
    assert made["lib"] == {"name": "cell", "crate-type": ["cdylib"], "path": "src/lib.rs"}
    assert made["dependencies"] == {"pyo3": PYO3_RANGE, "pyo3magic-support": {"path": "support"}}
    assert made["workspace"] == {}


def test_any_table_of_cargo_toml() -> None:
    front = (
        '[package]\nname = "my-cell"\nversion = "1.2.3"\n[profile.release]\nlto = true\n[features]\nfast = []\n'
        '[lints.rust]\nunused = "allow"\n[patch.crates-io]\nrand = { git = "https://x" }\n[tool.other]\nx = 1\n'
        '[target."cfg(unix)".dependencies]\nlibc = "0.2"\n[build-dependencies]\ncc = "1"'
    )
    made = tables(front, build_script=True, support=False)
    assert made["package"]["name"] == "my-cell"
    assert made["package"]["build"] == "build.rs"
    assert made["lib"]["name"] == manifest(front).library == "my_cell"
    assert made["profile"]["release"] == {"incremental": False, "lto": True}
    assert made["lints"] == {"rust": {"unused": "allow"}}
    assert made["target"]["cfg(unix)"]["dependencies"] == {"libc": "0.2"}
    assert "tool" not in made
    assert "pyo3magic-support" not in made["dependencies"]


@pytest.mark.parametrize(
    ("front", "specs", "more", "said"),
    [
        ('rand = "0.9"', (), {}, "'rand' outside any table"),
        ("dependencies = 3", (), {}, "in the front matter, dependencies has to be a table, not 3."),
        ('dependencies = ["rand"]', (), {}, "has to be a table"),
        ('[[bin]]\nname = "x"', (), {}, "a [[bin]] table, but a cell is one library"),
        ('[dependencies]\nrand = "0.9"', ("rand@0.8",), {}, "the crate 'rand' twice"),
        ("", ("rand@0.8", "rand@0.9"), {}, "the crate 'rand' twice"),
        ('[dependencies]\npyo3 = "0.28"', (), {"pyo3": "0.29"}, "--pyo3 0.29 and pyo3 = '0.28'"),
        ('[dependencies]\nmine = { path = "absent" }', (), {}, "has no Cargo.toml"),
    ],
)
def test_bad_front_matter(tmp_path: Path, front: str, specs: tuple[str, ...], more: dict[str, str], said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        manifest(front, *specs, base=tmp_path, **more)
    assert said in caught.value.message
    assert caught.value.advice


def test_a_manifest_is_the_same_each_time_and_nobody_elses() -> None:
    first, other = manifest('[dependencies]\nrand = "0.9"'), manifest('[dependencies]\nrand = "0.8"')
    assert manifest('[dependencies]\nrand = "0.9"') == first
    assert first.text != other.text
    assert first.dependencies_digest != other.dependencies_digest


@pytest.mark.parametrize(
    ("front", "same"),
    [
        ("[profile.release]\nlto = true", True),
        ('[lints.rust]\nunused = "allow"', True),
        ('[dependencies]\nrand = "*"', False),
        ("[features]\nfast = []", False),
        ('[package]\nrust-version = "1.85"', False),
    ],
)
def test_what_decides_the_versions(front: str, same: bool) -> None:
    assert (manifest(front).dependencies_digest == manifest().dependencies_digest) is same


def test_paths_are_relative_to_the_notebook(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Cargo.toml").write_text("")
    front = (
        '[dependencies]\none = { path = "one" }\n[build-dependencies]\ntwo = { path = "./two" }\n'
        f'[patch.crates-io]\nthree = {{ path = "{(tmp_path / "three").as_posix()}" }}'
    )
    made = manifest(front, base=tmp_path)
    assert path_dependencies(made) == tuple(sorted((tmp_path / name).resolve() for name in ("one", "two", "three")))
    assert tomlkit.parse(made.text).unwrap()["dependencies"]["one"]["path"] == str((tmp_path / "one").resolve())
