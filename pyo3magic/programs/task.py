"""A cell that is compiled for a purpose other than import, with everything needed to compile it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyo3magic.crate.file_names import Names, names_of
from pyo3magic.diagnostics import from_rustc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pyo3magic.cell import Options
    from pyo3magic.crate import Crate
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact

__all__ = ["Task", "diagnose"]


@dataclass(frozen=True, slots=True)
class Task:
    """A cell to run, test or inspect.

    Attributes:
        context: where and with what to compile.
        options: its options.
        body: the text below the ``%%rust`` line, or the text of the file in its place.
        label: its label, ``In[3]``, or the file's path.
        cells: the session's cells by name, which it may use.
    """

    context: Context
    options: Options
    body: str
    label: str
    cells: Mapping[str, Artifact] = field(default_factory=dict, hash=False)

    def names(self, crate: Crate) -> Names:
        """Return the user's names for the files of the cell's package."""
        return names_of(self.options, self.label, crate.companions, self.context.directory)


def diagnose(messages: Iterable[Mapping[str, Any]], crate: Crate, names: Names) -> tuple[Diagnostic, ...]:
    """Return the compiler's diagnostics for a cell, from its JSON messages."""
    found = (from_rustc(message, exports=crate.places) for message in messages)
    return names.diagnostics(dict.fromkeys(item for item in found if item is not None))
