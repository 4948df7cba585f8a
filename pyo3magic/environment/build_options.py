"""The user's options for a build besides the cell itself, and the steps that a build reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULTS", "DEFAULT_EDITION", "BuildOptions", "Event", "silent"]

DEFAULT_EDITION = "2024"
"""The Rust edition of cells that do not choose one."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a running build, for the display of progress.

    Attributes:
        kind: the kind of step.
        text: the crates or files concerned.
        done: number of crates compiled so far.
        total: number of crates to compile; 0 if unknown.
    """

    kind: Literal["waiting", "resolving", "compiling"]
    text: str = ""
    done: int = 0
    total: int = 0


def silent(event: Event) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build, from settings, environment variables and a magic's options together.

    Only `pyo3magic.settings.PyO3Magic.build_options` makes it; it is passed on unchanged.

    Attributes:
        python: another Python executable of the same ABI to build for; empty for the running Python.
        target: the Rust target to build for; empty for this machine.
        offline: never contact a registry.
        edition: Rust edition of cells that do not choose one.
        pyo3: pyo3 requirement of cells that do not give one; empty for the default range.
        force: build through cargo even if the store has the artifact.
        report: called with each `Event` of the build.
    """

    python: str = ""
    target: str = ""
    offline: bool = False
    edition: str = DEFAULT_EDITION
    pyo3: str = ""
    force: bool = False
    report: Callable[[Event], None] = silent


DEFAULTS = BuildOptions()
"""The default options."""
