"""Rust cells in Python notebooks: ``%%rust`` builds a PyO3 extension module for the running kernel and imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]

__version__ = "0.1.0"

_ATTRIBUTE = "_pyo3magic"


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%load_ext pyo3magic``."""
    from .extension import install

    install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%unload_ext pyo3magic``."""
    from .extension import uninstall

    uninstall(shell)


def __getattr__(name: str) -> Any:
    if name == "build":
        from .api import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
