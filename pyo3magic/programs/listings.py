"""Split rustc's output (assembly, LLVM IR and MIR) into functions."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SOURCE", "Listing", "read_assembly", "read_llvm_ir", "read_mir", "symbol_names"]

SOURCE = "src/lib.rs"
"""The path of the cell's file in the compiler's output."""

_NOTED = re.compile(r"^\s*; (?:(?:tail |musttail )?(?:call|invoke) )?(.+)$")
_USES = re.compile(r"^(?:define|declare)\b.*?@([\w.$]+|\"[^\"]+\")\(|.*\b(?:call|invoke)\b.*?@([\w.$]+|\"[^\"]+\")\(")
_SYMBOL = re.compile(r"\b_(?:R|ZN)[\w.$]+")
_FILE = re.compile(r'^\s*\.file\s+(\d+)\s+(?:"([^"]*)"\s+)?"([^"]*)"')
_LOC = re.compile(r"^\s*\.loc\s+(\d+)\s+(\d+)")
_START = re.compile(r"^([^\s.#@;\"][^\s:]*|\"[^\"]+\"):\s*(?:[#;@/].*)?$")
_LABEL = re.compile(r"^(\.?L[\w$.]+):")
_KEPT_DIRECTIVES = re.compile(r"^\s*\.(?:byte|short|value|long|word|quad|xword|ascii|asciz|string|zero)\b")
_IR_LOCATION = re.compile(r"^!(\d+) = (?:distinct )?!DISubprogram\((.*)\)$")
_IR_FILE = re.compile(r'^!(\d+) = !DIFile\(filename: "([^"]*)", directory: "([^"]*)"')
_IR_NOISE = re.compile(
    r",? ?!(?:dbg|noundef|noalias|alias\.scope|prof|range|nonnull|align|noalias\.addrspace) !?\d*(?:\{\})?"
)
_MIR_PLACE = re.compile(r"<impl at ([^:>]*):(\d+):\d+: \d+:\d+>")


@dataclass(frozen=True, slots=True)
class Listing:
    """A function in the compiler's output.

    Attributes:
        name: its demangled path.
        file: its source file; empty if unknown.
        line: its line in the file.
        text: the listing.
    """

    name: str
    file: str
    line: int
    text: str

    def within(self, crate: str, folder: Path) -> Listing:
        """Return the same listing with names relative to the crate and its file's path relative to ``folder``."""
        pattern = re.compile(rf"(?<![\w:]){re.escape(crate)}::")
        file = self.file.removeprefix(f"{folder}{os.sep}")
        return replace(self, name=pattern.sub("", self.name), file=file, text=pattern.sub("", self.text))


def symbol_names(texts: Iterable[str]) -> dict[str, str]:
    """Return symbol to name, from the comments that rustc writes above functions and calls in LLVM IR."""
    names: dict[str, str] = {}
    for text in texts:
        noted = ""
        for line in text.splitlines():
            if line.lstrip().startswith("; Function Attrs:"):
                continue
            if match := _NOTED.match(line):
                noted = match[1]
            elif noted and (match := _USES.match(line)):
                names.setdefault((match[1] or match[2]).strip('"'), noted)
                noted = ""
            else:
                noted = ""
    return {symbol: name for symbol, name in names.items() if symbol.startswith(("_R", "_ZN"))}


def read_assembly(text: str, names: Mapping[str, str]) -> list[Listing]:
    """Return the functions in an assembly file, without directives and unused labels.

    Args:
        text: the file's content.
        names: symbol to name (`symbol_names`).
    """
    found: list[Listing] = []
    files: dict[str, str] = {}
    symbol, lines, file, line = "", list[str](), "", 0
    for row in text.splitlines():
        if match := _FILE.match(row):
            files[match[1]] = str(Path(match[2] or "", match[3]))
        elif (match := _LOC.match(row)) and symbol:
            file, line = (file, line) if line else (files.get(match[1], ""), int(match[2]))
        elif (match := _START.match(row)) and not match[1].startswith((".L", "L", "GCC_except")):
            symbol, lines, file, line = match[1].strip('"'), [], "", 0
        elif symbol and re.match(r"^\s*\.(?:cfi_endproc|size|seh_endproc)\b", row):
            if lines and line:
                found.append(Listing(names.get(symbol, symbol), file, line, _named(_tidy(lines), names)))
            symbol = ""
        elif symbol:
            lines.append(row)
    return found


def read_llvm_ir(text: str, names: Mapping[str, str]) -> list[Listing]:
    """Return the functions that an LLVM IR file defines, without debug information; arguments as `read_assembly`."""
    found_files = filter(None, map(_IR_FILE.match, text.splitlines()))
    files = {match[1]: str(Path(match[3], match[2])) for match in found_files}
    places: dict[str, tuple[str, int]] = {}
    for located in filter(None, map(_IR_LOCATION.match, text.splitlines())):
        name, number = re.search(r"file: !(\d+)", located[2]), re.search(r"\bline: (\d+)", located[2])
        if name and number:
            places[located[1]] = files.get(name[1], ""), int(number[1])
    found = []
    for body in re.findall(r"^define .*?^\}$", text, re.MULTILINE | re.DOTALL):
        head = body.partition("\n")[0]
        symbol = re.search(r'@([\w.$]+|"[^"]+")\(', head)
        place = re.search(r"!dbg !(\d+)", head)
        if symbol is None:
            continue
        function = symbol[1].strip('"')
        rows = [_IR_NOISE.sub("", row) for row in body.splitlines() if not row.lstrip().startswith("#dbg_")]
        file, line = places.get(place[1], ("", 0)) if place else ("", 0)
        found.append(Listing(names.get(function, function), file, line, _named("\n".join(rows), names)))
    return found


def read_mir(text: str, names: Mapping[str, str]) -> list[Listing]:  # noqa: ARG001 - MIR has names, not symbols
    """Return the functions in a MIR file, which has them in source order, without lines."""
    found = []
    for block in re.split(r"\n(?=fn |const |static |alloc\d)", "\n" + text):
        body = block.strip("\n")
        if body.startswith("fn ") and (end := body.find("\n}")) >= 0:
            body = body[: end + 2]
            name = body[3 : body.index("(", _after_brackets(body))]
            place = _MIR_PLACE.search(name)
            found.append(Listing(name, place[1] if place else "", int(place[2]) if place else 0, body))
    return found


def _after_brackets(head: str) -> int:
    """Return the offset of the parameters, after any angle brackets in the name."""
    depth = 0
    for at, character in enumerate(head[3:], 3):
        depth += (character == "<") - (character == ">" and head[at - 1] != "-")
        if character == "(" and depth == 0:
            return at
    return 3


def _tidy(lines: list[str]) -> str:
    """Keep the instructions and the labels that they refer to."""
    kept = [
        row.partition("\t#")[0].rstrip()
        for row in lines
        if _LABEL.match(row) or _KEPT_DIRECTIVES.match(row) or not re.match(r"^\s*(?:[.#;@/]|$)", row)
    ]
    used = {word for row in kept if not _LABEL.match(row) for word in re.findall(r"\.?L[\w$.]+", row)}
    rows = [row for row in kept if not (match := _LABEL.match(row)) or match[1] in used]
    return "\n".join(row.expandtabs(8) for row in rows)


def _named(text: str, names: Mapping[str, str]) -> str:
    def name(match: re.Match[str]) -> str:
        symbol = match[0]
        return names.get(symbol) or names.get(symbol.partition(".")[0], symbol)  # LLVM appends `.llvm.123` or similar

    return _SYMBOL.sub(name, text)
