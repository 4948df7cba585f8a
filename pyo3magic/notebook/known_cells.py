"""The cells of the session as completion and help take them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pyo3magic.assist.cell_parts import rust_of
from pyo3magic.assist.suggestion import KnownCell

if TYPE_CHECKING:
    from pyo3magic.session import Outcome, Session

__all__ = ["known_cells", "rust_of_outcome"]


def known_cells(session: Session | None) -> list[KnownCell]:
    """Return the cells that a session has run, the latest last, each with its Rust; cargo projects are left out."""
    if session is None:
        return []
    return [
        KnownCell(outcome.options.module, session.label_of(digest), rust_of_outcome(outcome))
        for digest, outcome in session.outcomes.items()
        if outcome.options.crate is None
    ]


def rust_of_outcome(outcome: Outcome) -> str:
    """Return the Rust of a cell that has been run, without front matter; lines keep their numbers."""
    return _rust(outcome.body)


@lru_cache(maxsize=512)
def _rust(body: str) -> str:
    return rust_of(body)
