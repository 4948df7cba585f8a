from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tomlkit

from pyo3magic.crate import (
    PYO3_RANGE,
    path_dependencies,
)

from .conftest import manifest, tables

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_converted_crate_without_a_version_is_the_one_pyo3_converts() -> None:
    assert tables("", "num-bigint")["dependencies"]["num-bigint"] == "0.4"
    assert tables("", "num-bigint@0.5")["dependencies"]["num-bigint"] == "0.5"
