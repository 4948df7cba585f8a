"""Keys of front matter at the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyo3magic.assist.manifest_keys import complete_manifest

CRATES = {"serde": ("1.0.2", "1.0.1"), "serde_json": (), "numpy": ("0.25.0",)}


@pytest.mark.parametrize(
    ("text", "fragment", "expected"),
    [
        ("[depen", "depen", ["dependencies"]),
        ("[[pack", "pack", ["package"]),
        ("[tool.py", "tool.py", ["tool.pyo3magic"]),
        ("[package]\nedi", "edi", ["edition"]),
        ("[package]\nname = 'x'\nvers", "vers", ["version"]),
        ('[package]\nedition = "202', "202", ["2021", "2024"]),
        ("[package]\nedition = ", "", ['"2015"', '"2018"', '"2021"', '"2024"']),
        ("[dependencies]\nser", "ser", ["serde", "serde_json"]),
        ("[target.'cfg(unix)'.dependencies]\nnum", "num", ["numpy"]),
        ('[dependencies]\nserde = "', "", ["1.0.2", "1.0.1"]),
        ("[dependencies]\nserde = { feat", "feat", ["features"]),
        ('[dependencies]\nserde = { version = "1", default', "default", ["default-features"]),
        ('[dependencies]\nserde = { features = ["a", "b"], opt', "opt", ["optional"]),
        ("[dependencies]\nserde = { optional = t", "t", ["true"]),
        ('[dependencies]\nserde = { version = "', "", ["1.0.2", "1.0.1"]),
        ("[dependencies.serde]\nver", "ver", ["version"]),
        ("[dependencies]\nserde.feat", "feat", ["features"]),
        ("[lib]\ncrate-t", "crate-t", ["crate-type"]),
        ("# [pack", "", []),
        ("[unknown]\nx", "x", []),
    ],
)
def test_keys_crates_and_values(text: str, fragment: str, expected: list[str]) -> None:
    found = complete_manifest(text, CRATES)
    assert found.fragment == fragment
    assert [item.text for item in found.items] == expected


@given(st.text(st.sampled_from("[]{}='\".,# \nabcdependencies"), max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    assert text.endswith(complete_manifest(text, CRATES).fragment)
