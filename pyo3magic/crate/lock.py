"""Read a ``Cargo.lock``."""

from __future__ import annotations

import re

__all__ = ["locked_version"]


def locked_version(lock: str, crate: str) -> tuple[int, ...] | None:
    """Return the version of ``crate`` in the text of a ``Cargo.lock`` as numbers; None if it has no such crate."""
    match = re.search(rf'^name = "{re.escape(crate)}"\nversion = "(\d+)\.(\d+)\.(\d+)', lock, re.MULTILINE)
    return tuple(int(part) for part in match.groups()) if match else None
