"""TOML that users write: valid, wrong, deep and huge."""

from __future__ import annotations

import time

import pytest

from pyo3magic.toml_reader import LONGEST, TomlError, read_toml


def test_what_is_valid_is_read() -> None:
    assert read_toml('[a]\r\nb = "c"\r\n') == {"a": {"b": "c"}}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a = = 1", 1, "Invalid value"),
        ("\n\na = [", 3, ""),
        ('a = "b\n', 1, "a string does not end on its line"),
        ("a = " + "9" * 5000, 0, "a number is too long"),
        ("a = " + "[" * 100_000, 0, "more than 50 levels deep"),
        ("a = " + "[" * 60 + "]" * 60, 0, "more than 50 levels deep"),
        ("\n" + ".".join("a" * 2000) + " = 1", 2, "more than 1000 dots"),
        (".".join("a" * 60) + " = 1", 0, "more than 50 levels deep"),
        ("#" * (LONGEST + 1), 0, "256001 characters"),
    ],
)
def test_what_is_wrong_has_a_reason_and_a_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(TomlError) as caught:
        read_toml(text)
    assert caught.value.line == line
    assert reason in caught.value.reason


def test_the_worst_text_is_refused_or_read_soon() -> None:
    line = ".".join("a" * 1000) + " = 1\n"
    started = time.process_time()
    with pytest.raises(TomlError):
        read_toml(line * (LONGEST // len(line)))
    assert time.process_time() - started < 60
