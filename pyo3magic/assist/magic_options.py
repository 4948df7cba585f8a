"""Options of a magic and their values, at the cursor in its line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .suggestion import Suggestion, Suggestions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["MagicOption", "complete_line", "paths_beginning"]

_MOST = 200


@dataclass(frozen=True, slots=True)
class MagicOption:
    """An option or an argument of a magic, as its parser declares it.

    Attributes:
        flags: its spellings, ``-m`` and ``--module``; empty for an argument without a flag.
        name: the attribute of the parsed line.
        metavar: what its help calls the value, ``NAME``.
        values: how many values follow: ``0``, ``1``, ``?``, ``+`` or ``*``.
        repeats: whether it may be given again.
    """

    flags: tuple[str, ...]
    name: str
    metavar: str = ""
    values: str = "1"
    repeats: bool = False


def complete_line(
    line: str, options: Sequence[MagicOption], values: Callable[[MagicOption, tuple[str, ...], str], Iterable[str]]
) -> Suggestions:
    """Return what may stand at the end of a magic's line.

    Args:
        line: the text after the magic's name, up to the cursor.
        options: what the magic accepts.
        values: returns the values of an option, from the option, the values already given to it, and the beginning of
            the value; only those with this beginning are suggested.
    """
    words, fragment = _words(line)
    if "--" in words:
        return Suggestions(fragment)
    by_flag = {flag: option for option in options for flag in option.flags}
    flag, equals, rest = fragment.partition("=")
    if equals and flag in by_flag:
        return _values(by_flag[flag], (), rest, values)
    current, given = _open_option(words, by_flag)
    if not fragment.startswith("-"):
        if current is not None:
            found = _values(current, given, fragment, values)
            if current.values == "1" or found.items:
                return found
        for option in (option for option in options if not option.flags):
            found = _values(option, (), fragment, values)
            if found.items:
                return found
    elif current is not None and current.values == "1":
        return Suggestions(fragment)
    used = {by_flag[word.partition("=")[0]].name for word in words if word.partition("=")[0] in by_flag}
    free = [flag for option in options if option.repeats or option.name not in used for flag in option.flags]
    free.sort(key=lambda flag: (not flag.startswith("--"), flag))
    return Suggestions.matching(fragment, ("option", free))


def _open_option(words: list[str], by_flag: dict[str, MagicOption]) -> tuple[MagicOption | None, tuple[str, ...]]:
    """Return the option whose value the next word may be, and the values that it has."""
    given: list[str] = []
    for word in reversed(words):
        if (option := by_flag.get(word)) is not None:
            is_open = option.values in {"+", "*"} or (option.values in {"1", "?"} and not given)
            return (option, tuple(reversed(given))) if is_open else (None, ())
        if word.startswith("-"):
            return None, ()
        given.append(word)
    return None, ()


def _values(
    option: MagicOption,
    given: tuple[str, ...],
    fragment: str,
    values: Callable[[MagicOption, tuple[str, ...], str], Iterable[str]],
) -> Suggestions:
    quote = fragment[:1] if fragment[:1] in {"'", '"'} else ""
    beginning = fragment[len(quote) :]
    found = [value for value in values(option, given, beginning) if value.startswith(beginning)]
    return Suggestions(beginning, tuple(Suggestion(value, "value") for value in found[:_MOST]))


def _words(line: str) -> tuple[list[str], str]:
    """Return the words before the last one, and the last one with the quotation mark it begins with."""
    words, word, quote = [], "", ""
    for character in line:
        if character.isspace() and not quote:
            if word:
                words.append(word)
            word = ""
            continue
        if character in {"'", '"'} and quote in {"", character} and (quote or not word or word.endswith("=")):
            quote = "" if quote else character
        word += character
    return words, word


def paths_beginning(beginning: str, *, folders_only: bool = False) -> list[str]:
    """Return the paths that begin with a text, folders with ``/`` at the end; empty if the folder cannot be read.

    Args:
        beginning: what was typed; ``~`` is the user's home.
        folders_only: leave out files.
    """
    folder, name = os.path.split(beginning)
    found = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:  # noqa: PTH111 - a text stays as typed
            for entry in entries:
                is_hidden = entry.name.startswith(".") and not name.startswith(".")
                if entry.name.startswith(name) and not is_hidden:
                    is_folder = entry.is_dir()
                    if is_folder or not folders_only:
                        path = f"{folder.rstrip('/')}/{entry.name}" if folder else entry.name
                        found.append(f"{path}/" if is_folder else path)
    except OSError:
        return []
    return sorted(found)
