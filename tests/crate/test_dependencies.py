from __future__ import annotations

import pytest

from pyo3magic.crate import PYO3_RANGE

from .conftest import tables


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


def test_a_converted_crate_without_a_version_is_the_one_pyo3_converts() -> None:
    assert tables("", "num-bigint")["dependencies"]["num-bigint"] == "0.4"
    assert tables("", "num-bigint@0.5")["dependencies"]["num-bigint"] == "0.5"
