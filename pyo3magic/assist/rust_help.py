"""Help on the name at the cursor in the Rust of a cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .description import Description, describe
from .name_resolution import resolve
from .outline import LiveSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .suggestion import KnownCell

__all__ = ["Help", "help_at"]

_WORD_END = re.compile(r"\w*")
_CALLED = re.compile(r"([^\W\d]\w*)\s*!?\s*\Z")


@dataclass(frozen=True, slots=True)
class Help:
    """An item, and the label of its cell; the label is empty for the cell that is being typed."""

    description: Description
    label: str = ""


def help_at(source: str, offset: int, cells: Sequence[KnownCell] = (), live: LiveSource | None = None) -> Help | None:
    """Return help on the name at a cursor, or on the function whose arguments the cursor is in; None if unknown.

    Args:
        source: the cell's Rust, which may be half-written.
        offset: the cursor's place in it, in characters.
        cells: the cells of the session, the latest last.
        live: keeps the syntax tree between requests.
    """
    live = live or LiveSource()
    end = _WORD_END.match(source, offset)
    places = [end.end() if end is not None else offset]
    if (called := _open_call(source[:offset])) is not None:
        places.append(called)
    for place in places:
        found = _help_before(source, place, cells, live)
        if found is not None:
            return found
    return None


def _help_before(source: str, end: int, cells: Sequence[KnownCell], live: LiveSource) -> Help | None:
    resolved = resolve(source, end, cells, live)
    if resolved is None:
        return None
    if resolved.is_local:
        return Help(Description(f"{resolved.name}: {resolved.type}", "", "", 0)) if resolved.type else None
    for owner in resolved.owners:
        if not resolved.cell and (found := describe(source, resolved.name, owner, live)):
            return Help(found)
        for cell in reversed(cells):
            is_meant = cell.name == resolved.cell if resolved.cell else cell.name is not None
            if is_meant and (found := describe(cell.body, resolved.name, owner)):
                return Help(found, cell.label)
    return None


def _open_call(before: str) -> int | None:
    """Return the end of the name of the innermost call that is open; None if there is none nearby."""
    depth = 0
    for index in range(len(before) - 1, max(len(before) - 2000, -1), -1):
        character = before[index]
        if character in "{};":
            return None
        depth += (character in ")]") - (character in "([")
        if depth < 0:
            called = _CALLED.search(before[:index])
            return called.end(1) if called is not None else None
    return None
