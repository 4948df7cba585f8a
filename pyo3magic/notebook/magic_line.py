"""Parses a magic's line by IPython's parser; mistakes become errors of this package, with a suggestion."""

from __future__ import annotations

import contextlib
import re
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser, parse_argstring, real_name
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    import argparse

__all__ = ["check_line", "parse_line", "split_line", "unquoted"]

_DASHES = re.compile(r"""--[-\w]+=(["']?)--\1|-[a-zA-Z]+=?--""")
"""An option whose value argparse drops, because it takes that for the end of the options."""


def parse_line(magic: Any, line: str) -> argparse.Namespace:
    """Parse a magic's line.

    Args:
        magic: the magic, a function with IPython's ``magic_arguments``.
        line: the text after the magic's name.

    Raises:
        OptionError: the magic does not accept the line.
    """
    parser: MagicArgumentParser = magic.parser
    name = real_name(magic)
    check_line(line)
    if empty := next((word for word in line.split() if _DASHES.fullmatch(word)), None):
        raise OptionError(
            f"{empty} gives no value: -- alone ends the options.",
            advice="Write ./-- for a file or folder of that name.",
        )
    try:
        parsed: argparse.Namespace = parse_argstring(magic, line)
    except (UsageError, ValueError) as error:
        with contextlib.suppress(ValueError):
            if unknown := _unknown(parser, shlex.split(line)):
                option, hint = unknown
                raise OptionError(
                    f"There is no option {option!r}.", advice=f"{hint}%{name}? lists the options."
                ) from None
        raise OptionError(f"{str(error).strip().rstrip('.')}.", advice=f"%{name}? lists the options.") from None
    for option, value in vars(parsed).items():
        if isinstance(value, str):
            setattr(parsed, option, unquoted(value))
        elif isinstance(value, list):
            setattr(parsed, option, [unquoted(item) for item in value])
    return parsed


def check_line(line: str) -> None:
    """Raise OptionError if a magic's line has a character that no file, program or option can have."""
    try:
        line.encode()
    except UnicodeEncodeError as error:
        what = f"a character that is not valid Unicode ({line[error.start]!a})"
    else:
        if "\x00" not in line:
            return
        what = "a NUL character"
    raise OptionError(f"The magic's line has {what}.", advice="Type that word again.")


def unquoted(text: str) -> str:
    """A word without the quotation marks around it, which IPython leaves in place (``--file 'a b.rs'``)."""
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]
    return text[1:-1] if is_quoted else text


def _unknown(parser: argparse.ArgumentParser, words: list[str]) -> tuple[str, str] | None:
    """The first unknown option, and the nearest known one in a sentence."""
    from difflib import get_close_matches

    known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
    for word in words:
        option = word.split("=", 1)[0]
        if option.startswith("-") and option not in known:
            close = get_close_matches(option, [*known, "--release"], n=1)
            if close == ["--release"]:
                return option, "Cells are optimised already, unless --debug is given. "
            return option, f"Did you mean {close[0]}? " if close else ""
    return None


def split_line(line: str) -> tuple[str, tuple[str, ...]]:
    """The text before ``--`` on a magic's line, and the arguments after it, split as a shell would split them.

    Raises:
        OptionError: a quotation mark after ``--`` is not closed.
    """
    check_line(line)
    if "--" not in line.split():
        return line, ()
    words: list[str] = arg_split(line, strict=False)
    at = words.index("--") if "--" in words else len(words)
    try:
        return " ".join(words[:at]), tuple(shlex.split(" ".join(words[at + 1 :])))
    except ValueError as error:
        raise OptionError(f"The arguments after -- cannot be split: {error}.", advice="Close the quotation.") from None
