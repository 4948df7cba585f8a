"""Texts of what exported projects contain, as data: files beside this module, with ``@{...}`` where values go."""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["license_text", "render"]

_PLACE = re.compile(r"@\{([a-z_]+)\}")


def render(name: str, /, **values: str) -> str:
    """The template of that file name with its ``@{...}`` filled in.

    Raises:
        KeyError: a value is missing.
    """
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return _PLACE.sub(lambda match: values[match[1]], text)


def license_text(identifier: str, holder: str) -> str:
    """The text of a well-known licence (an SPDX identifier), or nothing when there is no template of it."""
    path = files(__name__).joinpath(f"licenses/{identifier}.txt")
    if not path.is_file():
        return ""
    return _PLACE.sub(lambda _: holder, path.read_text(encoding="utf-8"))
