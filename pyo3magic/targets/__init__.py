"""Where a module is wanted: this kernel, a remote kernel, the engines of a cluster; each is a `Target`.

A new kind of target is one new module. What they have in common is in `values`, which is imported when it is first
asked for: ``%load_ext`` needs only the names of the magics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyo3magic.targets.values import (
        Deadline,
        Description,
        Receipt,
        Shipment,
        ShippedCell,
        ShippedFile,
        Target,
        TargetDiedError,
        TargetError,
        TargetImportError,
        TargetMismatchError,
        TargetRefusedError,
        TargetReplyError,
        TargetStorageError,
        TargetTimeoutError,
        TargetUnreachableError,
        plain_text,
    )

__all__ = [
    "Deadline",
    "Description",
    "Receipt",
    "Shipment",
    "ShippedCell",
    "ShippedFile",
    "Target",
    "TargetDiedError",
    "TargetError",
    "TargetImportError",
    "TargetMismatchError",
    "TargetRefusedError",
    "TargetReplyError",
    "TargetStorageError",
    "TargetTimeoutError",
    "TargetUnreachableError",
    "plain_text",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pyo3magic.targets import values

    return getattr(values, name)
