"""Show a program's output as it runs, up to a limit, and keep all of it in a file."""

from __future__ import annotations

import codecs
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from pyo3magic.errors import ProgramFailed

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.crate.file_names import Names

__all__ = ["FILE_LIMIT", "Output", "Shows"]

SHOWN = 60_000
"""Number of characters of output to show while the program runs."""

FILE_LIMIT = 1 << 30
"""Number of bytes to keep; a program that writes more is ended."""

_TAIL_BYTES = 4000
_FLUSH_INTERVAL = 0.1


class Shows(Protocol):
    """A receiver of a program's output."""

    def take(self, index: int, data: bytes) -> None:
        """Take a piece of standard output (0) or standard error (1)."""

    def idle(self) -> None:
        """Handle a moment without output."""

    def finish(self) -> str:
        """Handle the end of the output, and return a note about it, or empty."""


class Output:
    """A receiver that shows a program's output and keeps it in a file.

    Args:
        file: the file for the full output; removed if all of it was shown.
        names: the user's names for the files in panic messages.
        limit: number of bytes to keep before the program is ended.
    """

    def __init__(self, file: Path, names: Names, *, limit: int = FILE_LIMIT) -> None:
        self.file = file
        self.size = 0
        self._names = names
        self._limit = limit
        self._stream = file.open("wb")
        self._is_kept = False
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = (decoder("replace"), decoder("replace"))
        self._partial = ["", ""]
        self._shown = 0
        self._hidden = 0
        self._hidden_lines = 0
        self._last: deque[bytes] = deque()
        self._last_size = 0
        self._flushed = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether all output so far was shown."""
        return self._hidden == 0 and not self._is_kept

    def take(self, index: int, data: bytes) -> None:
        """Take a piece of standard output (0) or standard error (1).

        Raises:
            ProgramFailed: the program has written more than the limit or the disk allows.
        """
        room = self._limit - self.size
        try:
            self._stream.write(data[:room])
        except OSError as error:
            self._is_kept = True
            raise ProgramFailed(
                f"The program was ended after {_bytes(self.size)} of output: {error.strerror or error}.",
                advice=f"The output up to there is in {self.file}.",
            ) from error
        self.size += len(data)
        if self.size > self._limit:
            self._is_kept = True
            raise ProgramFailed(
                f"The program was ended: it wrote more than {_bytes(self._limit)}.",
                advice=f"The first {_bytes(self._limit)} are in {self.file}. Make the program itself write such large "
                "output to a file.",
            )
        if self._shown < SHOWN:
            text = self._partial[index] + self._decoders[index].decode(data)
            whole, newline, self._partial[index] = text.rpartition("\n")
            self._show(index, whole + newline)
            if len(self._partial[index]) > SHOWN - self._shown:
                self.idle()
        else:
            self._hide(data)

    def idle(self) -> None:
        """Show the output since the last call, including an unfinished line."""
        for index, text in enumerate(self._partial):
            self._partial[index] = ""
            self._show(index, text)
        self._flush()

    def finish(self) -> str:
        """Show the rest, and return a note about omitted output, or empty."""
        self.idle()
        self._stream.close()
        if self.is_whole:
            self.file.unlink(missing_ok=True)
            return ""
        text = b"".join(self._last)[-_TAIL_BYTES:].decode(errors="replace")
        ending = self._names.text(text if self._hidden <= _TAIL_BYTES else text.partition("\n")[2] or text)
        left_out = max(self._hidden - len(ending.encode()), 0)
        lines = max(self._hidden_lines - ending.count("\n"), 0)
        sys.stdout.write(f"\n[… {_bytes(left_out)} left out …]\n{ending}")
        sys.stdout.flush()
        return f"The output was {_bytes(self.size)}, with {lines} lines not shown. All of it is in {self.file}"

    def _show(self, index: int, text: str) -> None:
        if not text:
            return
        room = max(SHOWN - self._shown, 0)
        rest = text[room:]
        if rest:
            self._hide(rest.encode())
        text = self._names.text(text[:room])
        self._shown += len(text)
        (sys.stderr if index else sys.stdout).write(text)
        if time.monotonic() - self._flushed > _FLUSH_INTERVAL:
            self._flush()

    def _hide(self, data: bytes) -> None:
        self._hidden += len(data)
        self._hidden_lines += data.count(b"\n")
        self._last.append(data)
        self._last_size += len(data)
        while self._last_size - len(self._last[0]) >= _TAIL_BYTES:
            self._last_size -= len(self._last.popleft())

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()


def _bytes(number: int) -> str:
    """Return a size in readable units."""
    value, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
