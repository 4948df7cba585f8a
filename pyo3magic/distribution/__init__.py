"""From built cells to what others can install: wheels, source distributions, projects.

Functions here take values and return paths; IPython is nowhere but in :mod:`pyo3magic.magics.export`.

    >>> cells = (BuiltCell("geo", options, body, lock),)
    >>> package = make_package(context, cells, options=MetadataOptions(), available={})
    >>> make_wheel(context, package, Path("dist")).path
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BACKENDS",
    "BuiltCell",
    "Metadata",
    "MetadataOptions",
    "Package",
    "Project",
    "Tag",
    "Wheel",
    "install_wheel",
    "make_package",
    "make_project",
    "make_sdist",
    "make_wheel",
    "type_stubs",
]

_HOMES = {
    "BACKENDS": "project",
    "BuiltCell": "package",
    "Metadata": "metadata",
    "MetadataOptions": "metadata",
    "Package": "package",
    "Project": "project",
    "Tag": "tags",
    "Wheel": "wheel",
    "install_wheel": "install",
    "make_package": "package",
    "make_project": "project",
    "make_sdist": "sdist",
    "make_wheel": "wheel",
    "type_stubs": "wheel",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, since the magics are declared at every ``%load_ext``."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
