"""Puts a made-up module into a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.store import Artifact, Description, Inputs, Store

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "ab" * 32


def publish(
    store: Store,
    *,
    key: str = KEY,
    content: bytes = b"module",
    inputs: Inputs | None = None,
    write_crate: Callable[[Path], None] = Path.mkdir,
    **more: Any,
) -> Artifact:
    with store.workspace() as workspace:
        built = workspace / "libcell.so"
        built.write_bytes(content)
        return store.publish(
            key,
            inputs or Inputs(),
            Description(
                **{"module": "cell_abababab", "file_name": "cell.so", "interpreter": "identity", **more},
            ),
            built=built,
            write_crate=write_crate,
        )
