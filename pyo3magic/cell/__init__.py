"""Parse the text of a ``%%rust`` cell into a `Cell`; ``syntax/`` reads its Rust."""

from __future__ import annotations

from .cell import (
    EDITIONS,
    LONGEST,
    Cell,
    Dependency,
    Options,
    check_module_name,
    parse_cell,
    parse_dependency,
    with_folder,
)

__all__ = [
    "EDITIONS",
    "LONGEST",
    "Cell",
    "Dependency",
    "Options",
    "check_module_name",
    "parse_cell",
    "parse_dependency",
    "with_folder",
]
