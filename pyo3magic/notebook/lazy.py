"""Magics that are made when they are first used: the parsers of all of them take 10 ms, which no ``%load_ext`` needs.

IPython has lazy magics of its own since version 9, which cannot give a class of magics what it is made with.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.magic import Magics

__all__ = ["MagicsClass", "MagicsRoom", "unwrapped"]


@dataclass(frozen=True, slots=True)
class MagicsClass:
    """Where a class of magics is defined, and which magics it has.

    Attributes:
        module: its module.
        name: the class, which is made with the shell, a function that returns the session, and the settings.
        lines: its magics that are used with one percent sign.
        cells: its magics that are used with two.
    """

    module: str
    name: str
    lines: tuple[str, ...]
    cells: tuple[str, ...] = ()


class MagicsRoom:
    """A class of magics in one shell.

    Args:
        shell: IPython's shell.
        magics_class: the class.
        arguments: what it is made with, beside the shell.
    """

    def __init__(self, shell: Any, magics_class: MagicsClass, *arguments: Any) -> None:
        self._shell = shell
        self._class = magics_class
        self._arguments = arguments
        self.magics: Magics | None = None

    def register(self) -> None:
        """Let the shell know its magics by name; nothing of them is imported."""
        for kind, names in (("line", self._class.lines), ("cell", self._class.cells)):
            for name in names:
                self._shell.magics_manager.magics[kind][name] = _LateMagic(partial(self._find, kind, name))

    def unregister(self) -> None:
        """Take them away again."""
        for kind, names in (("line", self._class.lines), ("cell", self._class.cells)):
            for name in names:
                self._shell.magics_manager.magics[kind].pop(name, None)

    def made(self) -> Magics:
        """The magics themselves, made at the first call and registered in their places."""
        if self.magics is None:
            kind = getattr(importlib.import_module(self._class.module), self._class.name)
            magics: Magics = kind(self._shell, *self._arguments)
            self._shell.register_magics(magics)
            self.magics = magics
        return self.magics

    def _find(self, kind: str, name: str) -> Any:
        return self.made().magics[kind][name]


class _LateMagic:
    # Stands for a magic until somebody calls it or asks for anything about it, its documentation for example.

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._find()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return getattr(self._find(), "__doc__", None)


def unwrapped(item: Any) -> Any:
    """The magic that a late one stands for; anything else as it is."""
    return item._find() if isinstance(item, _LateMagic) else item  # noqa: SLF001 - its own
