"""Comments and literals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyo3magic.assist.blank_code import blanked, is_in_text


def test_comments_and_literals_become_spaces() -> None:
    source = "a // b\nc /* d\n e */ f \"g\\\"h\" r#\"i\"j\"# 'k' '\\'' b'l' 'm: n"
    assert blanked(source).split() == ["a", "c", "f", "'m:", "n"]


@pytest.mark.parametrize("source", ["// a", "/* a", '"a', '"a\\"', 'r#"a"', 'r"a', "x /* a *", 'b"a', '"'])
def test_inside_text(source: str) -> None:
    assert is_in_text(source)


@pytest.mark.parametrize(
    "source", ["", "a", "// a\n", "/* a */", '"a"', '"a\\\\"', 'r#"a"#', "'a'", "'a", '"a" b', 'r"a\\"']
)
def test_outside_text(source: str) -> None:
    assert not is_in_text(source)


@given(st.text(st.sampled_from("ab/*\"'\\r#\n"), max_size=40))
def test_places_stay(source: str) -> None:
    result = blanked(source)
    assert len(result) == len(source)
    assert [at for at, c in enumerate(result) if c == "\n"] == [at for at, c in enumerate(source) if c == "\n"]
    is_in_text(source)
