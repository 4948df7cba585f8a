"""What a name at the cursor means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .blank_code import blanked, is_in_text
from .code_position import CodePosition, code_position
from .outline import LiveSource
from .scope import Scope, item_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .suggestion import KnownCell

__all__ = ["Resolved", "resolve"]

_NAME_BEFORE = re.compile(r"(?:r#)?[^\W\d]\w*\Z")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name at the cursor may mean.

    Attributes:
        name: the name.
        owners: the types that it may belong to, the likeliest first; an empty one for an item of a module.
        cell: the name of the cell that the path before it begins with; empty without one.
        is_local: whether it is a local variable.
        type: the type of a local variable as written; empty if unknown.
    """

    name: str
    owners: tuple[str, ...] = ("",)
    cell: str = ""
    is_local: bool = False
    type: str = ""


def resolve(source: str, end: int, cells: Sequence[KnownCell] = (), live: LiveSource | None = None) -> Resolved | None:
    """Return what a name means, from the words before it; None in comments and strings and where there is no name.

    Args:
        source: the cell's Rust.
        end: the end of the name, in characters.
        cells: the cells of the session, the latest last.
        live: what has parsed the source while it was typed.
    """
    item = source[item_start(source, end) : end]
    if is_in_text(item):
        return None
    code = blanked(item)
    found = _NAME_BEFORE.search(code)
    if found is None:
        return None
    place = code_position(code)
    if place.kind in {"attribute", "attribute option", "lifetime"}:
        return None
    scope = Scope((live or LiveSource()).outline(source), cells, code, found[0])
    return _resolved(scope, found[0].removeprefix("r#"), place)


def _resolved(scope: Scope, name: str, place: CodePosition) -> Resolved:
    if place.kind == "member":
        kind = scope.type_of(place.path)
        if kind:
            return Resolved(name, (kind,))
        return Resolved(name, tuple(dict.fromkeys(item.owner for item in scope.all_members() if item.name == name)))
    if place.kind in {"path", "use"} and place.path:
        last = scope.aliased(place.path[-1])
        cell = place.path[0] if place.path[0] in scope.cells else ""
        return Resolved(name, ("",) if place.path[-1] == cell else (last, ""), cell)
    if place.literal:
        return Resolved(name, (scope.aliased(place.literal), ""))
    if name in scope.locals and name != "self":
        return Resolved(name, is_local=True, type=scope.locals[name])
    inside = next((item.owner for item in scope.names if item.name == name and item.owner == scope.owner), "")
    meant = scope.owner if name in {"Self", "self"} and scope.owner else name
    return Resolved(meant, ("", inside) if inside else ("",))
