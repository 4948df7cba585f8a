"""Paths that a user writes: in options, settings, variables and front matter."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import OptionError

__all__ = ["user_path"]


def user_path(text: str | os.PathLike[str], what: str) -> Path:
    """Return a path as the system takes it, with ``~`` and ``~user`` replaced; it need not exist.

    Args:
        text: the path as written.
        what: what it is, for messages: "The path of --file".

    Raises:
        OptionError: no file can have this path.
    """
    written = os.fspath(text)
    problem, advice = "", "Correct the path."
    if "\x00" in written:
        problem = "has a NUL character, which no path can have"
    try:
        os.fsencode(written)
    except UnicodeEncodeError:
        problem, advice = "has a character that is not valid Unicode", "Type the path again."
    if problem:
        raise OptionError(f"{what}, {_shown(written)}, {problem}.", advice=advice)
    try:
        path = Path(written).expanduser()
    except RuntimeError:
        user = written.partition("/")[0]
        raise OptionError(
            f"{what}, {_shown(written)}, starts with {user}, but this machine has no user of that name.",
            advice=f"Correct the user's name, or write ./{user} for a file with that name.",
        ) from None
    longest = 255
    if any(len(os.fsencode(part)) > longest for part in path.parts) or len(os.fsencode(path)) > 4000:  # noqa: PLR2004
        raise OptionError(
            f"{what}, {_shown(written)}, is longer than file systems allow.",
            advice="Shorten it; a name has at most 255 bytes.",
        )
    return path


def _shown(text: str) -> str:
    longest = 80
    return ascii(text) if len(text) <= longest else f"{text[:longest]!a}..."
