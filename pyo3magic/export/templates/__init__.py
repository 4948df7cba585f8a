"""Templates for the files of exported projects: texts next to this module, with ``@{...}`` for values."""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["license_text", "render"]

_PLACE = re.compile(r"@\{([a-z_]+)\}")


def render(name: str, /, **values: str) -> str:
    """A template with its ``@{...}`` replaced by values.

    Args:
        name: the template's file name.
        values: by name, the text for each ``@{...}``.

    Raises:
        KeyError: a value is missing.
    """
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return _PLACE.sub(lambda match: values[match[1]], text)


def license_text(identifier: str, holder: str) -> str:
    """The text of a licence.

    Args:
        identifier: SPDX identifier.
        holder: the copyright holder.

    Returns:
        The text; empty if there is no template for the licence.
    """
    path = files(__name__).joinpath(f"licenses/{identifier}.txt")
    if not path.is_file():
        return ""
    return _PLACE.sub(lambda _: holder, path.read_text(encoding="utf-8"))
