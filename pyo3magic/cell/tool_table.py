"""Check the table ``[tool.pyo3magic]`` of a cell's front matter, and the setting ``PyO3Magic.metadata``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cell import Cell

__all__ = ["METADATA_KEYS", "check_metadata", "check_tool_table"]

_TEXTS = ("name", "version", "summary", "description", "license", "requires-python")
_LISTS = ("author", "authors", "license-file", "license-files", "classifiers", "dependencies", "keywords")
_LONGEST = 60
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

            near = get_close_matches(str(key)[:_LONGEST], METADATA_KEYS, n=1)
            raise OptionError(
                f"{where} has an unknown key {str(key)[:_LONGEST]!r}.",
                advice=f"Did you mean {near[0]!r}?" if near else f"The keys are {', '.join(METADATA_KEYS)}.",
            )
        if wanted := _wanted(key, value):
            raise OptionError(f"{where} has {key} = {_shown(value)}.", advice=f"Make it {wanted}.")


def check_tool_table(cell: Cell) -> None:
    """Check the table ``[tool.pyo3magic]`` of a cell's front matter.

    Raises:
        ManifestError: see `check_metadata`; the message names the line.
    """
    table = cell.front_matter.get("tool", {}).get("pyo3magic", {})
    checked = ""
    try:
        for checked, value in table.items():
            check_metadata({checked: value}, "The table [tool.pyo3magic]")
    except OptionError as error:
        line = cell.line_of("tool", "pyo3magic", checked)
        raise ManifestError(f"Line {line} of the cell: {error.message}", advice=error.advice) from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _wanted(key: str, value: Any) -> str:
    """Return the required type of a key's value; empty if the value is right."""
    from .toml_types import TEXT, TEXTS  # most kernels set no metadata

    is_text = TEXT.fits(value)
    if key == "urls":
        is_table = isinstance(value, dict) and all(TEXT.fits(item) for pair in value.items() for item in pair)
        return "" if is_table else "a table of labels and addresses"
    if key == "readme":
        return "" if is_text or isinstance(value, bool) else "the path of a file"
    if key in _LISTS:
        is_list = TEXTS.fits(list(value) if isinstance(value, tuple) else value)
        return "" if is_text or is_list else "a list of strings"
    return "" if is_text else "a string"
