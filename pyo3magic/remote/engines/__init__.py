"""Kinds of clusters, found by the entry point group ``pyo3magic.engines``.

Any installed package can add an engine, as packages add kernel provisioners to jupyter_client: see "Adding an engine"
in docs/scale.md. Entry points are read only when ``--on`` is given a value that is not a remote kernel's name.
Everything that an engine needs can be imported from here.
"""

from __future__ import annotations

import importlib.util
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from pyo3magic.errors import OptionError
from pyo3magic.remote.target import Deadline, TargetError, TargetTimeoutError, TargetUnreachableError
from pyo3magic.remote.workers import KEPT, Delivered, Delivery, Workers, is_a, within

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "GROUP",
    "KEPT",
    "Deadline",
    "Delivered",
    "Delivery",
    "Engine",
    "EngineError",
    "TargetError",
    "TargetTimeoutError",
    "TargetUnreachableError",
    "Workers",
    "engines",
    "is_a",
    "missing_engine",
    "within",
    "workers_of",
]

GROUP = "pyo3magic.engines"
"""The entry point group. Each entry point names a module or an object that is an `Engine`."""

_log = logging.getLogger(__name__)


class EngineError(TargetError):
    """An engine is not installed, cannot be imported, or is declared twice."""


@runtime_checkable
class Engine(Protocol):
    """What an entry point names: usually a module with these four names and one function.

    An engine must not import its library when it is imported, and must not change the values that it is shown.

    Attributes:
        NAME: what messages call the engine, such as ``Dask``.
        LIBRARY: the top-level package that users import, such as ``distributed``.
        PACKAGE: what pip installs to provide it.
        TAKES: the values that the engine takes, in words, such as ``a Dask Client``.
    """

    NAME: str
    LIBRARY: str
    PACKAGE: str
    TAKES: str

    def workers_of(self, value: object, /) -> Workers | None:
        """The workers behind a value.

        Args:
            value: what the expression after ``--on`` evaluates to, of any type. Use `is_a` to recognise a class
                without importing its library.

        Returns:
            The workers, or None if the value is not this engine's.

        Raises:
            PyO3MagicError: the value is this engine's, but cannot be used. No other engine is then asked.
        """


def engines() -> tuple[Engine, ...]:
    """All installed engines, by name; an engine that cannot be imported is left out, and the log says why.

    Raises:
        EngineError: two packages declare engines of the same name.
    """
    return _loaded()[0]


def workers_of(value: object) -> Workers:
    """The workers behind a cluster's client or view.

    Args:
        value: what the expression after ``--on`` evaluates to.

    Raises:
        OptionError: no engine takes the value.
        EngineError: no engine takes the value, and one that might cannot be imported; its library is not
            installed; or two packages declare engines of the same name.
    """
    found, failures = _loaded()
    for engine in found:
        try:
            workers = engine.workers_of(value)
        except ImportError as error:
            if not _is_installed(engine.LIBRARY):
                raise _not_installed(engine) from None
            raise EngineError(
                f"{engine.NAME} cannot be used: {error}.", advice=f"Run %pip install --upgrade {engine.PACKAGE}"
            ) from error
        if workers is not None:
            return workers
    if failures:
        raise failures[0]
    if not found:
        raise EngineError(
            "This installation of pyo3magic declares no engines, not even its own.",
            advice="Install it again: %pip install --force-reinstall --no-deps pyo3magic",
        )
    what = f"the module {value.__name__}" if isinstance(value, ModuleType) else type(value).__name__
    known = ", ".join(engine.TAKES for engine in found)
    raise OptionError(
        f"--on cannot ship to {what}.",
        advice=f"It takes the name of a kernel that %pyo3_connect knows, or one of these: {known}.",
    )


def missing_engine(expression: str, error: Exception) -> EngineError | None:
    """The error for an expression that failed because an engine's library is not installed.

    Args:
        expression: what stands after ``--on``.
        error: what evaluating it raised.

    Returns:
        None if the expression failed for another reason.
    """
    if not isinstance(error, (NameError, ImportError)):
        return None
    wanted = error.name or expression
    for engine in engines():
        if _is_library(engine, wanted) and not _is_installed(engine.LIBRARY):
            return _not_installed(engine)
    return None


def _loaded() -> tuple[tuple[Engine, ...], list[EngineError]]:
    """The engines that can be used, and what is wrong with the others."""
    from importlib.metadata import entry_points

    declared: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        other = declared.setdefault(point.name, point)
        if other.value != point.value:
            raise EngineError(
                f"Two packages declare an engine named {point.name!r}: {_origin(other)} and {_origin(point)}.",
                advice="Uninstall one of them.",
            )
    found: list[Engine] = []
    failures: list[EngineError] = []
    for name, point in declared.items():
        try:
            engine = point.load()
        except Exception as error:  # noqa: BLE001 - another package's code
            why = f"{type(error).__name__}: {error}"
        else:
            lacking = [each for each in ("NAME", "LIBRARY", "PACKAGE", "TAKES") if not _is_text(engine, each)]
            lacking += [] if callable(getattr(engine, "workers_of", None)) else ["workers_of"]
            if not lacking:
                found.append(cast("Engine", engine))
                continue
            why = f"{point.value} lacks {', '.join(lacking)}"
        failures.append(
            EngineError(
                f"The engine {name!r} of {_origin(point)} cannot be used: {why}.",
                advice="Update or uninstall that package.",
            )
        )
        _log.warning("%s", failures[-1].message)
    return tuple(found), failures


def _is_text(engine: object, name: str) -> bool:
    return isinstance(getattr(engine, name, None), str)


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _is_library(engine: Engine, name: str | None) -> bool:
    """Whether a module's or variable's name means an engine's library: ``dask`` and ``distributed`` mean Dask."""
    top = (name or "").partition(".")[0]
    return top in {engine.LIBRARY, engine.NAME.lower()}


def _is_installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except (ImportError, ValueError):
        return False


def _not_installed(engine: Engine) -> EngineError:
    return EngineError(
        f"{engine.NAME} is not installed in this kernel's environment.", advice=f"Run %pip install {engine.PACKAGE}"
    )
