"""From what cargo and rustc said to what to do next: two tables, read from the top, and the code that reads them."""

from __future__ import annotations

from .cargo import explain_cargo_failure
from .rustc import hint_for

__all__ = ["explain_cargo_failure", "hint_for"]
