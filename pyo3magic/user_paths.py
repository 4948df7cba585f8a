"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from .errors import OptionError

__all__ = ["user_path"]


def user_path(text: str) -> Path:
    """Return a path that a user has written, with ``~`` and ``~name`` replaced by the home folder.

    Args:
        text: the path as written.

    Raises:
        OptionError: the path contains a NUL character, or there is no such home folder.
    """
    if "\0" in text:
        raise OptionError(f"The path {text!r} contains a NUL character.", advice="Remove the character.")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        first = Path(text).parts[0]
        raise OptionError(
            f"The path {text} begins with {first}, but no such home folder is known.",
            advice=f"Write the whole path, or ./{text} for a folder of that name.",
        ) from None
