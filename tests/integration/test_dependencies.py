"""What a cell may depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Start
    from .kernel import Kernel

pytestmark = pytest.mark.cargo

PARSE = """
use serde::Deserialize;
#[derive(Deserialize)] struct Pair { a: i64, b: i64 }
#[pyfunction] fn add_up(text: &str) -> PyResult<i64> {
    let pair: Pair = serde_json::from_str(text).map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?;
    Ok(pair.a + pair.b)
}
"""
SUM = """
use numpy::PyReadonlyArray1;
#[pyfunction] fn total(x: PyReadonlyArray1<'_, f64>) -> f64 { x.as_array().sum() }
"""


def test_a_dependency_in_cargo_adds_form(kernel: Kernel) -> None:
    kernel.rust(PARSE, "-d serde@1+derive -d serde_json")
    assert kernel.value("""add_up('{"a": 1, "b": 2}')""") == 3


def test_a_dependency_in_front_matter(kernel: Kernel) -> None:
    kernel.rust(
        '---\n[dependencies]\nserde = { version = "1", features = ["derive"] }\nserde_json = "*"\n---\n' + PARSE
    )
    assert kernel.value("""add_up('{"a": 20, "b": 2}')""") == 22


def test_numpy_and_an_older_numpy_just_resolve(kernel: Kernel) -> None:
    pytest.importorskip("numpy")
    kernel.rust(SUM, "-d numpy")
    assert kernel.value("import numpy; total(numpy.arange(4.0))") == 6.0
    kernel.rust(SUM.replace("total", "older_total"), "-d numpy@0.25")
    assert kernel.value("older_total(numpy.arange(4.0))") == 6.0
    locks = [path.read_text() for path in _store(kernel).glob("artifacts/*/*/crate/Cargo.lock")]
    assert any('name = "pyo3"\nversion = "0.25' in text for text in locks)


def test_pyo3_is_pinned_on_request(kernel: Kernel) -> None:
    kernel.rust("#[pyfunction] fn pinned() -> i64 { 28 }", "--pyo3 0.28 -m pinned_module")
    assert kernel.value("pinned()") == 28
    lock = kernel.value("open(__import__('os').path.dirname(pinned_module.__file__) + '/crate/Cargo.lock').read()")
    assert 'name = "pyo3"\nversion = "0.28' in lock


def test_conversions_are_switched_on_for_the_crates_that_a_cell_depends_on(kernel: Kernel) -> None:
    kernel.rust(
        """
        #[pyfunction] fn big(x: num_bigint::BigInt) -> num_bigint::BigInt { &x * &x }
        #[pyfunction] fn next_day(d: chrono::NaiveDate) -> chrono::NaiveDate { d.succ_opt().unwrap() }
        #[pyfunction] fn nil() -> uuid::Uuid { uuid::Uuid::nil() }
        #[pyfunction] fn ordered() -> indexmap::IndexMap<String, i64> {
            [("z".to_string(), 1), ("a".to_string(), 2)].into_iter().collect()
        }
        #[pyfunction] fn fails(x: i64) -> anyhow::Result<i64> { anyhow::ensure!(x > 0, "too small"); Ok(x) }
        """,
        "-d num-bigint@0.4 -d chrono -d uuid -d indexmap -d anyhow",
    )
    kernel.run(
        """
        import datetime, uuid
        assert big(10**30) == 10**60
        assert next_day(datetime.date(2024, 2, 29)) == datetime.date(2024, 3, 1)
        assert nil() == uuid.UUID(int=0)
        assert list(ordered()) == ["z", "a"]
        assert fails(1) == 1
        """
    )
    assert "too small" in kernel.run("fails(0)", expect="error").evalue


def test_a_crate_without_a_version_is_the_one_that_pyo3_converts(kernel: Kernel) -> None:
    kernel.rust("#[pyfunction] fn bigger(x: num_bigint::BigInt) -> num_bigint::BigInt { x + 1 }", "-d num-bigint")
    assert kernel.value("bigger(10**30)") == 10**30 + 1


def test_a_path_dependency_is_part_of_the_cell(kernel: Kernel) -> None:
    crate = kernel.folder / "beside"
    (crate / "src").mkdir(parents=True)
    (crate / "Cargo.toml").write_text('[package]\nname = "beside"\nversion = "1.0.0"\nedition = "2021"\n')
    (crate / "src" / "lib.rs").write_text("pub fn value() -> i64 { 1 }\n")
    cell = '---\n[dependencies]\nbeside = { path = "beside" }\n---\n#[pyfunction] fn from_beside() -> i64 { beside::value() }'
    kernel.rust(cell)
    assert kernel.value("from_beside()") == 1
    (crate / "src" / "lib.rs").write_text("pub fn value() -> i64 { 22 }\n")
    kernel.rust(cell)
    assert kernel.value("from_beside()") == 22


def test_a_second_build_needs_no_network_and_gives_the_same(start: Start) -> None:
    cell = "#[pyfunction] fn itoa_text(x: i64) -> String { itoa::Buffer::new().format(x).to_string() }"
    first = start()
    first.rust(cell, "-d itoa -m offline_module")
    lock = first.value("open(__import__('os').path.dirname(offline_module.__file__) + '/crate/Cargo.lock').read()")
    second = start(HTTPS_PROXY="http://127.0.0.1:9", CARGO_NET_RETRY="0")
    second.rust(cell + " // edited", "-d itoa -m offline_module --offline")
    assert second.value("itoa_text(7)") == "7"
    second.rust(cell + " // edited, nothing said about the network", "-d itoa -m offline_module")
    again = second.value("open(__import__('os').path.dirname(offline_module.__file__) + '/crate/Cargo.lock').read()")
    assert again == lock


def test_pain_9_dependency_traps(kernel: Kernel) -> None:
    """rustimport: a links error nobody understands, a raw TOML exception, dependencies gone in the next session."""
    clash = kernel.rust(SUM, "-d numpy@0.30 --pyo3 0.28", expect="error")
    assert "A module can contain only one PyO3" in clash.text
    assert "numpy" in clash.text
    assert "Traceback" not in clash.text
    toml = kernel.rust("---\n[dependencies]\nserde = = 1\n---\nfn f() {}", expect="error")
    assert toml.ename == "ManifestError"
    assert "line 4 of the cell, column 9" in toml.text
    cell = "#[pyfunction] fn ryu_text(x: f64) -> String { ryu::Buffer::new().format(x).to_string() }"
    kernel.rust(cell, "-d ryu")
    kernel.restart()
    kernel.rust(cell, "-d ryu")
    assert kernel.value("ryu_text(0.5)") == "0.5"


def _store(kernel: Kernel) -> Path:
    from pathlib import Path

    return Path(kernel.value("__import__('os').environ['PYO3MAGIC_STORE']"))
