"""File systems and containers without ``flock``."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyo3magic.store.locking import is_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Start

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

CODES = [errno.ENOLCK, errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP]


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_two_builds_at_once(code: int, shim: str, build: Callable[..., str]) -> None:
    fault = {"LD_PRELOAD": shim, "FAULT_FLOCK": str(code), "FAULT_PROGRAM": "python"}
    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(lambda module: build(code, module, **fault), ("", "", "named")))
    assert said == [f"built {code}"] * 3


@pytest.mark.parametrize("code", CODES[2:], ids=errno.errorcode.get)
def test_cargo_has_no_locks_either(code: int, shim: str, build: Callable[..., str]) -> None:
    said = build(1, more="// --force\n", LD_PRELOAD=shim, FAULT_FLOCK=str(code))
    assert said == "built 1"


def test_a_kernel_says_so_and_a_killed_one_blocks_nobody(shim: str, own_store: Path, start: Start) -> None:
    fault = {"LD_PRELOAD": shim, "FAULT_FLOCK": str(errno.ENOLCK), "FAULT_PROGRAM": "python"}
    first = start(PYO3MAGIC_STORE=str(own_store), **fault)
    first.rust("pub fn f() -> u64 { 1 }")
    assert "has no file locks" in first.run("%pyo3_info").text
    sessions = own_store / "sessions"
    (folder,) = sessions.iterdir()
    assert is_locked(folder / "alive") is False, "the operating system knows of no lock"
    first.kill()
    old = time.time() - 60
    os.utime(folder / "alive", (old, old))
    second = start(PYO3MAGIC_STORE=str(own_store), **fault)
    second.rust("pub fn f() -> u64 { 2 }")
    assert second.value("f()") == 2
    assert not folder.exists()
    second.run("%pyo3_cache --clear")
    second.rust("pub fn f() -> u64 { 3 }")
    assert second.value("f()") == 3
