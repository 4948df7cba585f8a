"""Building for another machine: its Rust target, what links for it, and the facts of its Python.

PyO3 guide, 'Cross compiling'; cargo reference, 'Configuration'.
"""

from __future__ import annotations

from .facts import cross_interpreter
from .linkers import CrossTarget, prepare_target
from .triples import triple_of

__all__ = ["CrossTarget", "cross_interpreter", "prepare_target", "triple_of"]
