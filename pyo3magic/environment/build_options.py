"""What a person asks of a build besides the cell itself, and the steps that a build reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULTS", "DEFAULT_EDITION", "BuildOptions", "Event", "silent"]

DEFAULT_EDITION = "2024"
"""The Rust edition of cells that name none."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a running build, for whoever shows progress.

    Attributes:
        kind: what is being done.
        text: the crates or files concerned.
        done: crates compiled so far.
        total: crates to compile; 0 where that is not known.
    """

    kind: Literal["waiting", "resolving", "compiling"]
    text: str = ""
    done: int = 0
    total: int = 0


def silent(event: Event) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build, as settings, environment variables and the options of a magic say together.

    Made in one place (`pyo3magic.settings.PyO3Magic.build_options`) and passed on unchanged.

    Attributes:
        python: another Python executable of the same ABI to build for; empty for the running one.
        target: the Rust target to build for; empty for this machine's.
        offline: never ask a registry.
        edition: Rust edition of cells that name none.
        pyo3: pyo3 requirement of cells that name none; empty for the default range.
        force: build through cargo even if the store has the artifact.
        report: is called with each `Event` of the build.
    """

    python: str = ""
    target: str = ""
    offline: bool = False
    edition: str = DEFAULT_EDITION
    pyo3: str = ""
    force: bool = False
    report: Callable[[Event], None] = silent


DEFAULTS = BuildOptions()
"""What is asked of a build where nothing is said."""
