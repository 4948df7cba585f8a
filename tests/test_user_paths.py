"""Paths that users write."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.user_paths import user_path


def test_paths() -> None:
    assert user_path("a b/c.rs", "The file") == Path("a b/c.rs")
    assert user_path(Path("x"), "The file") == Path("x")
    assert user_path("~", "The file") == Path.home()
    assert user_path("caf\udce9.rs", "The file") == Path("caf\udce9.rs"), "a name of bytes that are not UTF-8"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("~nosuchuser", "starts with ~nosuchuser, but this machine has no user of that name"),
        ("~nosuchuser/x.rs", "starts with ~nosuchuser,"),
        ("a\x00b", "has a NUL character"),
        ("a\ud800b", "has a character that is not valid Unicode"),
        ("x" * 300, "is longer than file systems allow"),
        ("x/" * 3000, "is longer than file systems allow"),
    ],
)
def test_what_no_path_can_be(text: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        user_path(text, "The file")
    assert caught.value.message.startswith("The file, '")
    assert said in caught.value.message
    assert caught.value.advice
    assert len(str(caught.value)) < 400
