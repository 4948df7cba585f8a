"""Suggestions in the Rust of a cell: names of the cell and of the session's cells, and the words that Rust has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .blank_code import blanked, is_in_text
from .code_position import CodePosition, code_position
from .outline import Declared, LiveSource
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
from .scope import Scope, item_start
from .suggestion import KnownCell, Suggestions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["RustCompleter"]

_Group = tuple[str, list[str]]
_KINDS = {"variant": "enum member", "import": "module"}
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
        item = source[item_start(source, offset) : offset]
        if is_in_text(item):
            return Suggestions("")
        code = blanked(item)
        place = code_position(code)
        if place.kind == "nothing":
            return Suggestions(place.fragment)
        scope = Scope(self._live.outline(_marked(source, offset, place)), cells, code, place.fragment)
        return Suggestions.matching(place.fragment, *_Groups(scope, crates).suggest(place))


def _marked(source: str, offset: int, place: CodePosition) -> str:
    """Return the source with a name at the cursor where one is missing, which keeps the syntax around it whole."""
    is_needed = place.kind in {"member", "path"} and not place.fragment
    return f"{source[:offset]}_{source[offset:]}" if is_needed else source


class _Groups:
    # The kinds and texts that may stand at a place, the nearest first.

    def __init__(self, scope: Scope, crates: Iterable[str]) -> None:
        self._scope = scope
        self._crates = crates

    def suggest(self, place: CodePosition) -> Iterator[_Group]:
        if place.kind == "member":
            yield from self._members(place.path)
        elif place.kind == "path":
            yield from self._after(place.path)
        elif place.kind == "use":
            yield from self._after(place.path) if place.path else self._roots()
        elif place.kind == "attribute":
            yield "attribute", [*(METHOD_ATTRIBUTES if self._scope.owner else ()), *ATTRIBUTES]
        elif place.kind == "attribute option":
            yield "option", list(ATTRIBUTE_OPTIONS.get(place.path[0], ()))
        elif place.kind == "lifetime":
            before = self._scope.code.removesuffix(place.fragment)
            written = re.findall(r"'([^\W\d]\w*)\b(?!')", before)
            yield "lifetime", [*written, "static", "_"]
        elif place.kind == "let":
            yield "keyword", ["mut"]
            yield from self._declared(kinds={"struct", "enum", "enum member"})
        else:
            yield from self._anything(place)

    def _anything(self, place: CodePosition) -> Iterator[_Group]:
        if place.literal:
            yield "field", self._scope.fields_of(self._scope.aliased(place.literal))
        yield "variable", list(reversed(self._scope.locals))
        yield from self._declared()
        yield "keyword", list(KEYWORDS)
        for table in (PRELUDE, PYO3_PRELUDE):
            for kind, words in table.items():
                yield kind, list(words)
        yield "macro", list(MACROS)
        yield from self._roots()

    def _declared(self, kinds: set[str] | None = None) -> Iterator[_Group]:
        for item in self._scope.names:
            if not item.owner and item.module in {"", self._scope.module}:
                kind = _KINDS.get(item.kind, item.kind)
                if kinds is None or kind in kinds:
                    yield kind, [_written(item)]

    def _roots(self) -> Iterator[_Group]:
        yield "module", [*self._scope.cells, *self._crates]
        yield "module", [item.name for item in self._scope.names if item.kind == "module" and not item.module]
        yield "module", list(CRATES)

    def _members(self, receiver: tuple[str, ...]) -> Iterator[_Group]:
        kind = self._scope.type_of(receiver)
        known = self._scope.of_type(kind) if kind else ()
        if kind and not known:
            return  # a type of a crate or of the standard library, whose members are not known here
        for item in known or self._scope.all_members():
            if item.kind == "field" or item.takes_self:
                yield ("field" if item.kind == "field" else "method"), [item.name]

    def _after(self, path: tuple[str, ...]) -> Iterator[_Group]:
        """Yield what follows a path and ``::``."""
        if len(path) == 1 and path[0] in self._scope.cells:
            yield from self._exported(self._scope.cells[path[0]], "")
            return
        if path[0] in self._scope.cells:
            yield from self._exported(self._scope.cells[path[0]], "::".join(path[1:]))
            yield from self._associated(path[-1], is_foreign=True)
            return
        modules = [segment for segment in path if segment not in _ROOTS]
        module = "::".join(modules)
        if not modules or any(item.module == module for item in self._scope.names):
            for item in self._scope.names:
                if item.module == module and not item.owner and item.kind != "import":
                    yield _KINDS.get(item.kind, item.kind), [_written(item)]
            if modules:
                return
        joined = "::".join(path).replace("core::", "std::", 1)
        imported = next((item.type for item in self._scope.names if item.kind == "import" and item.name == path[0]), "")
        for known in (joined, "::".join((imported, *path[1:])) if imported else "", path[-1]):
            for kind, words in PATHS.get(known, {}).items():
                yield kind, list(words)
        yield from self._associated(path[-1])

    def _associated(self, name: str, *, is_foreign: bool = False) -> Iterator[_Group]:
        for item in self._scope.of_type(self._scope.aliased(name)):
            if item.kind != "field" and (item.is_public or not is_foreign or item.kind == "variant"):
                yield ("method" if item.takes_self else _KINDS.get(item.kind, item.kind)), [item.name]

    @staticmethod
    def _exported(names: tuple[Declared, ...], module: str) -> Iterator[_Group]:
        for item in names:
            if item.module == module and not item.owner and item.is_public:
                yield _KINDS.get(item.kind, item.kind), [_written(item)]


def _written(item: Declared) -> str:
    return f"{item.name}!" if item.kind == "macro" else item.name
