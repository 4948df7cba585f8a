"""Suggestions in the Rust of a cell: names of the cell and of the session's cells, and the words that Rust has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from .blank_code import blanked, is_in_text
from .code_position import CodePosition, code_position
from .local_names import local_names
from .outline import Declared, LiveSource, outline_of
from .rust_words import (
    ATTRIBUTE_OPTIONS,
    ATTRIBUTES,
    CRATES,
    KEYWORDS,
    MACROS,
    METHOD_ATTRIBUTES,
    PATHS,
    PRELUDE,
    PYO3_PRELUDE,
)
from .suggestion import KnownCell, Suggestions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Resolved", "RustCompleter", "resolve"]

_Group = tuple[str, list[str]]
_ITEM = re.compile(
    r"^(?:pub\b|fn |unsafe |async |impl\b|struct |enum |trait |mod |use |const |static |type |#!?\[)", re.MULTILINE
)
_IMPL = re.compile(r"\bimpl\b(?:\s*<[^{;]*?>)?\s+(?:[^{;]*?\bfor\s+)?&?((?:\w+::)*)(\w+)[^{;]*\{")
_MODULE = re.compile(r"(?:\s*#\[[^\]]*\])*\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*\{")
_WRAPPER = re.compile(r"(?:PyRef|PyRefMut|Py|Bound|Borrowed|Box|Rc|Arc|PyResult|Result|Option)<(?:'\w+,\s*)?(.*)>")
_NAME_BEFORE = re.compile(r"(?:r#)?[^\W\d]\w*\Z")
_KINDS = {"variant": "enum member", "import": "module"}
_SAME_TYPE = frozenset(
    f"{name}()" for name in ("as_mut", "as_ref", "borrow", "borrow_mut", "clone", "expect", "get", "unwrap")
)
"""Methods whose results complete as their receivers do: wrappers such as ``PyRef`` and ``Option`` are left out."""
_FOREIGN = "?"
"""A type that no cell declares."""
_ROOTS = frozenset({"crate", "self", "super"})


class RustCompleter:
    """Completes Rust while it is typed; it keeps the syntax tree of the last text, so a key stroke costs little."""

    def __init__(self) -> None:
        self._live = LiveSource()

    def complete(
        self, source: str, offset: int, cells: Sequence[KnownCell] = (), crates: Iterable[str] = ()
    ) -> Suggestions:
        """Return what may stand at the cursor.

        Args:
            source: the cell's Rust, which may be half-written.
            offset: the cursor's place in it, in characters.
            cells: the cells of the session, the latest last.
            crates: names of the crates that the cell depends on.
        """
        item = source[_item_start(source, offset) : offset]
        if is_in_text(item):
            return Suggestions("")
        code = blanked(item)
        place = code_position(code)
        if place.kind == "nothing":
            return Suggestions(place.fragment)
        scope = _Scope(self._live.outline(_marked(source, offset, place)), cells, tuple(crates), code, place.fragment)
        return Suggestions.matching(place.fragment, *scope.suggest(place))


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
    item = source[_item_start(source, end) : end]
    if is_in_text(item):
        return None
    code = blanked(item)
    found = _NAME_BEFORE.search(code)
    if found is None:
        return None
    place = code_position(code)
    if place.kind in {"attribute", "attribute option", "lifetime"}:
        return None
    scope = _Scope((live or LiveSource()).outline(source), cells, (), code, found[0])
    return scope.resolved(found[0].removeprefix("r#"), place)


def _marked(source: str, offset: int, place: CodePosition) -> str:
    """Return the source with a name at the cursor where one is missing, which keeps the syntax around it whole."""
    is_needed = place.kind in {"member", "path"} and not place.fragment
    return f"{source[:offset]}_{source[offset:]}" if is_needed else source


def _item_start(source: str, offset: int) -> int:
    """Return where the item around the cursor begins: at the last unindented line that begins one."""
    start = 0
    for found in _ITEM.finditer(source, 0, offset):
        start = found.start()
    return start


class _Scope:
    # What is known at the cursor.

    def __init__(
        self, names: tuple[Declared, ...], cells: Sequence[KnownCell], crates: tuple[str, ...], code: str, fragment: str
    ) -> None:
        self.names = names
        self.cells = {cell.name: outline_of(cell.body) for cell in cells if cell.name}
        self.crates = crates
        self.code = code
        self.fragment = fragment
        owners = _IMPL.findall(code)
        self.owner = owners[-1][1] if owners else ""
        self.locals = local_names(code[: len(code) - len(fragment)])
        inside = _MODULE.match(code)
        self.module = inside[1] if inside else ""

    def suggest(self, place: CodePosition) -> Iterator[_Group]:
        if place.kind == "member":
            yield from self._members(place.path)
        elif place.kind == "path":
            yield from self._after(place.path)
        elif place.kind == "use":
            yield from self._after(place.path) if place.path else self._roots()
        elif place.kind == "attribute":
            yield "attribute", [*(METHOD_ATTRIBUTES if self.owner else ()), *ATTRIBUTES]
        elif place.kind == "attribute option":
            yield "option", list(ATTRIBUTE_OPTIONS.get(place.path[0], ()))
        elif place.kind == "lifetime":
            written = re.findall(r"'([^\W\d]\w*)\b(?!')", self.code[: len(self.code) - len(self.fragment)])
            yield "lifetime", [*written, "static", "_"]
        elif place.kind == "let":
            yield "keyword", ["mut"]
            yield from self._declared(kinds={"struct", "enum", "enum member"})
        else:
            yield from self._anything(place)

    def resolved(self, name: str, place: CodePosition) -> Resolved:
        if place.kind == "member":
            kind = self._type_of(place.path)
            if kind:
                return Resolved(name, (kind,))
            return Resolved(name, tuple(dict.fromkeys(item.owner for item in self._all_members() if item.name == name)))
        if place.kind in {"path", "use"} and place.path:
            last = self._aliased(place.path[-1])
            cell = place.path[0] if place.path[0] in self.cells else ""
            return Resolved(name, ("",) if place.path[-1] == cell else (last, ""), cell)
        if place.literal:
            return Resolved(name, (self._aliased(place.literal), ""))
        if name in self.locals and name != "self":
            return Resolved(name, is_local=True, type=self.locals[name])
        inside = next((item.owner for item in self.names if item.name == name and item.owner == self.owner), "")
        meant = self.owner if name in {"Self", "self"} and self.owner else name
        return Resolved(meant, ("", inside) if inside else ("",))

    def _anything(self, place: CodePosition) -> Iterator[_Group]:
        if place.literal:
            yield "field", self._fields(self._aliased(place.literal))
        yield "variable", list(reversed(self.locals))
        yield from self._declared()
        yield "keyword", list(KEYWORDS)
        for table in (PRELUDE, PYO3_PRELUDE):
            for kind, words in table.items():
                yield kind, list(words)
        yield "macro", list(MACROS)
        yield from self._roots()

    def _declared(self, kinds: set[str] | None = None) -> Iterator[_Group]:
        for item in self.names:
            if not item.owner and item.module in {"", self.module}:
                kind = _KINDS.get(item.kind, item.kind)
                if kinds is None or kind in kinds:
                    yield kind, [_written(item)]

    def _roots(self) -> Iterator[_Group]:
        yield "module", [*self.cells, *self.crates]
        yield "module", [item.name for item in self.names if item.kind == "module" and not item.module]
        yield "module", list(CRATES)

    def _members(self, receiver: tuple[str, ...]) -> Iterator[_Group]:
        kind = self._type_of(receiver)
        known = self._of_type(kind) if kind else ()
        if kind and not known:
            return  # a type of a crate or of the standard library, whose members are not known here
        for item in known or self._all_members():
            if item.kind == "field" or item.takes_self:
                yield ("field" if item.kind == "field" else "method"), [item.name]

    def _all_members(self) -> list[Declared]:
        others = [item for names in self.cells.values() for item in names if item.is_public]
        return [item for item in (*self.names, *others) if item.owner]

    def _of_type(self, kind: str) -> list[Declared]:
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

    def _fields(self, kind: str) -> list[str]:
        return [item.name for item in self._of_type(kind) if item.kind == "field"]

    def _type_of(self, receiver: tuple[str, ...]) -> str:
        """Return the name of a receiver's type; empty if unknown."""
        path = [*takewhile(lambda name: name.endswith("::"), receiver)]
        names = receiver[len(path) :]
        if not names:
            return ""
        first = names[0]
        if path:
            owner = self._aliased(path[-1].removesuffix("::"))
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
        candidates = self._of_type(owner) if owner else [item for item in self.names if not item.owner]
        return next((item.type for item in candidates if item.name == name), "")

    def _plain(self, written: str, owner: str) -> str:
        """Return the name of a type as written: without references, paths, wrappers and arguments."""
        kind = re.sub(r"&\s*(?:'\w+\s+)?(?:mut\s+)?|\bdyn\s+|\bimpl\s+", "", written).strip()
        while wrapped := _WRAPPER.fullmatch(kind):
            kind = wrapped[1].partition(",")[0].strip()
        kind = kind.partition("<")[0].rpartition("::")[2].strip()
        return self._aliased(kind) if kind != "Self" else owner

    def _aliased(self, name: str) -> str:
        """Return the type that a name stands for: ``Self``, a ``type``, or a ``use ... as``."""
        if name == "Self":
            return self.owner
        found = next((item for item in self.names if item.name == name and item.kind in {"type", "import"}), None)
        if found is None or not found.type:
            return name
        return found.type.partition("<")[0].rpartition("::")[2].strip()

    def _after(self, path: tuple[str, ...]) -> Iterator[_Group]:
        """Yield what follows a path and ``::``."""
        if len(path) == 1 and path[0] in self.cells:
            yield from self._exported(self.cells[path[0]], "")
            return
        if path[0] in self.cells:
            yield from self._exported(self.cells[path[0]], "::".join(path[1:]))
            yield from self._associated(path[-1], is_foreign=True)
            return
        modules = [segment for segment in path if segment not in _ROOTS]
        module = "::".join(modules)
        if not modules or any(item.module == module for item in self.names):
            for item in self.names:
                if item.module == module and not item.owner and item.kind != "import":
                    yield _KINDS.get(item.kind, item.kind), [_written(item)]
            if modules:
                return
        joined = "::".join(path).replace("core::", "std::", 1)
        imported = next((item.type for item in self.names if item.kind == "import" and item.name == path[0]), "")
        for known in (joined, "::".join((imported, *path[1:])) if imported else "", path[-1]):
            for kind, words in PATHS.get(known, {}).items():
                yield kind, list(words)
        yield from self._associated(path[-1])

    def _associated(self, name: str, *, is_foreign: bool = False) -> Iterator[_Group]:
        for item in self._of_type(self._aliased(name)):
            if item.kind != "field" and (item.is_public or not is_foreign or item.kind == "variant"):
                yield ("method" if item.takes_self else _KINDS.get(item.kind, item.kind)), [item.name]

    @staticmethod
    def _exported(names: tuple[Declared, ...], module: str) -> Iterator[_Group]:
        for item in names:
            if item.module == module and not item.owner and item.is_public:
                yield _KINDS.get(item.kind, item.kind), [_written(item)]


def _written(item: Declared) -> str:
    return f"{item.name}!" if item.kind == "macro" else item.name
