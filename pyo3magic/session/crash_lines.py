"""Read from a library's debug information (DWARF 4 and 5) which source lines an address belongs to."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["FOREIGN", "SourceLine", "has_lines", "same_code", "source_lines"]

FOREIGN = ("/rustc/", "/rust/deps/", "library/")
"""How the paths of the standard library's sources start."""
_FUNCTIONS = frozenset({"DW_TAG_subprogram", "DW_TAG_inlined_subroutine"})


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A function at one of its lines.

    Attributes:
        function: the function's name without its path.
        file: the source file as rustc names it, ``src/lib.rs``.
        line: the line, from 1.
    """

    function: str
    file: str
    line: int


def same_code(one: Path, other: Path) -> bool:
    """Return whether two ELF files have the same machine code at the same addresses; False for other files."""
    from elftools.common.exceptions import ELFError

    with contextlib.suppress(OSError, ELFError):
        return _code(one) == _code(other)
    return False


def has_lines(library: Path) -> bool:
    """Return whether an ELF file has line tables, as those of ``--debug`` have."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    with contextlib.suppress(OSError, ELFError), library.open("rb") as file:
        return ELFFile(file).get_section_by_name(".debug_line") is not None
    return False


@functools.lru_cache(maxsize=1024)
def source_lines(library: Path, offset: int, root: str) -> tuple[SourceLine, ...]:
    """Return the functions at an address, inlined ones first and the one that contains them last.

    Where a function was compiled into the code of PyO3 that calls it, the name of its wrapper comes last, with line 0.

    Args:
        library: an ELF file; without debug information nothing is returned.
        offset: the address within the file.
        root: the crate's root file, ``src/lib.rs``. Nothing is returned for the code of other crates.
    """
    from elftools.common.exceptions import DWARFError, ELFError
    from elftools.elf.elffile import ELFFile

    with contextlib.suppress(OSError, ELFError, DWARFError, LookupError), library.open("rb") as file:
        elf = ELFFile(file)
        if elf.has_dwarf_info():
            return tuple(_found(elf.get_dwarf_info(), offset, root))
    return ()


def _code(path: Path) -> tuple[int, bytes]:
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".text")
        return (section["sh_addr"], section.data()) if section is not None else (0, b"")


def _found(dwarf: Any, offset: int, root: str) -> Iterator[SourceLine]:
    ranges = dwarf.get_aranges()
    start = ranges.cu_offset_at_addr(offset) if ranges is not None else None
    if start is None:
        return
    unit = dwarf.get_CU_at(start)
    # rustc names a unit ``src/lib.rs/@/cell.…``; reading the large ones of the standard library takes seconds.
    unit_name = _name(unit.get_top_DIE())
    if f"{root}/@/" not in unit_name or unit_name.startswith(FOREIGN):
        return
    program = dwarf.line_program_for_CU(unit)
    shift = 0 if program["version"] >= 5 else 1  # noqa: PLR2004 - the first version that counts files from 0
    files = [entry.name.decode() for entry in program["file_entry"]]
    folders = [folder.decode() for folder in program["include_directory"]]

    def name_of(number: int) -> str:
        entry = program["file_entry"][number - shift]
        index = entry.dir_index - shift
        folder = folders[index] if 0 <= index < len(folders) and entry.dir_index else ""
        return f"{folder}/{files[number - shift]}" if folder else files[number - shift]

    place: tuple[int, int] | None = None
    previous = None
    for row in (entry.state for entry in program.get_entries() if entry.state is not None):
        if previous is not None and not previous.end_sequence:
            # Line 0 is code that the compiler has added; it goes with the line before.
            place = (previous.file, previous.line) if previous.line else place
            if previous.address <= offset < row.address:
                break
        previous = row
    else:
        place = None
    # Functions without inlined calls are left out of line tables.
    chain = _chain(dwarf, unit, unit.get_top_DIE(), offset)
    for die in [*reversed(chain)] or [None]:
        if place is not None:
            yield SourceLine(_name(die) if die is not None else "", name_of(place[0]), place[1])
        if die is None:
            break
        call = die.attributes.get("DW_AT_call_file"), die.attributes.get("DW_AT_call_line")
        place = (call[0].value, call[1].value) if call[0] is not None and call[1] is not None else None

    yield from (SourceLine(name, root, 0) for name in map(_name, _below(chain[:1])) if name.startswith("__py"))


def _below(dies: Iterable[Any]) -> Iterator[Any]:
    """Yield the inlined functions in functions, at every depth."""
    todo = [*dies]
    while todo:
        for die in todo.pop().iter_children():
            if die.tag in _FUNCTIONS:
                yield die
            todo.append(die)


def _chain(dwarf: Any, unit: Any, top: Any, offset: int) -> list[Any]:
    """Return the functions that contain an address, the outermost first."""
    found: list[Any] = []
    todo = [top]
    while todo:
        for die in todo.pop().iter_children():
            if die.tag in _FUNCTIONS and _contains(dwarf, unit, die, offset):
                found.append(die)
                todo = [die]
                break
            if die.tag in {"DW_TAG_namespace", "DW_TAG_lexical_block"}:
                todo.append(die)
    return found


def _contains(dwarf: Any, unit: Any, die: Any, offset: int) -> bool:
    low, high, ranges = (die.attributes.get(f"DW_AT_{name}") for name in ("low_pc", "high_pc", "ranges"))
    if low is not None and high is not None:
        end = high.value if high.form == "DW_FORM_addr" else low.value + high.value
        return bool(low.value <= offset < end)
    if ranges is None:
        return False
    base = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    base = base.value if base is not None else 0
    for entry in dwarf.range_lists().get_range_list_at_offset(ranges.value, cu=unit):
        if hasattr(entry, "base_address"):
            base = entry.base_address
            continue
        start = 0 if getattr(entry, "is_absolute", False) else base
        if start + entry.begin_offset <= offset < start + entry.end_offset:
            return True
    return False


def _name(die: Any) -> str:
    while "DW_AT_name" not in die.attributes and "DW_AT_abstract_origin" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_abstract_origin")
    name = die.attributes.get("DW_AT_name")
    return name.value.decode() if name is not None else ""
