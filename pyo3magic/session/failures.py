"""Which cells were tried last and failed, so that what was built before them is not taken for the newest."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.errors import PyO3MagicError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Attempts", "Failure"]


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


class Attempts:
    """The failures that no later success under the same name has made good.

    Attributes:
        latest: the cell tried last, where it failed.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failure] = {}
        self.latest: Failure | None = None

    def failure_of(self, name: str) -> Failure | None:
        """The failure of the cell that was tried last under a name."""
        return self._failures.get(name)

    @contextlib.contextmanager
    def noted(self, name: str, label: str) -> Iterator[None]:
        """Note whether the cell that is tried inside fails."""
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
