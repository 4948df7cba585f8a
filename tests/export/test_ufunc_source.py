from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from pyo3magic.api import build, wheel
from pyo3magic.cell import Options, parse_cell
from pyo3magic.cell.syntax import analyse
from pyo3magic.errors import OptionError
from pyo3magic.export.rust_source import crate_root, submodule_file
from pyo3magic.export.rust_syntax import Member

if TYPE_CHECKING:
    from pathlib import Path

CURVES = """\
//! Curves.

/// The logistic function.
pub fn logistic(x: f64) -> f64 { 1.0 / (1.0 + (-x).exp()) }
"""


def _member(source: str, module: str, signature: str = "") -> Member:
    options = Options(module, ufunc=signature, parallel=True)
    return Member(module, parse_cell(options, source), analyse(source, signature), "")


def test_the_exported_rust_is_readable() -> None:
    assert crate_root(_member(CURVES, "curves"), (), "curves", package="curves") == (
        "//! Curves.\n\n"
        "/// Makes ufuncs of functions; this crate needs a part of it.\n"
        "#[allow(dead_code, unreachable_pub, unsafe_code, unused_imports)]\nmod ufunc;\n\n"
        "use pyo3::prelude::*;\n\n"
        "/// The logistic function.\n#[inline]\npub fn logistic(x: f64) -> f64 { 1.0 / (1.0 + (-x).exp()) }\n\n"
        "/// Adds the NumPy ufuncs to the Python module.\n"
        "fn add_ufuncs(module: &Bound<'_, PyModule>) -> PyResult<()> {\n"
        "    use crate::ufunc::{self, Ufunc};\n\n"
        "    module.add(\n"
        '        "logistic",\n'
        "        Ufunc {\n"
        '            name: "logistic",\n'
        '            module: "curves",\n'
        '            doc: "The logistic function.",\n'
        "            parallel: true,\n"
        "            loops: vec![ufunc::elementwise(logistic)],\n"
        "            ..Ufunc::default()\n"
        "        }\n"
        "        .create(module.py())?,\n"
        "    )?;\n"
        "    Ok(())\n"
        "}\n\n"
        "/// Curves.\n"
        "#[pymodule]\npub mod curves {\n"
        "    use pyo3::prelude::*;\n\n"
        "    #[pymodule_init]\n"
        "    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {\n"
        "        super::add_ufuncs(module)\n"
        "    }\n}\n"
    )


def test_a_submodule_has_its_own_path() -> None:
    text = submodule_file(_member("pub fn add_ufuncs(x: f64) -> f64 { x }", "curves"), (), package="both")
    assert 'module: "both.curves",' in text
    assert "super::add_numpy_ufuncs(module)" in text


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (_member("pub fn f(x: f64) -> f64 { x }", "ufunc"), "called 'ufunc'"),
        (_member("#![forbid(unsafe_code)]\npub fn f(x: f64) -> f64 { x }", "curves"), "unsafe code"),
    ],
)
def test_crates_that_cannot_have_ufuncs(member: Member, words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        crate_root(member, (), member.module, package=member.module)
    assert caught.value.advice


def test_a_wheel_has_ufuncs_without_pyo3magic(store: Path, tmp_path: Path) -> None:
    curves = build(CURVES, ufunc="", parallel=True, module="curves", store=store)
    source = (
        "/// Sum of logistic functions.\n"
        "pub fn total(row: &[f64]) -> f64 { row.iter().map(|x| curves::logistic(*x)).sum() }"
    )
    sums = build(source, ufunc="(n)->()", module="sums", cells=[curves], store=store)
    made = wheel(sums, folder=tmp_path, abi3="3.11" if sys.version_info >= (3, 11) else False, store=store)
    with zipfile.ZipFile(made.path) as file:
        file.extractall(tmp_path / "installed")
    stub = (tmp_path / "installed/sums/__init__.pyi").read_text()
    assert "import numpy\n" in stub
    assert 'total: numpy.ufunc\n"""Sum of logistic functions."""' in stub
    (metadata,) = (tmp_path / "installed").glob("*.dist-info/METADATA")
    assert "Requires-Dist: numpy\n" in metadata.read_text()
    code = (
        "import json, pickle, sys, numpy, sums; from sums import curves\n"
        "again = [pickle.loads(pickle.dumps(each)) is each for each in (sums.total, curves.logistic)]\n"
        "print(json.dumps([sums.total(numpy.zeros((2, 3))).tolist(), curves.logistic(0).item(), again, 'pyo3magic' in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    assert json.loads(done.stdout) == [[1.5, 1.5], 0.5, [True, True], False]
