from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

import pyo3magic
from pyo3magic.cell import Options, parse_cell
from pyo3magic.cell.syntax import analyse
from pyo3magic.errors import OptionError
from pyo3magic.export.array_functions import array_types, arrays_module, check_stable_abi, module_files
from pyo3magic.export.rust_source import crate_root
from pyo3magic.export.rust_syntax import Member

if TYPE_CHECKING:
    from pathlib import Path

LOCK = '[[package]]\nname = "pyo3"\nversion = "0.30.1"\n'
SOURCE = """\
/// Sum of the squares.
#[pyo3(signature = (values, scale = 1.0))]
pub fn energy(values: &[f64], scale: f64) -> f64 { values.iter().map(|x| scale * x * x).sum() }
pub fn halves(values: &[i32], out: Option<&mut [i32]>) -> Result<(Vec<i32>, usize), String> {
    let found: Vec<i32> = values.iter().map(|x| x / 2).collect();
    if let Some(out) = out { out.copy_from_slice(&found) }
    if found.is_empty() { return Err("there are no numbers".into()) }
    Ok((found, values.len()))
}
pub fn count(to: u32) -> impl Iterator<Item = u32> { 0..to }
pub fn lengths(texts: &[&str]) -> Vec<usize> { texts.iter().map(|text| text.len()).collect() }
pub fn plain(x: i64) -> i64 { x }
"""


def _member(source: str = SOURCE, module: str = "numbers", *, keep_gil: bool = False) -> Member:
    return Member(module, parse_cell(Options(module, keep_gil=keep_gil), source), analyse(source), LOCK)


def test_wrappers_are_readable_rust_in_the_module() -> None:
    text = crate_root(_member(), (), "numbers", package="numbers", arrays="arrays")
    assert text.startswith("#[allow(dead_code, unused_imports)]\nmod arrays;\n")
    assert "/// Sum of the squares.\npub fn energy(values: &[f64], scale: f64)" in text
    assert (
        "    /// Sum of the squares.\n    #[pyfunction]\n    #[pyo3(signature = (values, scale = 1.0))]\n"
        "    fn energy(py: Python<'_>, values: &Bound<'_, PyAny>, scale: f64) -> PyResult<f64> {\n"
        '        let values_buffer = crate::arrays::Slice::<f64>::new("values", values)?;\n'
    ) in text
    assert "#[pymodule_export]\n    use super::plain;\n" in text
    assert "pyo3magic" not in text.lower()
    assert "released" not in crate_root(_member(keep_gil=True), (), "numbers", package="numbers", arrays="arrays")


def test_the_rust_module_has_a_free_name() -> None:
    assert arrays_module([_member()]) == "arrays"
    assert arrays_module([_member(), _member("pub fn f() {}", "arrays")]) == "python_arrays"
    assert arrays_module([_member("pub fn f() {}")]) == ""
    assert module_files([_member("pub fn f() {}")]) == {}
    assert {"src/arrays/mod.rs", "src/arrays/slices.rs"} <= module_files([_member()]).keys()


def test_types() -> None:
    assert array_types(_member()) == {
        "energy": ({"values": "numpy.typing.ArrayLike"}, "float"),
        "halves": (
            {
                "values": "numpy.typing.ArrayLike",
                "out": "numpy.typing.NDArray[numpy.int32] | collections.abc.Buffer | None",
            },
            "tuple[numpy.typing.NDArray[numpy.int32], int]",
        ),
        "count": ({}, "collections.abc.Iterator[int]"),
        "lengths": ({"texts": "collections.abc.Iterable[str]"}, "numpy.typing.NDArray[numpy.uintp]"),
    }


def test_the_stable_abi_has_buffers_since_3_11() -> None:
    check_stable_abi([_member()], (3, 11))
    check_stable_abi([_member("pub fn f() -> Result<(), String> { Ok(()) }")], (3, 9))
    with pytest.raises(OptionError, match=r"energy takes arrays.*since Python 3\.11"):
        check_stable_abi([_member()], (3, 10))


@pytest.mark.cargo
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the stable ABI has buffers since Python 3.11")
def test_a_wheel_works_without_pyo3magic(store: Path, tmp_path: Path) -> None:
    built = pyo3magic.build(SOURCE, module="numbers_of_arrays", store=store)
    made = pyo3magic.wheel(built, folder=tmp_path, version="1.0", abi3="3.11", store=store)
    with zipfile.ZipFile(made.path) as wheel:
        wheel.extractall(tmp_path / "installed")
        stub = wheel.read("numbers_of_arrays/__init__.pyi").decode()
    ast.parse(stub)
    assert "def energy(values: numpy.typing.ArrayLike, scale: " in stub
    assert "-> tuple[numpy.typing.NDArray[numpy.int32], int]: ..." in stub
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import numbers_of_arrays as numbers
out = np.zeros(2, "i4")
assert numbers.energy([1, 2]) == 5 and numbers.energy(np.arange(3.0)[::2], scale=2.0) == 8
assert numbers.halves([4, 6], out)[0].tolist() == out.tolist() == [2, 3]
assert list(numbers.count(3)) == [0, 1, 2] and numbers.lengths(["a", "bc"]).tolist() == [1, 2]
try:
    numbers.halves([], None)
except RuntimeError as error:
    assert str(error) == "there are no numbers"
assert "pyo3magic" not in sys.modules
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "installed")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr
