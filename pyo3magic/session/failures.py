"""The cells whose latest run failed: an earlier build of such a cell is not what the notebook says now."""

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
        name: the name given with ``-m``, or nothing.
        label: what the user calls the cell, ``In[3]``.
        reason: what the error said.
    """

    name: str
    label: str
    reason: str


class Failures:
    """The failures that no later success under the same name has replaced.

    Attributes:
        latest: the failure of the most recent run, or None if that run succeeded.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failure] = {}
        self.latest: Failure | None = None

    def failure_of(self, name: str) -> Failure | None:
        """The failure of the latest run under a name, or None if that run succeeded."""
        return self._failures.get(name)

    @contextlib.contextmanager
    def recorded(self, name: str, label: str) -> Iterator[None]:
        """Record a failure of the cell that runs inside, or forget its earlier one.

        Args:
            name: the name given with ``-m``, or nothing.
            label: what the user calls the cell, ``In[3]``.
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
