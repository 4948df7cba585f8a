"""Call a loaded module's support functions: locate panics, flush and relay output."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Support"]

_PLACE_CAPACITY = 16384


class Support:
    """The C functions of the support crate, which is linked into each module (`support/src/lib.rs`).

    Args:
        file: the loaded extension module file.
        is_worker: whether this is a worker process, in which a panic is an ordinary exception.
    """

    def __init__(self, file: Path, *, is_worker: bool = False) -> None:
        library = self._library = ctypes.PyDLL(str(file))
        self._flush: Callable[[], object] | None = getattr(library, "pyo3magic_flush", None)
        self._name_source: Callable[..., object] | None = getattr(library, "pyo3magic_name_source", None)
        self._panic_place: Any = getattr(library, "pyo3magic_panic_place", None)
        watch = getattr(library, "pyo3magic_watch_panics", None)
        kind = getattr(library, "pyo3magic_panic_type", None)
        if watch is not None and kind is not None and self._panic_place is not None:
            watch()
            kind.restype = ctypes.py_object
            from .panics import add_notes, soften, soften_in_children

            exception = kind()
            add_notes(exception, self._place)
            (soften if is_worker else soften_in_children)(exception)

    def name_source(self, file: str, label: str, lines_above: int = 0) -> None:
        """Set the name that panic messages use for a source file.

        Args:
            file: the file's path as passed to the compiler.
            label: the name to show, ``In[3]``.
            lines_above: number of lines above the line that the user counts as line 1.
        """
        if self._name_source is not None:
            self._name_source(file.encode(), label.encode(), ctypes.c_uint32(lines_above))

    @property
    def has_crash_handlers(self) -> bool:
        """Whether the module has handlers for signals such as SIGSEGV (Linux and macOS)."""
        return hasattr(self._library, "pyo3magic_watch_crashes")

    def watch_crashes(self, folder: Path, prefix: str, *, replace: bool) -> int:
        """Set handlers that write a report when a signal ends the process.

        Args:
            folder: the folder of the reports, made for the first report.
            prefix: the start of a report's name; the process id follows.
            replace: whether to replace handlers that other code has set, which run afterwards.

        Returns:
            The file descriptor to which the report will be written, -1 if there is none.
        """
        return int(self._library.pyo3magic_watch_crashes(os.fsencode(folder), prefix.encode(), int(replace)))

    def guard_thread(self) -> None:
        """Give the calling thread a stack for signal handlers, which a stack overflow needs."""
        self._library.pyo3magic_guard_thread()

    def set_crash_signal(self, number: int) -> None:
        """Set the signal that makes faulthandler write Python's stack into a report; 0 for none."""
        self._library.pyo3magic_crash_signal(number)

    def set_crash_details(self, text: str) -> None:
        """Set the lines of a report that describe the loaded modules."""
        self._library.pyo3magic_crash_details(text.encode())

    def set_crash_cell(self, number: int) -> None:
        """Set the number of the notebook's cell that a report names."""
        self._library.pyo3magic_crash_cell(number)

    def flush(self) -> None:
        """Write out the buffered output of Rust's ``print!``."""
        if self._flush is not None:
            self._flush()

    def relay(self, source: int, target: int) -> bool:
        """Start to copy output from one file descriptor to another without Python; return whether that is possible."""
        relay = getattr(self._library, "pyo3magic_relay", None)
        if relay is not None:
            relay(source, target)
        return relay is not None

    def held(self) -> int:
        """Return the number of bytes that this module's relays have not passed on yet."""
        return self._count("pyo3magic_held")

    def passed(self) -> int:
        """Return the number of bytes that this module's relays have passed on."""
        return self._count("pyo3magic_passed")

    def _count(self, name: str) -> int:
        function = getattr(self._library, name)
        function.restype = ctypes.c_size_t
        return int(function())

    def _place(self, text: str) -> tuple[str, str]:
        """Return the place of the latest panic with this text, and the cell's frames if RUST_BACKTRACE is set."""
        buffer = ctypes.create_string_buffer(_PLACE_CAPACITY)
        given = text.encode(errors="replace").partition(b"\0")[0]
        size = self._panic_place(given, buffer, ctypes.c_size_t(_PLACE_CAPACITY))
        place, _, frames = buffer.raw[:size].decode(errors="replace").partition("\n")
        return place, frames
