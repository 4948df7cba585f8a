"""Options of magics at the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyo3magic.assist.magic_options import MagicOption, complete_line, paths_beginning

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (
    MagicOption(("-m", "--module"), "module", "NAME"),
    MagicOption(("-d", "--dep"), "dep", "SPEC", repeats=True),
    MagicOption(("--debug",), "debug", values="0"),
    MagicOption(("--emit",), "emit", "KIND", values="+"),
    MagicOption(("--test",), "test", "FILTER", values="?"),
    MagicOption((), "modules", "MODULE", values="*"),
)
VALUES = {
    "module": ("geometry",),
    "dep": ("serde", "serde_json", "numpy"),
    "test": ("is_right",),
    "modules": ("geometry", "other"),
}


def values(option: MagicOption, given: tuple[str, ...], _beginning: str) -> tuple[str, ...]:
    if option.name == "emit":
        return ("area",) if given else ("asm", "mir")
    return VALUES.get(option.name, ())


@pytest.mark.parametrize(
    ("line", "fragment", "expected"),
    [
        (" --de", "--de", ["--debug", "--dep"]),
        (" -", "-", ["--debug", "--dep", "--emit", "--module", "--test", "-d", "-m"]),
        (" -m geometry --debug -", "-", ["--dep", "--emit", "--test", "-d"]),
        (" -d numpy --de", "--de", ["--debug", "--dep"]),
        (" -d ser", "ser", ["serde", "serde_json"]),
        (" --dep=ser", "ser", ["serde", "serde_json"]),
        (" -d 'ser", "ser", ["serde", "serde_json"]),
        (" -m ", "", ["geometry"]),
        (" --emit ", "", ["asm", "mir"]),
        (" --emit asm ", "", ["area"]),
        (" --test ", "", ["is_right"]),
        (" --test is_right ot", "ot", ["other"]),
        (" ge", "ge", ["geometry"]),
        (" --debug oth", "oth", ["other"]),
        (" -m -", "-", []),
        (" --bin -- --de", "--de", []),
        (" --unknown ", "", ["geometry", "other"]),
    ],
)
def test_options_and_values(line: str, fragment: str, expected: list[str]) -> None:
    found = complete_line(line, OPTIONS, values)
    assert found.fragment == fragment
    assert [item.text for item in found.items] == expected


def test_without_arguments_the_options_follow() -> None:
    found = complete_line(" --debug ", OPTIONS[:3], values)
    assert [item.text for item in found.items] == ["--dep", "--module", "-d", "-m"]


@given(st.text(st.sampled_from("-dme='\" abc=/\\"), max_size=30))
def test_any_line_has_an_answer(line: str) -> None:
    assert line.endswith(complete_line(line, OPTIONS, values).fragment)


def test_paths(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.rs").write_text("")
    (tmp_path / ".hidden").write_text("")
    assert paths_beginning(f"{tmp_path}/f") == [f"{tmp_path}/file.rs", f"{tmp_path}/folder/"]
    assert paths_beginning(f"{tmp_path}/", folders_only=True) == [f"{tmp_path}/folder/"]
    assert paths_beginning(f"{tmp_path}/.h") == [f"{tmp_path}/.hidden"]
    assert paths_beginning(f"{tmp_path}/missing/x") == []
