"""Read and write TOML with a cache: every edit of a cell has the same manifest, and importing tomlkit takes 30 ms."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["tables_of", "text_of"]


@functools.lru_cache(maxsize=32)
def tables_of(text: str) -> dict[str, Any]:
    """Parse a manifest's TOML; the result is cached and must not be changed."""
    import tomlkit

    return tomlkit.parse(text).unwrap()


_texts: dict[str, str] = {}


def text_of(document: dict[str, Any]) -> str:
    """Return a manifest as TOML; the result is cached."""
    known = repr(document)
    if known not in _texts:
        import tomlkit

        _texts[known] = tomlkit.dumps(document)
    return _texts[known]
