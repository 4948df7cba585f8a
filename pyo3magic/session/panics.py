"""Make each panic an exception with its place in the cell that every kind of worker can pass on.

PyO3 raises a panic as ``PanicException``. That is a BaseException, which ends the loop that serves a worker's tasks, so
the caller waits for ever; and no other process can unpickle it. In the main thread of a kernel it stays what it is and
gets notes. In other threads and in worker processes, where pools catch only Exception, it is a RuntimeError too. Its
text then has the place, and it is pickled as `pyo3magic.errors.RustPanic`. Calls that do not panic never come here.

Remote workers get this file and `panic_hints.py` as source: Python 3.8 and later, standard library only.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Source = tuple[str, str, int]
    """A source file's path as passed to the compiler, the name to show, and the number of lines above its line 1."""

__all__ = ["name_source", "watch", "watch_file"]

_PLACE_CAPACITY = 16384
_UNPICKLED = """(
    getattr(__import__('pyo3magic.errors', fromlist=['errors']), 'RustPanic', RuntimeError)
    if __import__('importlib.util', fromlist=['util']).find_spec('pyo3magic')
    else RuntimeError
)(text)"""

_watched: dict[str, ctypes.PyDLL] = {}


def watch(library: ctypes.PyDLL, hint_for: Callable[[str], str], *, worker: bool = False) -> None:
    """Note the place of each panic in a module, and let its exceptions tell of it.

    Args:
        library: the loaded extension module file; a module without the support crate is left alone.
        hint_for: what may be the cure for a panic with a given text, or an empty string.
        worker: whether this process only works for another one, so that its main thread, too, serves tasks.
    """
    note = getattr(library, "pyo3magic_watch_panics", None)
    kind = getattr(library, "pyo3magic_panic_type", None)
    if note is None or kind is None:
        return
    note()
    kind.restype = ctypes.py_object
    _tell_places(kind(), lambda text: _place(library, text), hint_for, 0 if worker else os.getpid())


def watch_file(file: str, sources: Iterable[Source], hint_for: Callable[[str], str], *, worker: bool = True) -> None:
    """Do the same once for a module that is loaded without a session, and name its sources.

    What no exception has told of is written when the process ends.

    Args:
        file: the loaded extension module file.
        sources: arguments of `name_source`, for each file with a panic's place.
        hint_for: as for `watch`.
        worker: as for `watch`.
    """
    if file not in _watched:
        library = _watched[file] = ctypes.PyDLL(file)
        watch(library, hint_for, worker=worker)
        atexit.register(getattr(library, "pyo3magic_flush", int))
    for name, label, lines_above in sources:
        name_source(_watched[file], name, label, lines_above)


def name_source(library: ctypes.PyDLL, file: str, label: str, lines_above: int) -> None:
    """Set the name that panic messages use for a source file.

    Args:
        library: the loaded extension module file.
        file: the source file's path as passed to the compiler.
        label: the name to show, ``In[3]``.
        lines_above: number of lines above the line that the user counts as line 1.
    """
    function = getattr(library, "pyo3magic_name_source", None)
    if function is not None:
        function(file.encode(), label.encode(), ctypes.c_uint32(lines_above))


def _place(library: ctypes.PyDLL, text: str) -> str:
    """Return a line about the place of the latest panic with this text, and the cell's frames if there are any."""
    buffer = ctypes.create_string_buffer(_PLACE_CAPACITY)
    given = text.encode(errors="replace").partition(b"\0")[0]
    size = library.pyo3magic_panic_place(given, buffer, ctypes.c_size_t(_PLACE_CAPACITY))
    place, _, frames = buffer.raw[:size].decode(errors="replace").partition("\n")
    return f"The Rust code panicked in {place}.\n{frames}".rstrip() if place else ""


def _tell_places(kind: Any, place: Callable[[str], str], hint_for: Callable[[str], str], kernel: int) -> None:
    """Change what PyO3 makes of a panic: its class, of which each module has its own, is an ordinary Python class.

    Args:
        kind: PanicException.
        place: a line about the place of the latest panic with a given text, or an empty string.
        hint_for: as for `watch`.
        kernel: the process whose main thread raises ``kind`` itself; a fork of it is a worker.
    """
    plain: Any = type(kind.__name__, (kind, RuntimeError), {"__module__": kind.__module__})

    def initialise(self: Any, *arguments: object) -> None:
        BaseException.__init__(self, *arguments)
        text = str(arguments[0]) if arguments else ""
        hint = hint_for(text)
        notes = list(filter(None, (place(text), hint and f"Hint: {hint}")))
        in_kernel = os.getpid() == kernel and threading.get_ident() == threading.main_thread().ident
        if in_kernel and hasattr(self, "add_note"):
            for note in notes:
                self.add_note(note)
        elif notes:
            self.args = ("\n".join([text, *notes]), *arguments[1:])
        if not in_kernel:
            self.__class__ = plain
            if sys.version_info < (3, 11):
                # Python has already chosen which handlers to compare the class with; a new exception is compared again.
                raise self

    with contextlib.suppress(AttributeError, TypeError):
        kind.__init__ = initialise
        kind.__reduce__ = _reduce


def _reduce(self: BaseException) -> tuple[Any, ...]:
    """Pickle an exception by its text; the process that unpickles it need not have this package."""
    text = "\n".join([str(self), *getattr(self, "__notes__", ())])
    return eval, (_UNPICKLED, {"text": text})
