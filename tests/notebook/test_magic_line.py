"""Lines of magics."""

from __future__ import annotations

from typing import Any

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.notebook.magic_line import parse_line, split_line, unquoted
from pyo3magic.notebook.rust_magic import RustMagics


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m geometry", {"module": "geometry", "dep": [], "debug": False}),
        ("-m 'geometry' -d 'numpy' -d \"serde@1+derive\"", {"module": "geometry", "dep": ["numpy", "serde@1+derive"]}),
        ("--file 'my file.rs' --pyo3 '>=0.25, <0.31'", {"file": "my file.rs", "pyo3": ">=0.25, <0.31"}),
        ("--on client['gpu']", {"on": "client['gpu']"}),
        ("--emit asm fib -q", {"emit": ["asm", "fib"], "quiet": True}),
    ],
)
def test_options(line: str, expected: dict[str, Any]) -> None:
    assert vars(parse_line(RustMagics.rust, line)).items() >= expected.items()


@pytest.mark.parametrize(
    ("line", "message", "advice"),
    [
        ("--release", "There is no option '--release'", "optimised already"),
        ("--relase", "There is no option '--relase'", "optimised already"),
        ("--debgu", "There is no option '--debgu'", "Did you mean --debug?"),
        ("-m", "expected one argument", "%rust? lists"),
        ("-m 'open", "No closing quotation", "%rust? lists"),
    ],
)
def test_what_is_wrong(line: str, message: str, advice: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_line(RustMagics.rust, line)
    assert message in caught.value.message
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("text", "expected"),
    [("'a b'", "a b"), ('"a"', "a"), ("''", ""), ("a", "a"), ("'", "'"), ("'a' + 'b'", "'a' + 'b'"), ("'a\"", "'a\"")],
)
def test_quotation_marks(text: str, expected: str) -> None:
    assert unquoted(text) == expected


@pytest.mark.parametrize(
    ("line", "options", "arguments"),
    [
        ("", "", ()),
        ("--bin", "--bin", ()),
        ("--bin --", "--bin", ()),
        ("--bin -- a 'b c' --debug", "--bin", ("a", "b c", "--debug")),
        ("-d 'serde@1 + derive' --bin -- x", "-d 'serde@1 + derive' --bin", ("x",)),
        ("--bin -- a -- b", "--bin", ("a", "--", "b")),
        ("--test norm -- --nocapture", "--test norm", ("--nocapture",)),
    ],
)
def test_what_stands_after_two_dashes(line: str, options: str, arguments: tuple[str, ...]) -> None:
    assert split_line(line) == (options, arguments)


def test_an_open_quotation_is_an_error() -> None:
    with pytest.raises(OptionError, match="cannot be split"):
        split_line("--bin -- 'a")


@pytest.mark.parametrize(
    ("text", "said"), [("a\0b", "a NUL character"), ("a\ud800", r"not valid Unicode \('\\ud800'\)")]
)
@pytest.mark.parametrize("line", ["{}", "-m {}", "--bin -- {}", "-d '{}'"])
def test_characters_that_no_program_takes(line: str, text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        split_line(line.format(text))
