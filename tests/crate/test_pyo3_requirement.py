from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyo3magic.crate import PYO3_RANGE, pyo3_features
from pyo3magic.crate.pyo3_requirement import CONVERSIONS

from .conftest import manifest, tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("crate", "feature"), CONVERSIONS.items())
def test_conversions_are_switched_on_by_the_crate(crate: str, feature: str) -> None:
    assert tables("", crate)["dependencies"]["pyo3"] == {"version": PYO3_RANGE, "features": [feature]}


def test_conversions_of_a_renamed_crate_and_other_features() -> None:
    made = tables('[dependencies]\nc = { package = "chrono", version = "0.4" }', pyo3_features=("experimental-async",))
    assert made["dependencies"]["pyo3"]["features"] == ["chrono", "experimental-async"]


def test_pyo3_option() -> None:
    assert tables(pyo3="0.28")["dependencies"]["pyo3"] == "0.28"
    assert tables('[dependencies]\npyo3 = "0.28"', pyo3="0.28")["dependencies"]["pyo3"] == "0.28"


def test_features_are_read_from_a_package(tmp_path: Path) -> None:
    for specs, features in (((), ()), (("chrono",), ("chrono",))):
        (tmp_path / "Cargo.toml").write_text(manifest("", *specs).text)
        assert pyo3_features(tmp_path) == features
