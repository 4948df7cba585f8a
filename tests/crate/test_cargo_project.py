"""Odd values in the files of cargo projects; `tests/compile/test_build_project.py` builds projects."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell.front_matter import CARGO_TABLES
from pyo3magic.cell.toml_types import paths_of
from pyo3magic.crate.cargo_project import _PYPROJECT, local_folders, package_name, read_project
from pyo3magic.errors import ManifestError, PyO3MagicError

if TYPE_CHECKING:
    from pathlib import Path

_VALUES = (
    '""',
    '"/"',
    '".."',
    '"**"',
    '"~nosuchuser"',
    '"a\\u0000"',
    "5",
    "1.5",
    "true",
    "1979-05-27",
    "[]",
    "[1]",
    "[{}]",
    "{}",
)
_GOOD = '[package]\nname = "x"\nversion = "1.0.0"\n'


def _project(folder: Path, cargo: str, python: str = "") -> None:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "lib.rs").touch()
    (folder / "Cargo.toml").write_text(cargo)
    (folder / "pyproject.toml").write_text(python)


@pytest.mark.parametrize(
    ("cargo", "python", "said"),
    [
        (_GOOD + "[lib]\ncrate-type = 4", "", r"Cargo.toml:5: lib.crate-type has to be an array of strings, not 4"),
        ("package = 5", "", r"Cargo.toml:1: package has to be a table, not 5"),
        (
            _GOOD + "[dependencies]\na = { path = 5 }",
            "",
            r"Cargo.toml:5: dependencies.a.path has to be a string, not 5",
        ),
        (_GOOD, "[tool]\n\nmaturin = 5", r"pyproject.toml:3: tool.maturin has to be a table, not 5"),
        (
            _GOOD,
            "[tool.maturin]\nmanifest-path = 5",
            r"pyproject.toml:2: tool.maturin.manifest-path has to be a string",
        ),
        (_GOOD, "x = " + "[" * 5000, r"pyproject.toml cannot be read: values nest more than 50 levels deep"),
        (_GOOD + "x = 1 2", "", r"Cargo.toml cannot be read: .* \(line 4\)"),
    ],
)
def test_a_wrong_value_has_its_line(cargo: str, python: str, said: str, tmp_path: Path) -> None:
    _project(tmp_path, cargo, python)
    with pytest.raises(ManifestError, match=said) as caught:
        read_project(tmp_path)
    assert caught.value.advice


def test_features_with_conditions_are_maturins_business(tmp_path: Path) -> None:
    _project(tmp_path, _GOOD, '[tool.maturin]\nfeatures = ["a", { feature = "b", python-version = ">=3.12" }]')
    assert read_project(tmp_path).features == ("a",)


def test_what_is_inherited_is_right(tmp_path: Path) -> None:
    inherited = "".join(f"{key}.workspace = true\n" for key in ("version", "edition", "authors", "readme", "keywords"))
    _project(tmp_path, f'[package]\nname = "x"\n{inherited}[dependencies]\nrand.workspace = true\n')
    assert read_project(tmp_path).package == "x"


@pytest.mark.slow
def test_every_type_at_every_key(tmp_path: Path) -> None:
    cargo = [tuple("x" if key == "*" else key for key in path) for path in paths_of(CARGO_TABLES)]
    files = [*((path, True) for path in cargo), *((path, False) for path in paths_of(_PYPROJECT))]
    for (path, is_cargo), value in itertools.product(files, _VALUES):
        line = f"{'.'.join(path)} = {value}"
        base = "" if path[0] == "package" else re.sub(r"\[package\]\n(.*)\n(.*)\n", r"package = { \1, \2 }\n", _GOOD)
        _project(tmp_path, f"{base}{line}" if is_cargo else _GOOD, "" if is_cargo else line)
        message = ""
        try:
            read_project(tmp_path)
            local_folders(tmp_path / "Cargo.toml", tmp_path)
            package_name(tmp_path)
        except PyO3MagicError as error:
            message = f"{error.message} {error.advice}"
            found = error
        except Exception as error:
            raise AssertionError(line) from error
        if message:
            assert found.advice, line
