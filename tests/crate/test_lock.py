from __future__ import annotations

import pytest

from pyo3magic.crate.lock import locked_version

LOCK = '[[package]]\nname = "pyo3-ffi"\nversion = "0.29.0"\n\n[[package]]\nname = "pyo3"\nversion = "0.30.1"\nsource = "x"\n'


@pytest.mark.parametrize(
    ("name", "version"), [("pyo3", (0, 30, 1)), ("pyo3-ffi", (0, 29, 0)), ("pyo", None), ("p.o3", None)]
)
def test_locked_versions(name: str, version: tuple[int, ...] | None) -> None:
    assert locked_version(LOCK, name) == version
