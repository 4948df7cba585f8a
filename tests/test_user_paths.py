"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.user_paths import user_path


def test_home_folders_are_filled_in() -> None:
    assert user_path("a/b") == Path("a/b")
    assert user_path("~/x") == Path.home() / "x"
    assert user_path("a~b") == Path("a~b")


@pytest.mark.parametrize(
    ("text", "said"),
    [("a\0b", "contains a NUL character"), ("~nosuchuser/x", "begins with ~nosuchuser, but no such home")],
)
def test_what_cannot_be_a_path(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        user_path(text)
