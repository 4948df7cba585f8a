"""Environment variables for cargo and rustc."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from typing import TYPE_CHECKING

from pyo3magic.environment.child_environment import cargo_environment

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.context import Context
    from pyo3magic.store import Store

__all__ = ["pyo3_config_file", "with_cargo_environment"]

_PROGRESS_WIDTH = 160


def with_cargo_environment(context: Context, *, pyo3_config: str = "") -> Context:
    """Return the context with cargo's environment in place of the user's.

    Args:
        context: the context, with the user's environment.
        pyo3_config: text of a PyO3 configuration for a program linked with libpython; empty for an extension module.

    Raises:
        StoreError: PyO3's configuration cannot be written.
    """
    environ = cargo_environment(
        context.environ,
        pyo3_config=pyo3_config_file(context.store, pyo3_config or context.interpreter.pyo3_config()),
        cargo=context.toolchain.cargo,
        extension_module=not pyo3_config,
        progress_width=_PROGRESS_WIDTH,
        extra=(
            *context.toolchain.variables,
            *(context.cross.variables.items() if context.cross is not None else ()),
            # Stripping debug information makes a module a tenth of its size, and nobody debugs it on the other machine.
            *((("CARGO_PROFILE_DEV_STRIP", "debuginfo"),) if context.standalone or context.shipped else ()),
        ),
    )
    return dataclasses.replace(context, environ=environ)


def pyo3_config_file(store: Store, text: str) -> Path:
    """Return the file with a PyO3 configuration, written once because a new modification time would rebuild pyo3.

    Raises:
        StoreError: the file cannot be written.
    """
    path = store.place("interpreters", f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.txt")
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return path
    store.write_text(path, text)
    return path
