"""Name the function of a cell to which an address in a module belongs, and its line in the cell."""

from __future__ import annotations

import bisect
import contextlib
import functools
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from .crash_lines import FOREIGN, source_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tree_sitter import Node

    from .crash_lines import SourceLine

__all__ = ["Place", "Symbols", "readable"]

_NOT_OWN = "/registry/src/"
_WRAPPER = re.compile(r"__pyfunction_(\w+)|__pymethod_(\w+?)__$")
_HASH = re.compile(r"h[0-9a-f]{16}")
_ESCAPES = {"LT": "<", "GT": ">", "RF": "&", "BP": "*", "LP": "(", "RP": ")", "C": ",", "SP": "@"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame of a crashed process was.

    Attributes:
        name: the function, or the symbol outside the cells; may be empty.
        label: the cell as the user knows it, ``In[3]``; empty outside the cells.
        line: the line, or the first line of the function where there are no line tables; 0 if unknown.
        library: the name of the library's file.
        is_wrapper: whether this is the code that PyO3 makes to call the function from Python.
    """

    name: str
    label: str
    line: int
    library: str
    is_wrapper: bool = False

    def __str__(self) -> str:
        return f"`{self.name}`, {self.label}" + (f" line {self.line}" if self.line else "")


@dataclass(frozen=True, slots=True)
class _Function:
    """A function in a source file: its name, the type or module around it, and its first and last line."""

    name: str
    owner: str
    first: int
    last: int


class Symbols:
    """The symbols of a module, and the functions of the cell that it was built from.

    Args:
        module: the module's file.
        crate: the folder of its cargo package.
        names: path, label and number of lines above line 1 of each source file that the user knows.
        with_lines: the same module with line tables, if there is one.
        crates: the folders of the packages that have the other source files.
    """

    def __init__(
        self,
        module: Path,
        crate: Path,
        names: tuple[tuple[str, str, int], ...],
        with_lines: Path | None = None,
        crates: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self._module = module
        self._with_lines = with_lines or module
        self._crate = crate
        self._names = names
        self._crates = crates

    def places(self, offset: int, exported: str, library: str) -> tuple[Place, ...]:
        """Return the places of a frame: the cell's functions, inlined ones first, or else the symbol.

        Args:
            offset: the address within the module, from its load address.
            exported: the exported symbol that the dynamic linker found, or empty.
            library: the path of the frame's library.
        """
        file = library.rpartition("/")[2]
        parts = readable(self._symbol(offset) or exported)
        is_own = bool(parts and self._names) and self._is_own(parts)
        name = next((part for part in reversed(parts) if not part.startswith("{")), "")
        if self._names:
            exact = [
                place
                for found in source_lines(self._with_lines, offset, self._names[0][0])
                for place in self._exact(found, name, file)
            ]
            own = [place for place in exact if not place.is_wrapper] or exact[:1]
            if own:
                return tuple(own)
        if not is_own:
            return (Place("::".join(parts), "", 0, file),)
        plain, path = _plain(name), "::".join(parts)
        for source, label, above in self._names:
            found = [function for function in self._functions(source) if function.name == plain]
            if found:
                function = next((item for item in found if item.owner and item.owner in path), found[0])
                return (Place(plain, label, function.first - above, file, plain != name),)
        return (Place(plain, self._names[0][1], 0, file, plain != name),)

    def _exact(self, found: SourceLine, symbol: str, library: str) -> Iterator[Place]:
        """Yield the place for a line of the cell; nothing for a line of another crate."""
        for source, label, above in self._names:
            if _is_own_file(found.file, source):
                around = [item for item in self._functions(source) if item.first <= found.line <= item.last]
                # PyO3's wrapper of a function has the lines of the attribute and of the function's signature.
                inner = max(around, key=lambda item: item.first).name if around else found.function
                is_wrapper = found.function.startswith("__py") or not inner
                name = _plain(found.function or symbol) if is_wrapper else inner
                line = found.line or next((item.first for item in self._functions(source) if item.name == name), above)
                yield Place(name, label, line - above, library, is_wrapper)
                return

    def _is_own(self, parts: tuple[str, ...]) -> bool:
        crate = re.match(r"[<&]*(\w*)", parts[0])
        return crate is not None and crate[1] in self._crate_names

    @functools.cached_property
    def _crate_names(self) -> frozenset[str]:
        names = {self._module.name.partition(".")[0].removeprefix("lib")}
        with contextlib.suppress(OSError):
            manifest = (self._crate / "Cargo.toml").read_text(encoding="utf-8")
            names |= {name.replace("-", "_") for name in re.findall(r'^name = "(.*)"', manifest, re.MULTILINE)}
        return frozenset(names)

    @functools.cached_property
    def _table(self) -> tuple[list[int], list[tuple[int, str]]]:
        """The module's functions by address: the addresses, and each one's size and symbol (ELF ``.symtab``)."""
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection

        found = []
        with contextlib.suppress(OSError, ELFError), self._module.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                if isinstance(section, SymbolTableSection):
                    found += [
                        (symbol["st_value"], symbol["st_size"], symbol.name)
                        for symbol in section.iter_symbols()
                        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_value"]
                    ]
        found.sort()
        return [start for start, _, _ in found], [(size, name) for _, size, name in found]

    def _symbol(self, offset: int) -> str:
        if not self._names:
            return ""
        starts, rest = self._table
        index = bisect.bisect_right(starts, offset) - 1
        return rest[index][1] if index >= 0 and offset < starts[index] + max(rest[index][0], 1) else ""

    def _functions(self, source: str) -> list[_Function]:
        path = self._crate / source
        with contextlib.suppress(OSError):
            if not path.exists():
                path = self._crates.get(source, self._crate) / "src" / "lib.rs"
            return [*_functions_of(path.read_text(encoding="utf-8", errors="replace"))]
        return []


@functools.lru_cache(maxsize=16)
def _functions_of(text: str) -> tuple[_Function, ...]:
    from pyo3magic.cell.syntax.tree import encode, parse

    return tuple(_walk(parse(encode(text)).root_node))


def _walk(root: Node) -> Iterator[_Function]:
    todo = [(root, "")]
    while todo:
        node, owner = todo.pop()
        name = node.child_by_field_name("type" if node.type == "impl_item" else "name")
        text = name.text.decode() if name is not None and name.text is not None else ""
        if node.type == "function_item":
            yield _Function(text, owner, node.start_point[0] + 1, node.end_point[0] + 1)
        if node.type in {"impl_item", "mod_item", "trait_item", "function_item"}:
            owner = text.partition("<")[0]
        todo += [(child, owner) for child in reversed(node.children)]


def _is_own_file(file: str, source: str) -> bool:
    """Return whether a file in the debug information is a source file of the crate, and not of another crate.

    Other crates' files have the name of their package in front (`pyo3magic.compile.path_prefixes`), or the whole path
    if the module is built with ``--debug``.
    """
    if not file.startswith("/"):
        return file == source
    return file.endswith(f"/{source}") and not file.startswith(FOREIGN) and _NOT_OWN not in file


def _plain(name: str) -> str:
    wrapped = _WRAPPER.match(name)
    return wrapped[1] or wrapped[2] if wrapped else name


def readable(symbol: str) -> tuple[str, ...]:
    """Return the path of a Rust symbol in parts, outermost first; other symbols have one part, or none if empty.

    Both of rustc's manglings are known, as far as a name for the user needs (RFC 2603 for ``_R``); generic arguments
    and types of the latter are not told apart from the path.
    """
    symbol = symbol.removeprefix("_") if symbol.startswith(("__ZN", "__R")) else symbol
    if symbol.startswith("_ZN"):
        return tuple(part for part in map(_unescaped, _lengths(symbol[3:])) if not _HASH.fullmatch(part))
    if symbol.startswith("_R"):
        return tuple(_identifiers(symbol[2:]))
    return (symbol,) if symbol else ()


def _lengths(text: str) -> Iterator[str]:
    while match := re.match(r"\d+", text):
        start = match.end()
        end = start + int(match[0])
        yield text[start:end]
        text = text[end:]


def _identifiers(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if skipped := re.compile(r"[sB][0-9A-Za-z]*_").match(text, at):
            at = skipped.end()
        elif match := re.compile(r"([1-9]\d*)_?").match(text, at):
            at = match.end() + int(match[1])
            yield text[match.end() : at]
        else:
            at += 1


def _unescaped(part: str) -> str:
    part = part[1:] if part.startswith("_$") else part
    part = re.sub(r"\$u([0-9a-f]+)\$", lambda match: chr(int(match[1], 16)), part)
    part = re.sub(r"\$(LT|GT|RF|BP|LP|RP|C|SP)\$", lambda match: _ESCAPES[match[1]], part)
    return part.replace("..", "::")
