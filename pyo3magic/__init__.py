"""Rust cells in Python notebooks: ``%%rust`` builds a PyO3 extension module for the running kernel and imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .api import Build, Event, build, wheel
    from .errors import (
        BuildError,
        CellError,
        CompileError,
        DependencyError,
        ImportConflictError,
        InterpreterError,
        Interrupted,
        ManifestError,
        OptionError,
        ProgramFailed,
        PyO3MagicError,
        ResourceError,
        RustPanic,
        StoreError,
        TestsFailed,
        ToolchainError,
    )
    from .export.wheel import Wheel

__all__ = [
    "Build",
    "BuildError",
    "CellError",
    "CompileError",
    "DependencyError",
    "Event",
    "ImportConflictError",
    "InterpreterError",
    "Interrupted",
    "ManifestError",
    "OptionError",
    "ProgramFailed",
    "PyO3MagicError",
    "ResourceError",
    "RustPanic",
    "StoreError",
    "TestsFailed",
    "ToolchainError",
    "Wheel",
    "__version__",
    "build",
    "load_ipython_extension",
    "unload_ipython_extension",
    "wheel",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%load_ext pyo3magic``."""
    from .notebook.extension import install

    install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%unload_ext pyo3magic``."""
    from .notebook.extension import uninstall

    uninstall(shell)


def __getattr__(name: str) -> Any:
    """Import public names when they are asked for: ``%load_ext`` needs none of them (PEP 562)."""
    if name == "Wheel":
        from .export.wheel import Wheel

        return Wheel
    if name in __all__:
        from . import api, errors

        return getattr(errors, name, None) or getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Called by ``jupyter labextension develop``, in a checkout."""
    return [{"src": "../ui/labextension", "dest": "pyo3magic"}]
