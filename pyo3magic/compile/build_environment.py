"""The environment that cargo and rustc are started with."""

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
    """The context with cargo's own environment in place of the user's.

    Args:
        context: the context, with the user's environment.
        pyo3_config: text of PyO3's configuration for something that is linked with libpython; for a module without it.

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
            # What is sent elsewhere is a tenth of its size without debug information, and nobody debugs it there.
            *((("CARGO_PROFILE_DEV_STRIP", "debuginfo"),) if context.standalone or context.shipped else ()),
        ),
    )
    return dataclasses.replace(context, environ=environ)


def pyo3_config_file(store: Store, text: str) -> Path:
    """The file with a configuration of PyO3: written once, since a new modification time would rebuild pyo3.

    Raises:
        StoreError: it cannot be written.
    """
    path = store.place("interpreters", f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.txt")
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return path
    store.write_text(path, text)
    return path
