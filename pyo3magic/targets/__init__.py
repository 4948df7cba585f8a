"""Where a module is wanted: this kernel, a remote kernel, the engines of a cluster; each is a `Target`.

A new kind of target is one new module. What they have in common is in `values`, which is imported when it is first
asked for: ``%load_ext`` needs only the names of the magics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyo3magic.targets.values import *  # noqa: F403 - its ``__all__`` is the list


def __getattr__(name: str) -> Any:
    import importlib

    values = importlib.import_module("pyo3magic.targets.values")  # `from ... import` would ask here for it again
    if name not in values.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(values, name)
