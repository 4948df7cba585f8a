"""What is known at the cursor in Rust: names of the cell and of other cells, local variables, and types."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from .local_names import local_names
from .outline import Declared, outline_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .suggestion import KnownCell

__all__ = ["Scope", "item_start"]

_ITEM = re.compile(
    r"^(?:pub\b|fn |unsafe |async |impl\b|struct |enum |trait |mod |use |const |static |type |#!?\[)", re.MULTILINE
)
_IMPL = re.compile(r"\bimpl\b([^{};]{0,500})\{")
_ARGUMENTS = re.compile(r"<[^<>]*>")
_MODULE = re.compile(r"(?:\s*#\[[^\]]*\])*\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*\{")
_WRAPPER = re.compile(r"(?:PyRef|PyRefMut|Py|Bound|Borrowed|Box|Rc|Arc|PyResult|Result|Option)<(?:'\w+,\s*)?(.*)>")
_SAME_TYPE = frozenset(
    f"{name}()" for name in ("as_mut", "as_ref", "borrow", "borrow_mut", "clone", "expect", "get", "unwrap")
)
"""Methods whose results complete as their receivers do: wrappers such as ``PyRef`` and ``Option`` are left out."""
_LONGEST = 20_000
"""Characters of an item that are read before the cursor, which bounds the time for text that is not Rust."""
_FOREIGN = "?"
"""A type that no cell declares."""


def item_start(source: str, offset: int) -> int:
    """Return where the item around the cursor begins: at the last unindented line that begins one.

    Args:
        source: the cell's Rust.
        offset: the cursor's place in it, in characters.
    """
    start = max(offset - _LONGEST, 0)
    for found in _ITEM.finditer(source, start, offset):
        start = found.start()
    return start


def _implemented(header: str) -> str:
    """Return the type that an ``impl`` is for, from what stands between ``impl`` and the brace."""
    while (shorter := _ARGUMENTS.sub("", header)) != header:
        header = shorter
    names = re.findall(r"\w+", header.partition(" where ")[0].rpartition(" for ")[2])
    return names[-1] if names else ""


class Scope:
    """What is known at the cursor.

    Args:
        names: the names that the cell declares.
        cells: the cells of the session, the latest last.
        code: the source from the beginning of an item to the cursor, without comments and strings.
        fragment: the beginning of the name at the cursor.

    Attributes:
        names: the names that the cell declares.
        cells: the names that each named cell declares.
        code: the code.
        owner: the type whose ``impl`` the cursor is in; empty elsewhere.
        module: the module that the cursor is in; empty at the top.
        locals: the local variables, with their types where written.
    """

    def __init__(self, names: tuple[Declared, ...], cells: Sequence[KnownCell], code: str, fragment: str) -> None:
        self.names = names
        self.cells = {cell.name: outline_of(cell.body) for cell in cells if cell.name}
        self.code = code
        headers = _IMPL.findall(code)
        self.owner = _implemented(headers[-1]) if headers else ""
        self.locals = local_names(code[: len(code) - len(fragment)])
        inside = _MODULE.match(code)
        self.module = inside[1] if inside else ""

    def all_members(self) -> list[Declared]:
        """Return the members of all types, of this cell and of named cells."""
        others = [item for names in self.cells.values() for item in names if item.is_public]
        return [item for item in (*self.names, *others) if item.owner]

    def of_type(self, kind: str) -> list[Declared]:
        """Return what belongs to a type or trait, of this cell or of a cell that it may use."""
        own = [item for item in self.names if item.owner == kind]
        if own or any(item.name == kind and not item.owner and item.kind != "import" for item in self.names):
            return own
        return [
            item
            for names in self.cells.values()
            for item in names
            if item.owner == kind and (item.is_public or item.kind == "variant")
        ]

    def fields_of(self, kind: str) -> list[str]:
        """Return the names of a struct's fields."""
        return [item.name for item in self.of_type(kind) if item.kind == "field"]

    def type_of(self, receiver: tuple[str, ...]) -> str:
        """Return the name of a receiver's type; empty if unknown.

        Args:
            receiver: the names that lead to it, as `CodePosition.path` has them.
        """
        path = [*takewhile(lambda name: name.endswith("::"), receiver)]
        names = receiver[len(path) :]
        if not names:
            return ""
        first = names[0]
        if path:
            owner = self.aliased(path[-1].removesuffix("::"))
            kind = self._plain(self._returned(owner, first.removesuffix("()")), owner)
        elif first.endswith("()"):
            kind = self._plain(self._returned("", first.removesuffix("()")), "")
        elif first == "self":
            kind = self.owner
        else:
            kind = self._plain(self.locals.get(first, ""), self.owner)
        for name in names[1:]:
            if not kind:
                return ""
            if name not in _SAME_TYPE:
                kind = self._plain(self._returned(kind, name.removesuffix("()")), kind) or _FOREIGN
        return kind

    def _returned(self, owner: str, name: str) -> str:
        candidates = self.of_type(owner) if owner else [item for item in self.names if not item.owner]
        return next((item.type for item in candidates if item.name == name), "")

    def _plain(self, written: str, owner: str) -> str:
        """Return the name of a type as written: without references, paths, wrappers and arguments."""
        kind = re.sub(r"&\s*(?:'\w+\s+)?(?:mut\s+)?|\bdyn\s+|\bimpl\s+", "", written).strip()
        while wrapped := _WRAPPER.fullmatch(kind):
            kind = wrapped[1].partition(",")[0].strip()
        kind = kind.partition("<")[0].rpartition("::")[2].strip()
        return self.aliased(kind) if kind != "Self" else owner

    def aliased(self, name: str) -> str:
        """Return the type that a name stands for: ``Self``, a ``type``, or a ``use ... as``."""
        if name == "Self":
            return self.owner
        found = next((item for item in self.names if item.name == name and item.kind in {"type", "import"}), None)
        if found is None or not found.type:
            return name
        return found.type.partition("<")[0].rpartition("::")[2].strip()
