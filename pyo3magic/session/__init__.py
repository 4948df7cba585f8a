"""What a kernel has built so far: its cells, modules and targets."""

from __future__ import annotations

from .session import Made, Outcome, Session

__all__ = ["Made", "Outcome", "Session"]
