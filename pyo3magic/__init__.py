"""Rust cells in Python notebooks: ``%%rust`` builds a PyO3 extension module for the running kernel and imports it."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .api import build  # noqa: TC004 - for type checkers; the class below gives it

__all__ = ["__version__", "build", "load_ipython_extension", "unload_ipython_extension"]

from ._version import __version__


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%load_ext pyo3magic``."""
    from .extension import install

    install(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%unload_ext pyo3magic``."""
    from .extension import uninstall

    uninstall(shell)


class _Package(types.ModuleType):
    """This package, whose ``build`` is the function, although a submodule of that name exists."""

    @property
    def build(self) -> Any:
        from .api import build

        return build

    @build.setter
    def build(self, submodule: Any) -> None:
        """Importing the submodule does this; it stays in ``sys.modules`` only."""


sys.modules[__name__].__class__ = _Package
