"""Record the cells whose latest run failed; an earlier build of such a cell no longer matches the notebook."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.errors import PyO3MagicError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Failure", "Failures"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that failed.

    Attributes:
        name: the name given with ``-m``, or empty.
        label: the cell's label, ``In[3]``.
        reason: first line of the error message.
    """

    name: str
    label: str
    reason: str


class Failures:
    """The failures of named cells that have not succeeded since.

    Attributes:
        latest: the failure of the most recent run, or None if that run succeeded.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failure] = {}
        self.latest: Failure | None = None

    def failure_of(self, name: str) -> Failure | None:
        """Return the failure of the latest run under a name, or None if that run succeeded."""
        return self._failures.get(name)

    @contextlib.contextmanager
    def recorded(self, name: str, label: str) -> Iterator[None]:
        """Record a failure of the cell that runs inside the block; on success, forget its earlier failure.

        Args:
            name: the name given with ``-m``, or empty.
            label: the cell's label, ``In[3]``.
        """
        try:
            yield
        except (PyO3MagicError, KeyboardInterrupt) as error:
            reason = error.message if isinstance(error, PyO3MagicError) else "it was interrupted"
            self.latest = Failure(name, label, reason.partition("\n")[0].rstrip("."))
            if name:
                self._failures[name] = self.latest
            raise
        self._failures.pop(name, None)
        self.latest = None
