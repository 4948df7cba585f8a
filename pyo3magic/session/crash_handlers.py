"""Call a loaded module's handlers for signals such as SIGSEGV (`support/src/crash.rs`)."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CrashHandlers"]


class CrashHandlers:
    """The C functions of the support crate that report crashes.

    Args:
        file: the loaded extension module file.
    """

    def __init__(self, file: Path) -> None:
        self._library = ctypes.PyDLL(str(file))

    @property
    def is_present(self) -> bool:
        """Whether the module has handlers (Linux and macOS)."""
        return hasattr(self._library, "pyo3magic_watch_crashes")

    def watch(self, folder: Path, prefix: str, *, replace: bool) -> int:
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

    def set_signal(self, number: int) -> None:
        """Set the signal that makes faulthandler write Python's stack into a report; 0 for none."""
        self._library.pyo3magic_crash_signal(number)

    def set_details(self, text: str) -> None:
        """Set the lines of a report that describe the loaded modules."""
        self._library.pyo3magic_crash_details(text.encode())

    def set_cell(self, number: int) -> None:
        """Set the number of the notebook's cell that a report names."""
        self._library.pyo3magic_crash_cell(number)
