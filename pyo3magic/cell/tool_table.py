"""Check the table ``[tool.pyo3magic]`` of a cell's front matter, and the setting ``PyO3Magic.metadata``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["METADATA_KEYS", "check_metadata"]

_TEXTS = ("name", "version", "summary", "description", "license", "requires-python")
_LISTS = ("author", "authors", "license-file", "license-files", "classifiers", "dependencies", "keywords")
METADATA_KEYS = (*_TEXTS, *_LISTS, "readme", "urls")
"""All keys of the table."""


def check_metadata(table: Mapping[str, Any], where: str = "The setting PyO3Magic.metadata") -> None:
    """Check the keys of a metadata table and the types of its values; an export checks the values themselves.

    Args:
        table: the table.
        where: the table's name in messages.

    Raises:
        OptionError: a key is unknown (the advice has the closest known key), or a value has the wrong type.
    """
    for key, value in table.items():
        if key not in METADATA_KEYS:
            from difflib import get_close_matches

            near = get_close_matches(key, METADATA_KEYS, n=1)
            raise OptionError(
                f"{where} has an unknown key {key!r}.",
                advice=f"Did you mean {near[0]!r}?" if near else f"The keys are {', '.join(METADATA_KEYS)}.",
            )
        if wanted := _wanted(key, value):
            raise OptionError(f"{where} has {key} = {value!r}.", advice=f"Make it {wanted}.")


def _wanted(key: str, value: Any) -> str:
    """Return the required type of a key's value; empty if the value is right."""
    is_text = isinstance(value, str)
    if key == "urls":
        is_table = isinstance(value, dict) and all(isinstance(item, str) for pair in value.items() for item in pair)
        return "" if is_table else "a table of labels and addresses"
    if key == "readme":
        return "" if is_text or isinstance(value, bool) else "the path of a file"
    if key in _LISTS:
        is_list = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return "" if is_text or is_list else "a list of strings"
    return "" if is_text else "a string"
