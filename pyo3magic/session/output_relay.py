"""Relay Rust's output to a notebook without running Python.

ipykernel replaces file descriptors 1 and 2 with pipes and reads them in Python threads. A Rust function that holds the
interpreter lock and prints more than a pipe can hold would wait for such a thread forever. The first module with a
relay therefore puts another pipe, read by a Rust thread, in front of each (see ``support/src/lib.rs``).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .support import Support

__all__ = ["Relay"]

_DRAIN_SECONDS = 0.2
_HELD_SECONDS = 10.0
_QUIET = 2
"""Consecutive pauses without output after which all output counts as read."""


class Relay:
    """The pipes between Rust and the kernel's readers of standard output and standard error."""

    def __init__(self) -> None:
        self._support: Support | None = None
        self._pipes: list[int] = []
        self._passed = 0

    def start(self, support: Support) -> None:
        """Put relays in front of the kernel's pipes, once; do nothing if the kernel has no such pipes."""
        if self._support is not None or os.name != "posix":
            return
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if not isinstance(getattr(stream, "_fid", None), int):
                continue
            source, sink = os.pipe()
            target = os.dup(number)
            if not support.relay(source, target):
                for descriptor in (source, sink, target):
                    os.close(descriptor)
                return
            os.dup2(sink, number)
            os.close(sink)
            self._pipes.append(source)
            self._support = support

    def drain(self) -> None:
        """Wait until the kernel has read all output written so far.

        Output that its readers find after the cell has ended would appear under another cell, or nowhere. The pause
        gives the readers the interpreter lock; ipykernel flushes its streams before it reports the end of the cell.
        """
        support = self._support
        if support is None:
            return
        started = time.monotonic()
        readers = [getattr(stream, "_fid", None) for stream in (sys.stdout, sys.stderr)]
        watched = [reader for reader in readers if isinstance(reader, int)]
        quiet = 0
        while quiet < _QUIET:
            # The order matters: bytes count as held before they leave a pipe, and as passed before they are released.
            held = any(map(_is_pending, self._pipes)) or support.held() > 0
            if held or any(map(_is_pending, watched)):
                quiet = 0
            elif support.passed() == self._passed:
                return
            else:
                # A reader that waits for the interpreter lock may still have the last bytes.
                quiet += 1
            if time.monotonic() - started > (_HELD_SECONDS if held else _DRAIN_SECONDS):
                break
            time.sleep(0.0002)
        self._passed = support.passed()


def _is_pending(descriptor: int) -> bool:
    import fcntl
    import termios

    none: Any = b"\0\0\0\0"
    with contextlib.suppress(OSError):
        return bool(fcntl.ioctl(descriptor, termios.FIONREAD, none) != none)
    return False
