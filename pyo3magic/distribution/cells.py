"""The session's cells as values that can be exported."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pyo3magic.errors import OptionError

from .package import BuiltCell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.session import Outcome, Session

__all__ = ["built_cell", "chosen_cells", "session_cells"]


def built_cell(outcome: Outcome) -> BuiltCell:
    """What an outcome of the session was built from."""
    artifact = outcome.artifact
    lock = (artifact.crate / "Cargo.lock").read_text(encoding="utf-8")
    return BuiltCell(artifact.module, outcome.options, outcome.body, lock)


def session_cells(session: Session) -> dict[str, BuiltCell]:
    """The latest cell of each module, the one built last at the end; modules of ``--crate`` are no cells."""
    cells: dict[str, BuiltCell] = {}
    for outcome in session.outcomes.values():
        cells.pop(outcome.artifact.module, None)
        if outcome.options.crate is None:
            cells[outcome.artifact.module] = built_cell(outcome)
    return cells


def chosen_cells(cells: Mapping[str, BuiltCell], names: tuple[str, ...]) -> tuple[BuiltCell, ...]:
    """The cells of the modules that were named; the one built last when none was.

    Raises:
        OptionError: nothing has been built, or no module of such a name.
    """
    if not cells:
        raise OptionError(
            "No Rust cell has been built in this session, so that there is nothing to export.",
            advice="Run a %%rust cell first; one that fails is not kept.",
        )
    if not names:
        return (list(cells.values())[-1],)
    for name in names:
        if name not in cells:
            near = get_close_matches(name, list(cells), n=1)
            raise OptionError(
                f"No module {name!r} has been built in this session; a cell that failed has none.",
                advice=(f"Did you mean {near[0]}? " if near else "") + f"Built are: {', '.join(cells)}.",
            )
    return tuple(cells[name] for name in dict.fromkeys(names))
