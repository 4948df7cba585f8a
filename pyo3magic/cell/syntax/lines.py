"""The lines of a source, found once: a search for each place would grow with the square of the text."""

from __future__ import annotations

import re
from bisect import bisect_left

__all__ = ["Lines"]


class Lines:
    """The lines of a source. All offsets and lines count from 0.

    Args:
        text: the source, UTF-8.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer(rb"\n", text)]
        self._line: tuple[int, str] = (-1, "")
        self._column = (-1, 0, 0)

    def row(self, at: int) -> int:
        """Return the line of an offset."""
        return bisect_left(self._ends, at)

    def newline_before(self, at: int) -> int:
        """Return the offset of the last line feed before an offset; -1 if there is none."""
        row = self.row(at)
        return self._ends[row - 1] if row else -1

    def column(self, at: int) -> int:
        """Return the number of characters between the start of an offset's line and the offset.

        The last answer is where the next one on the same line starts to count, so many places on one long line cost no
        more than one.
        """
        row, begin = self.row(at), self.newline_before(at) + 1
        last, start, column = self._column
        if last != row or start > at:
            start, column = begin, 0
        column += len(self._text[start:at].decode())
        self._column = (row, at, column)
        return column

    def line(self, at: int) -> str:
        """Return the text of an offset's line, without its line end."""
        row, begin = self.row(at), self.newline_before(at) + 1
        if self._line[0] != row:
            end = self._ends[row] if row < len(self._ends) else len(self._text)
            self._line = (row, self._text[begin:end].decode().rstrip("\r"))
        return self._line[1]
