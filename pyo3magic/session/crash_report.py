"""Read the reports that crashed processes left (`crash_watch`), and say in which function of a cell each one died."""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyo3magic.compile.line_tables import compile_with_lines
from pyo3magic.errors import PyO3MagicError
from pyo3magic.store.artifact import read_artifact
from pyo3magic.store.leftovers import remove_with_folder
from pyo3magic.store.locking import is_locked

from .crash_lines import has_lines, same_code
from .crash_symbols import Place, Symbols

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pyo3magic.store import Store

    from .crash_watch import Crashes

__all__ = ["Report", "parse_report", "take_reports"]

_NAME = re.compile(r"([0-9a-f]+)\.(\d+)\.(\d+)")
"""A report's name: the session, the kernel's process id and the crashed process's."""
_MOST_TOLD = 3
_MOST_FRAMES = 12
_ABOVE_STACK, _BELOW_STACK = 1 << 16, 1 << 23
"""How far above and below the innermost frame an address may be for the fault to be a stack overflow, in bytes."""
_DEEP = 200
"""Number of frames from which a few functions in turn are endless recursion."""
_MOST_IN_TURN = 6
_REASONS = {
    "SIGSEGV": "invalid memory access",
    "SIGBUS": "invalid memory access",
    "SIGABRT": "abort",
    "SIGILL": "illegal instruction",
    "SIGFPE": "arithmetic error",
}
_THREAD = re.compile(r"(Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):")
_PYTHON = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_OUTSIDE = re.compile(
    r"[\\/](IPython|ipykernel|multiprocessing|concurrent[\\/]futures|joblib|loky|asyncio)[\\/]|[\\/]threading\.py$"
)
_CELL_FILE = re.compile(r"[\\/]ipykernel_\d+[\\/]\d+\.py$|^<ipython-input-(\d+)-")


@dataclass(frozen=True, slots=True)
class Frame:
    """A machine frame of the crashed thread.

    Attributes:
        address: an address within the instruction.
        base: the address at which the frame's library was loaded, 0 if unknown.
        stack: the stack pointer before the call (canonical frame address).
        file: the library's path, or empty.
        name: the exported symbol, or empty.
    """

    address: int
    base: int
    stack: int
    file: str
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a crash handler wrote.

    Attributes:
        signal: the signal's name, such as ``SIGSEGV``.
        address: the address whose access failed, 0 if unknown.
        cell: the number of the notebook's cell that was running, 0 if unknown.
        frames: the innermost frames, innermost first.
        depth: the number of all frames.
        python: file, line and function of Python's frames, innermost first.
        modules: for each loaded module file, its crate's folder and the names of its source files.
    """

    signal: str
    address: int
    cell: int
    frames: tuple[Frame, ...]
    depth: int
    python: tuple[tuple[str, int, str], ...]
    modules: dict[str, tuple[Path, tuple[tuple[str, str, int], ...]]]

    def describe(self, who: str, with_lines: Mapping[str, Path] = MappingProxyType({})) -> str:
        """Return the text for the user: what happened where, and the stacks of Rust and of Python.

        Args:
            who: the process, ``The last kernel of this notebook``.
            with_lines: the same modules with line tables, by module file.
        """
        places = self._places(with_lines)
        own = _own(places)
        where = next(iter(own), None)
        lines = [f"{who} died {_outside(places) if where is None else f'in {where}'}: {self._reason(places)}."]
        turn = self._recursion(places)
        if turn:
            names = " and ".join(f"`{name}`" for name in turn)
            what = "calls itself" if len(turn) == 1 else "call each other"
            lines.append(f"{names} {what} without end ({self.depth:,} calls).")
        if where is None and self.depth <= len(self.frames):
            lines.append("No Rust code of a cell was running; `unsafe` code in a cell may have damaged memory earlier.")
        if own:
            rust = [f"  {place}" for place in own]
            rust = [*dict.fromkeys(rust[:_DEEP]), "  and so on"] if turn else _folded(rust)
            lines += ["Rust, innermost call first:", *rust]
        if self.python:
            lines += ["Python, innermost call first:", *_folded([f"  {text}" for text in self._python_places()])]
        return "\n".join(lines)

    def crashed_in(self) -> Path | None:
        """Return the file of the innermost cell on the stack; None if there is none."""
        return next((Path(frame.file) for frame in self.frames if frame.file in self.modules), None)

    def _places(self, with_lines: Mapping[str, Path]) -> list[Place]:
        crates = {names[0][0]: crate for crate, names in self.modules.values() if names}
        symbols = {
            file: Symbols(Path(file), *found, with_lines.get(file), crates) for file, found in self.modules.items()
        }
        unknown = Symbols(Path(), Path(), ())
        return [
            place
            for frame in self.frames
            for place in symbols.get(frame.file, unknown).places(frame.address - frame.base, frame.name, frame.file)
        ]

    def _reason(self, places: Sequence[Place]) -> str:
        text = _REASONS.get(self.signal, "died")
        top = self.frames[0].stack if self.frames else 0
        is_near = self.address and top - _BELOW_STACK < self.address < top + _ABOVE_STACK
        if self.signal in {"SIGSEGV", "SIGBUS"} and (is_near or self._recursion(places)):
            text = "stack overflow"
        elif self.signal in {"SIGSEGV", "SIGBUS"}:
            text += f" at address {self.address:#x}"
        elif any("handle_alloc_error" in place.name or "rust_oom" in place.name for place in places):
            text = "out of memory"
        elif any("panicking::" in place.name for place in places):
            text = "abort after a panic"
        return f"{text} ({self.signal})"

    def _recursion(self, places: Sequence[Place]) -> list[str]:
        if self.depth < _DEEP or len(places) < _DEEP:
            return []
        names = dict.fromkeys(place.name for place in places[1:_DEEP] if place.label)
        repeated = sum(bool(place.label) for place in places[1:_DEEP]) > _DEEP // 2
        return sorted(names) if repeated and len(names) <= _MOST_IN_TURN else []

    def _python_places(self) -> Iterator[str]:
        for file, line, function in self.python:
            cell = _CELL_FILE.search(file)
            if cell is None:
                yield f"{function}, {file} line {line}"
                continue
            number = cell[1] or (str(self.cell) if function == "<module>" and self.cell else "")
            yield f"{function}, {f'In[{number}]' if number else 'a cell,'} line {line}"


def take_reports(crashes: Crashes, store: Store, environ: Mapping[str, str]) -> list[str]:
    """Return the texts of the reports that are due, newest first, and remove their files.

    Due are the reports of dead kernels and their workers, and of the workers of this kernel.

    Args:
        crashes: where the reports of this notebook are.
        store: the store.
        environ: the environment, for the compiler that tells the lines.
    """
    named = [(file, _NAME.fullmatch(file.name)) for file in _files(crashes.folder)]
    files = [(file, match[1], match[2], match[3]) for file, match in named if match is not None]
    dead = {session for _, session, kernel, process in files if kernel == process}
    due = [
        (file, kernel == process)
        for file, session, kernel, process in files
        if session == crashes.session or session in dead or not is_locked(store.place("sessions", session, "alive"))
    ]
    texts = []
    for file, is_kernel in due:
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, SyntaxError):
            report = parse_report(file.read_text(encoding="utf-8", errors="replace"))
            who = f"{'The last kernel' if is_kernel else 'A worker process'} of this notebook"
            texts.append(_described(report, who, store, environ))
        remove_with_folder(file)
    unique = [*dict.fromkeys(texts)]
    more = len(unique) - _MOST_TOLD
    return [*unique[:_MOST_TOLD], *([f"{more} more processes of this notebook died."] if more > 0 else [])]


def _described(report: Report, who: str, store: Store, environ: Mapping[str, str]) -> str:
    """Return a report's text, with exact lines if the compiler is still the one that built the module."""
    module = report.crashed_in()
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, PyO3MagicError), store.workspace() as folder:
        if module is not None and sys.platform == "linux" and not has_lines(module):
            for library in compile_with_lines(store, read_artifact(module.parent), environ, folder):
                if same_code(library, module):
                    return report.describe(who, {str(module): library})
    return report.describe(who)


def parse_report(text: str) -> Report:
    """Read a report; whatever a crash cut off at its end is missing.

    Raises:
        ValueError, SyntaxError, TypeError: the text is not a report.
    """
    number, address, cell, depth = 0, 0, 0, 0
    frames: list[tuple[bool, Frame]] = []
    modules = {}
    lines = iter(text.splitlines())
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "signal":
            number, address, cell, _ = map(int, rest.split())
        elif line.startswith("("):
            module, crate, names = ast.literal_eval(line)
            modules[module] = Path(crate), names
        elif kind == "frame":
            numbers, file, name = (*rest.split("\t"), "", "")[:3]
            exact, at, base, stack = map(int, numbers.split())
            frames.append((bool(exact), Frame(at, base, stack, file, name)))
        elif kind == "frames":
            depth = int(rest)
            break
    # The frames above the one that the last signal interrupted are those of handlers.
    start = max((index for index, (exact, _) in enumerate(frames) if exact), default=0)
    return Report(
        signal.Signals(number).name,
        address,
        cell,
        tuple(frame for _, frame in frames[start:]),
        max(depth - start, 0),
        tuple(_python_frames([*lines])),
        modules,
    )


def _python_frames(lines: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Yield the frames of the crashed thread, or of the main thread if the crashed one did not run Python."""
    starts = [index for index, line in enumerate(lines) if _THREAD.match(line)]
    current = [index for index in starts if lines[index].startswith("Current")]
    for line in lines[(current or starts[-1:] or [len(lines)])[0] + 1 :]:
        match = _PYTHON.match(line)
        if match is None or _OUTSIDE.search(match[1]):
            return
        yield match[1], int(match[2]), match[3]


def _own(places: Iterable[Place]) -> list[Place]:
    """Return the places in cells, without the wrapper of a function that is there itself."""
    own: list[Place] = []
    for place in places:
        if place.label and not (place.is_wrapper and own and own[-1].name == place.name):
            own.append(place)
    return own


def _outside(places: Sequence[Place]) -> str:
    return next((f"in {place.name} of {place.library}" for place in places if place.name), "outside all known code")


def _folded(lines: list[str]) -> list[str]:
    """Return the lines with repetitions counted, and only so many of them."""
    counted = [(text, len([*group])) for text, group in itertools.groupby(lines)]
    shown = [f"{text} ({count} times)" if count > 1 else text for text, count in counted[:_MOST_FRAMES]]
    return [*shown, *(["  and so on"] if len(counted) > _MOST_FRAMES else [])]


def _files(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir(), key=os.path.getmtime, reverse=True)
    return []
