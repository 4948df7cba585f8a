"""The agent's source, which is sent to a kernel or a worker, and its module name there."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

__all__ = ["agent_source"]


@functools.cache
def agent_source() -> tuple[str, str]:
    """The agent's module name in the other process, different for each version, and an expression that creates it."""
    source = Path(__file__).with_name("agent.py").read_text(encoding="utf-8")
    name = f"_pyo3magic_agent_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    code = (
        f"import sys, types\nif {name!r} not in sys.modules:\n    module = types.ModuleType({name!r})\n"
        f"    exec(compile({source!r}, {name!r}, 'exec'), module.__dict__)\n    sys.modules[{name!r}] = module\n"
    )
    return name, f"exec({code!r}, {{}})"
