"""A cell as a cargo package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import tomlkit

from pyo3magic.cell import Options, parse_cell
from pyo3magic.crate import (
    CONVERSIONS,
    PYO3_RANGE,
    Crate,
    Manifest,
    locked_version,
    make_manifest,
    path_dependencies,
    pyo3_features,
    support_files,
)
from pyo3magic.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path


def manifest(front: str = "", *specs: str, **more: Any) -> Manifest:
    body = f"---\n{front}\n---\npub fn f() {{}}"
    return make_manifest(parse_cell(Options(dependencies=specs), body), **{"edition": "2024", **more})


def tables(front: str = "", *specs: str, **more: Any) -> dict[str, Any]:
    return tomlkit.parse(manifest(front, *specs, **more).text).unwrap()


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


@pytest.mark.parametrize(
    ("front", "specs", "name", "entry"),
    [
        ('[dependencies]\nrand = "0.9"', (), "rand", "0.9"),
        ("", ("rand",), "rand", "*"),
        ("", ("serde@1+derive",), "serde", {"version": "1", "features": ["derive"]}),
        ("", ("rand@0.9+-default",), "rand", {"version": "0.9", "default-features": False}),
        ('[dependencies]\nrand = "0.9"', ("rand@0.9",), "rand", "0.9"),
        ('[dependencies.r]\npackage = "rand"\nversion = "0.9"', (), "r", {"package": "rand", "version": "0.9"}),
        ('[dependencies]\npyo3 = "0.28"', (), "pyo3", "0.28"),
        (
            '[dependencies]\npyo3 = { features = ["macros"] }',
            (),
            "pyo3",
            {"version": PYO3_RANGE, "features": ["macros"]},
        ),
        ('[dependencies]\npyo3 = { git = "https://x" }', (), "pyo3", {"git": "https://x"}),
    ],
)
def test_dependencies(front: str, specs: tuple[str, ...], name: str, entry: object) -> None:
    assert tables(front, *specs)["dependencies"][name] == entry


@pytest.mark.parametrize(("crate", "feature"), CONVERSIONS.items())
def test_conversions_are_switched_on_by_the_crate(crate: str, feature: str) -> None:
    assert tables("", crate)["dependencies"]["pyo3"] == {"version": PYO3_RANGE, "features": [feature]}


def test_conversions_of_a_renamed_crate_and_other_features() -> None:
    made = tables('[dependencies]\nc = { package = "chrono", version = "0.4" }', pyo3_features=("experimental-async",))
    assert made["dependencies"]["pyo3"]["features"] == ["chrono", "experimental-async"]


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
        ("dependencies = 3", (), {}, "'dependencies' in the front matter has to be a table, not 3"),
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


def test_pyo3_option() -> None:
    assert tables(pyo3="0.28")["dependencies"]["pyo3"] == "0.28"
    assert tables('[dependencies]\npyo3 = "0.28"', pyo3="0.28")["dependencies"]["pyo3"] == "0.28"


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


def test_writing_touches_only_what_changed(tmp_path: Path) -> None:
    def crate(source: str) -> Crate:
        return Crate(manifest(), source, "fn main() {}", "lock", "cell", "config", support_files())

    crate("one").write(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        *("Cargo.toml", "Cargo.lock", "src/lib.rs", "build.rs", ".cargo/config.toml"),
        *("support/Cargo.toml", "support/src/lib.rs"),
    }
    crate("two").write(tmp_path)
    changed = {path.name for path, stamp in written.items() if path.stat().st_mtime_ns != stamp}
    assert changed <= {"lib.rs"}
    assert (tmp_path / "src" / "lib.rs").read_text() == "two"


def test_support_fits_the_version_of_pyo3() -> None:
    assert "assume_attached" in dict(support_files((0, 30, 1)))["src/lib.rs"]
    old = dict(support_files((0, 25, 1)))["src/lib.rs"]
    assert "assume_gil_acquired" in old
    assert "assume_attached" not in old


LOCK = '[[package]]\nname = "pyo3-ffi"\nversion = "0.29.0"\n\n[[package]]\nname = "pyo3"\nversion = "0.30.1"\nsource = "x"\n'


@pytest.mark.parametrize(
    ("name", "version"), [("pyo3", (0, 30, 1)), ("pyo3-ffi", (0, 29, 0)), ("pyo", None), ("p.o3", None)]
)
def test_locked_versions(name: str, version: tuple[int, ...] | None) -> None:
    assert locked_version(LOCK, name) == version


def test_features_are_read_from_a_package(tmp_path: Path) -> None:
    for specs, features in (((), ()), (("chrono",), ("chrono",))):
        (tmp_path / "Cargo.toml").write_text(manifest("", *specs).text)
        assert pyo3_features(tmp_path) == features


def test_a_converted_crate_without_a_version_is_the_one_pyo3_converts() -> None:
    assert tables("", "num-bigint")["dependencies"]["num-bigint"] == "0.4"
    assert tables("", "num-bigint@0.5")["dependencies"]["num-bigint"] == "0.5"
