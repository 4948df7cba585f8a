"""What a loaded module's support code offers: where a panic happened, and output that Rust still holds back."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Support"]

_PATH_CAPACITY = 1024


class Support:
    """The C functions of the support crate, which is linked into each module (`support/src/lib.rs`).

    Args:
        file: the loaded extension module file.
        describe: tells what the user calls the cell whose source file has that path, ``In[3]``; None for other files.
        lines_above: lines of the source file above what the user counts as line 1.
    """

    def __init__(self, file: Path, describe: Callable[[str], str | None], lines_above: int = 0) -> None:
        library = self._library = ctypes.PyDLL(str(file))
        self._describe = describe
        self._lines_above = lines_above
        self._flush: Callable[[], object] | None = getattr(library, "pyo3magic_flush", None)
        self._last_panic: Any = getattr(library, "pyo3magic_last_panic", None)
        watch = getattr(library, "pyo3magic_watch_panics", None)
        kind = getattr(library, "pyo3magic_panic_type", None)
        if watch is not None and kind is not None:
            watch()
            kind.restype = ctypes.py_object
            _note_places(kind(), self._place)

    def flush(self) -> None:
        """Write out what Rust's ``print!`` still holds back."""
        if self._flush is not None:
            self._flush()

    def relay(self, source: int, target: int) -> bool:
        """Pass what is written to one file descriptor on to another without Python; whether that can be done."""
        relay = getattr(self._library, "pyo3magic_relay", None)
        if relay is not None:
            relay(source, target)
        return relay is not None

    def held(self) -> int:
        """Bytes that this module's relays have not passed on yet."""
        held = self._library.pyo3magic_held
        held.restype = ctypes.c_size_t
        return int(held())

    def _place(self) -> str:
        file = ctypes.create_string_buffer(_PATH_CAPACITY)
        line, column = ctypes.c_uint32(), ctypes.c_uint32()
        size = self._last_panic(file, ctypes.c_size_t(_PATH_CAPACITY), ctypes.byref(line), ctypes.byref(column))
        if not size:
            return ""
        path = file.raw[: min(size, _PATH_CAPACITY)].decode(errors="replace").replace("\\", "/")
        label = self._describe(path)
        number = line.value if label is None else line.value - self._lines_above
        return f"{label or path}, line {number}, column {column.value}"


def _note_places(exception: type[BaseException], place: Callable[[], str]) -> None:
    """Let each new instance of PyO3's PanicException (a class of its own in each module) say where the panic was."""

    def initialise(self: BaseException, *args: object) -> None:
        BaseException.__init__(self, *args)
        where = place()
        if not where:
            return
        note = f"The Rust code panicked in {where}."
        if hasattr(self, "add_note"):
            self.add_note(note)
        else:
            self.args = (f"{args[0] if args else ''}\n{note}", *args[1:])

    with contextlib.suppress(AttributeError, TypeError):
        exception.__init__ = initialise  # type: ignore[method-assign]
