"""Let pickle find the ufuncs of exactly one build of a cell.

NumPy pickles a ufunc by its name. Where its ufuncs cannot have ``__module__`` (NumPy 1.26 and 2.0), pickle takes the
first module that has the ufunc: that may be ``-m NAME``, which another process knows as another version of the cell.
"""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["adopt_ufunc", "is_ufunc"]

_homes: dict[int, tuple[Any, ModuleType]] = {}
"""By the identity of each ufunc from a cell, the ufunc and its module."""
_before: dict[type, Any] = {}
"""NumPy's own function that pickles ufuncs."""


def is_ufunc(item: object) -> bool:
    """Return whether an object is a NumPy ufunc; NumPy is not imported for this."""
    kind = type(item)
    return kind.__name__ == "ufunc" and kind.__module__.partition(".")[0] == "numpy"


def adopt_ufunc(ufunc: Any, module: ModuleType, alias: str) -> None:
    """Make a ufunc pickle as an attribute of its module.

    Args:
        ufunc: the ufunc.
        module: the module of its cell, which is pickled by its alias (`RustModule`).
        alias: the name under which other processes import the module.
    """
    try:
        ufunc.__module__ = alias
    except AttributeError:
        kind = type(ufunc)
        if kind not in _before:
            _before[kind] = copyreg.dispatch_table.get(kind)
            copyreg.pickle(kind, _reduce)
        _homes[id(ufunc)] = ufunc, module


def _reduce(ufunc: Any) -> str | tuple[Any, ...]:
    found = _homes.get(id(ufunc))
    if found is not None:
        return getattr, (found[1], ufunc.__name__)
    reduced: str | tuple[Any, ...] = _before[type(ufunc)](ufunc)
    return reduced
