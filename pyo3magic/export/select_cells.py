"""Chooses the session's cells that are exported, and refuses those whose last run failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.errors import OptionError

from .prepare_package import prepare_package
from .source_tree import BuiltCell

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context
    from pyo3magic.session import Session
    from pyo3magic.session.failures import Failure

    from .metadata import MetadataOptions
    from .source_tree import Package

__all__ = ["SessionCells", "chosen_cells", "prepare_export"]


def prepare_export(
    session: Session,
    names: tuple[str, ...],
    *,
    options: MetadataOptions,
    defaults: Mapping[str, Any],
    abi3: str | None = None,
    build: BuildOptions = DEFAULTS,
) -> tuple[Context, Package]:
    """The package of the named modules, and the context to build it in. Cargo is not started.

    Args:
        session: the session that has built the modules.
        names: the modules' names; empty for the cell built last.
        options: the metadata from the magic's options.
        defaults: the metadata from the settings.
        abi3: the value of ``--abi3``, or None.
        build: how to build, the Rust target included.

    Raises:
        OptionError: a name, a version or another option is invalid, or a chosen cell failed.
        ManifestError: the cells' front matter does not fit together.
        ToolchainError: cargo, rustc or something for the target is missing.
        InterpreterError: the Python to build for cannot be used.
    """
    cells = SessionCells(session)
    context, package = prepare_package(
        session.store,
        chosen_cells(session, cells, names),
        available=cells,
        options=options,
        defaults=defaults,
        abi3=abi3,
        build=build,
    )
    for member in package.members:
        _check_good(session, member.module)
    return context, package


class SessionCells(Mapping[str, BuiltCell]):
    """By module, the cell built last; the most recent at the end. Modules of ``--crate`` have no cell.

    A cell's package is read when the cell is asked for, so damage in another cell's package does no harm.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made = {name: made for name, made in session.made.items() if made.options.crate is None}

    def __getitem__(self, name: str) -> BuiltCell:
        """Return a cell.

        Raises:
            KeyError: there is no such cell.
            StoreError: the cell's artifact is damaged or no longer in the store.
        """
        made = self._made[name]
        artifact = self._session.store.need(name, made.artifact.digest)
        return BuiltCell.of(name, made.options, made.body, artifact.crate)

    def __iter__(self) -> Iterator[str]:
        """Return the names of the modules."""
        return iter(self._made)

    def __len__(self) -> int:
        """Return the number of modules."""
        return len(self._made)


def chosen_cells(session: Session, cells: Mapping[str, BuiltCell], names: tuple[str, ...]) -> tuple[BuiltCell, ...]:
    """The cells of the named modules, or the cell built last.

    Args:
        session: the session, which knows the cells that failed.
        cells: the session's cells (`SessionCells`).
        names: the modules' names; empty for the cell built last.

    Raises:
        OptionError: nothing has been built, there is no module of that name, or the cell's last run failed.
    """
    latest = session.failures.latest
    if not names and latest is not None:
        raise _failed(session, latest, "The last cell that was run")
    for name in names:
        _check_good(session, name)
    if not cells:
        raise OptionError(
            "No Rust cell has been built in this session, so there is nothing to export.",
            advice="Run a %%rust cell first.",
        )
    if not names:
        return (cells[list(cells)[-1]],)
    for name in names:
        if name not in cells:
            near = get_close_matches(name, list(cells), n=1)
            raise OptionError(
                f"No module {name!r} has been built in this session.",
                advice=(f"Did you mean {near[0]}? " if near else "") + f"The modules built are: {', '.join(cells)}.",
            )
    return tuple(cells[name] for name in dict.fromkeys(names))


def _check_good(session: Session, name: str) -> None:
    """Raise OptionError if the last run of the cell of that name failed, even if an earlier version was built."""
    failure = session.failures.failure_of(name)
    if failure is not None:
        raise _failed(session, failure, f"The cell of {name!r}")


def _failed(session: Session, failure: Failure, which: str) -> OptionError:
    earlier = [item for item in session.outcomes.values() if item.artifact.module == failure.name]
    kept = ""
    if earlier:
        label = session.label_of(earlier[-1].artifact.digest)
        kept = f" The earlier build, from {label}, no longer matches the notebook."
    return OptionError(
        f"{which} failed, in {failure.label} ({failure.reason}); nothing is exported.{kept}",
        advice="Correct the cell and run it" + (", or run that version again." if earlier else "."),
    )
