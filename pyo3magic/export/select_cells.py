"""From the session's cells to a package that can be exported."""

from __future__ import annotations

import dataclasses
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.environment.context import gather
from pyo3magic.errors import OptionError

from .build_target import make_variant
from .source_tree import BuiltCell, make_package
from .tags import check_abi3, parse_abi3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.environment.context import Context
    from pyo3magic.session import Session
    from pyo3magic.session.failures import Failure

    from .metadata import MetadataOptions
    from .source_tree import Package

__all__ = ["chosen_cells", "prepare_export", "session_cells"]


def prepare_export(
    session: Session,
    names: tuple[str, ...],
    *,
    options: MetadataOptions,
    defaults: Mapping[str, Any],
    abi3: str | None = None,
    build: BuildOptions = DEFAULTS,
) -> tuple[Context, Package]:
    """The package of the modules that were named, and the context to build it in.

    Args:
        session: has built them.
        names: the modules; none for the cell built last.
        options: the metadata that the magic's options give.
        defaults: the settings' metadata.
        abi3: what ``--abi3`` says, or None.
        build: what is asked of the build, the Rust target among it.

    Raises:
        PyO3MagicError: of the kind that fits.
    """
    cells = session_cells(session)
    chosen = chosen_cells(session, cells, names)
    # The context stays that of this machine: a variant of it is made for each wheel.
    context = gather(session.store, dataclasses.replace(build, target=""))
    target = build.target
    interpreter = make_variant(context, target=target).context.interpreter if target else context.interpreter
    version = parse_abi3(abi3)
    if version is not None:
        check_abi3(version, interpreter)
    package = make_package(
        context,
        chosen,
        options=options,
        available=cells,
        defaults=defaults,
        abi3=version,
        interpreter=interpreter,
    )
    for member in package.members:
        _check_good(session, member.module)
    return context, package


def session_cells(session: Session) -> dict[str, BuiltCell]:
    """The latest cell of each module, the one built last at the end; modules of ``--crate`` are no cells."""
    cells = {}
    for name, made in session.made.items():
        if made.options.crate is None:
            lock = (made.artifact.crate / "Cargo.lock").read_text(encoding="utf-8")
            cells[name] = BuiltCell(name, made.options, made.body, lock)
    return cells


def chosen_cells(session: Session, cells: Mapping[str, BuiltCell], names: tuple[str, ...]) -> tuple[BuiltCell, ...]:
    """The cells of the modules that were named; the one built last when none was.

    Args:
        session: knows which cells failed.
        cells: its cells (`session_cells`).
        names: the modules that were named.

    Raises:
        OptionError: nothing has been built, no module of such a name, or the cell failed when it was run last.
    """
    latest = session.failures.latest
    if not names and latest is not None:
        raise _failed(session, latest, "The cell that was run last")
    for name in names:
        _check_good(session, name)
    if not cells:
        raise OptionError(
            "No Rust cell has been built in this session, so that there is nothing to export.",
            advice="Run a %%rust cell first.",
        )
    if not names:
        return (list(cells.values())[-1],)
    for name in names:
        if name not in cells:
            near = get_close_matches(name, list(cells), n=1)
            raise OptionError(
                f"No module {name!r} has been built in this session.",
                advice=(f"Did you mean {near[0]}? " if near else "") + f"Built are: {', '.join(cells)}.",
            )
    return tuple(cells[name] for name in dict.fromkeys(names))


def _check_good(session: Session, name: str) -> None:
    """Raise OptionError when the cell of that name failed when it was run last, whatever was built of it before."""
    failure = session.failures.failure_of(name)
    if failure is not None:
        raise _failed(session, failure, f"The cell of {name!r}")


def _failed(session: Session, failure: Failure, which: str) -> OptionError:
    earlier = [item for item in session.outcomes.values() if item.artifact.module == failure.name]
    kept = ""
    if earlier:
        label = session.label_of(earlier[-1].artifact.digest)
        kept = f" The version of {label}, which was built before, is not what the notebook says now."
    return OptionError(
        f"{which} failed, in {failure.label} ({failure.reason}); nothing is exported.{kept}",
        advice="Correct the cell and run it" + (", or run that version again." if earlier else "."),
    )
