"""The cells that a kernel has run, with their modules and names."""

from __future__ import annotations

from .session import Made, Outcome, Session

__all__ = ["Made", "Outcome", "Session"]
