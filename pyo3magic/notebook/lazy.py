"""Magics that are imported at their first use, which saves ``%load_ext`` the 10 ms that their parsers take.

IPython 9 has lazy magics, but cannot pass arguments to the constructor of their class.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.magic import Magics

__all__ = ["MagicsClass", "MagicsRoom", "unwrapped"]


@dataclass(frozen=True, slots=True)
class MagicsClass:
    """A class of magics by name, not yet imported.

    Attributes:
        module: its module.
        name: the class.
        lines: the names of its line magics.
        cells: the names of its cell magics.
    """

    module: str
    name: str
    lines: tuple[str, ...]
    cells: tuple[str, ...] = ()


class MagicsRoom:
    """Registers a class of magics in one shell, and makes its instance at the first use of one of them.

    Args:
        shell: IPython's shell.
        magics_class: the class.
        arguments: the other arguments of the class.
    """

    def __init__(self, shell: Any, magics_class: MagicsClass, *arguments: Any) -> None:
        self._shell = shell
        self._class = magics_class
        self._arguments = arguments
        self.magics: Magics | None = None

    def register(self) -> None:
        """Register the magics' names with the shell; nothing is imported."""
        for kind, names in (("line", self._class.lines), ("cell", self._class.cells)):
            for name in names:
                self._shell.magics_manager.magics[kind][name] = _LazyMagic(partial(self._find, kind, name))

    def unregister(self) -> None:
        """Unregister the magics."""
        for kind, names in (("line", self._class.lines), ("cell", self._class.cells)):
            for name in names:
                self._shell.magics_manager.magics[kind].pop(name, None)

    def made(self) -> Magics:
        """The instance, made and registered at the first call."""
        if self.magics is None:
            kind = getattr(importlib.import_module(self._class.module), self._class.name)
            magics: Magics = kind(self._shell, *self._arguments)
            self._shell.register_magics(magics)
            self.register()
            self.magics = magics
        return self.magics

    def _find(self, kind: str, name: str) -> Any:
        return self.made().magics[kind][name]


class _LazyMagic:
    # Stands for a magic: the class is imported when the magic is called, or one of its attributes is read.

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        try:
            return self._find()(*arguments, **options)
        except Interrupted:
            raise
        except KeyboardInterrupt:  # while modules are imported, for example
            raise Interrupted("Interrupted.") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return getattr(self._find(), "__doc__", None)


def unwrapped(item: Any) -> Any:
    """The magic that a lazy one stands for; any other object unchanged."""
    return item._find() if isinstance(item, _LazyMagic) else item  # noqa: SLF001 - its own
