"""The agent's source, which is sent to a kernel or a worker with what it needs, and its module name there."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from pyo3magic.session import panic_hints, panics

__all__ = ["agent_source"]


@functools.cache
def agent_source() -> tuple[str, str]:
    """The agent's module name in the other process, different for each version, and an expression that creates it."""
    source = Path(__file__).with_name("agent.py").read_text(encoding="utf-8")
    parts = {part.__name__.rpartition(".")[2]: Path(str(part.__file__)) for part in (panics, panic_hints)}
    sources = {name: path.read_text(encoding="utf-8") for name, path in parts.items()}
    agent = f"_pyo3magic_agent_{hashlib.sha256(repr((source, sources)).encode()).hexdigest()[:16]}"
    code = (
        f"import sys, types\nif {agent!r} not in sys.modules:\n"
        f"    module = types.ModuleType({agent!r})\n"
        f"    for name, source in {sources!r}.items():\n"
        f"        part = module.__dict__[name] = types.ModuleType({agent!r} + '_' + name)\n"
        f"        exec(compile(source, part.__name__, 'exec'), part.__dict__)\n"
        f"    exec(compile({source!r}, {agent!r}, 'exec'), module.__dict__)\n"
        f"    sys.modules[{agent!r}] = module\n"
    )
    return agent, f"exec({code!r}, {{}})"
