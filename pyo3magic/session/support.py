"""Call a loaded module's support functions: locate panics, flush and relay output."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from . import panics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Support"]


class Support:
    """The C functions of the support crate, which is linked into each module (`support/src/lib.rs`).

    Args:
        file: the loaded extension module file.
    """

    def __init__(self, file: Path) -> None:
        library = self._library = ctypes.PyDLL(str(file))
        self._flush: Callable[[], object] | None = getattr(library, "pyo3magic_flush", None)
        panics.watch(library, _hint_for)

    def name_source(self, file: str, label: str, lines_above: int = 0) -> None:
        """Set the name that panic messages use for a source file.

        Args:
            file: the file's path as passed to the compiler.
            label: the name to show, ``In[3]``.
            lines_above: number of lines above the line that the user counts as line 1.
        """
        panics.name_source(self._library, file, label, lines_above)

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


def _hint_for(text: str) -> str:
    """Return the hint for a panic; most kernels see no panic and do not need the table."""
    from .panic_hints import hint_for

    return hint_for(text)
