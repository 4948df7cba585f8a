"""Lines of magics."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyo3magic.cell import parse_cell
from pyo3magic.crate.existing_rust import bring
from pyo3magic.errors import OptionError, PyO3MagicError
from pyo3magic.notebook.magic_line import parse_line, split_line, unquoted
from pyo3magic.notebook.rust_magic import RustMagics, _parsed, make_options
from pyo3magic.session.load import check_free
from pyo3magic.user_paths import user_path


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
        ("--file=--", "--file=-- gives no value", "./--"),
        ("-m--", "-m-- gives no value", "./--"),
        ("--file='--' -q", "gives no value", "./--"),
        ("-m a\x00b", "has a NUL character", "Type that word again"),
        ("--file caf\ud800", "a character that is not valid Unicode", "Type that word again"),
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


_WORDS = st.sampled_from(
    [
        *(option for action in RustMagics.rust.parser._actions for option in action.option_strings),
        *("--", "-", "'", '"', "=", "--file=--", "-m=", "\\", "$x", "{x}", "~nosuchuser", "\x00", "\ud800", "a", ""),
    ]
)
_LINES = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=[]), max_size=60),
    st.lists(st.one_of(_WORDS, st.text(max_size=8)), max_size=6).map(" ".join),
    st.lists(_WORDS, max_size=4).map("".join),
)


def _failure(line: str, folder: str) -> PyO3MagicError | None:
    """The error that a line ends with, if any, on the way to the cell; any other error than this package's goes on."""
    try:
        arguments, _ = _parsed(line)
        options = make_options(arguments)
        if options.module:
            check_free(options.module)
        user_path(arguments.python, "The Python to build for")
        body = None if arguments.file or arguments.crate else "fn f() {}"
        brought = bring(
            options,
            body,
            label="In[1]",
            file=arguments.file,
            crate=arguments.crate,
            write=folder + "/x.rs" if arguments.write else None,
        )
        if brought.options.crate is None:
            parse_cell(brought.options, brought.body)
    except PyO3MagicError as error:
        return error
    return None


@settings(max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(_LINES)
def test_any_line_is_options_or_an_error_with_advice(line: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if error := _failure(line, folder):
            assert error.message.endswith((".", "?")), error.message
            assert error.advice, error.message
