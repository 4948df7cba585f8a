"""The kinds of clusters: each module or package in here is one, and says itself which values it takes.

An engine has ``TAKES``, what it takes in words, and ``workers_of``, which gives the `Workers` behind such a value and
None for any other. It imports its library only when it has been given a value of it. Nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from pyo3magic.remote.workers import Workers

__all__ = ["Engine", "engines", "workers_of"]


class Engine(Protocol):
    """What a module in here offers."""

    TAKES: str

    def workers_of(self, value: object) -> Workers | None:
        """The workers behind a client or view; None if it is not this engine's."""


def engines() -> tuple[Engine, ...]:
    """All engines, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast("Engine", importlib.import_module(f"{__name__}.{name}")) for name in names)


def workers_of(value: object) -> Workers:
    """The workers behind a cluster's client or view.

    Raises:
        OptionError: no engine takes the value.
    """
    for engine in engines():
        workers = engine.workers_of(value)
        if workers is not None:
            return workers
    what = f"the module {value.__name__}" if isinstance(value, ModuleType) else type(value).__name__
    known = ", ".join(engine.TAKES for engine in engines())
    raise OptionError(
        f"--on cannot ship to {what}.",
        advice=f"It takes the name of a kernel that %pyo3_connect knows, or one of these: {known}.",
    )
