"""Full, read-only and otherwise limited disks."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.stores import copy_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.kernel import Kernel

    from .conftest import Mount, Start

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

F, G = "pub fn f() -> u64 { 1 }", "pub fn g() -> u64 { 2 }"
SAID = {
    errno.ENOSPC: ("The disk is full", "No space left on device"),
    errno.EDQUOT: ("disk quota", "Disk quota exceeded"),
    errno.EROFS: ("read-only", "Read-only file system"),
}


@pytest.mark.slow
@pytest.mark.parametrize("program", ["python", ""], ids=["python", "everything"])
@pytest.mark.parametrize(
    ("code", "module", "first"),
    [(errno.ENOSPC, "", 1), (errno.ENOSPC, "named", 2), (errno.EDQUOT, "", 3), (errno.EROFS, "named", 1)],
)
def test_wherever_it_strikes_it_is_told_in_a_sentence(
    code: int, module: str, first: int, program: str, shim: str, store: Path, build: Callable[..., str]
) -> None:
    fault = {"LD_PRELOAD": shim, "FAULT_WRITE": str(code), "FAULT_UNDER": str(store), "FAULT_PROGRAM": program}
    number = 1_000_000 * code + 1000 * first + len(program)
    failures = 0
    for at in range(first, 36, 3):
        said = build(number + at, module, FAULT_AT=str(at), **fault)
        if said != f"built {number + at}":
            failures += 1
            # Each process counts by itself, so a compiler that is started again may get further.
            assert any(word in said for word in (*SAID[code], "started again")), (at, said)
    assert failures >= 4
    assert build(number, module) == f"built {number}"


def both_say(kernel: Kernel, *words: str) -> None:
    for line in ("", "-m named"):
        said = kernel.rust(G, line, expect="error").text
        assert any(word in said for word in words), said
        assert "Traceback" not in said
        assert len(said.splitlines()) <= 3


def test_a_full_disk(mount: Mount, small_store: Path, start: Start) -> None:
    disk = mount("size=300m")
    store = copy_store(small_store, disk / "store")
    variables = {"PYO3MAGIC_STORE": str(store)}
    start(**variables).rust(F)
    with (disk / "filler").open("wb") as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(1 << 16))
            filler.flush()
    kernel = start(**variables)
    kernel.rust(F)
    assert kernel.value("f()") == 1, "what is in the store is there"
    both_say(kernel, "The disk is full", "No space left")
    (disk / "filler").unlink()
    kernel.rust(G)
    assert kernel.value("f() + g()") == 3
    assert list((store / "tmp").iterdir()) == []


def test_no_more_files(mount: Mount, small_store: Path, start: Start) -> None:
    disk = mount("size=300m,nr_inodes=20000")
    store = copy_store(small_store, disk / "store")
    variables = {"PYO3MAGIC_STORE": str(store)}
    start(**variables).rust(F)
    fillers = disk / "fillers"
    fillers.mkdir()
    with pytest.raises(OSError, match="No space"):
        for number in range(20000):
            (fillers / str(number)).touch()
    kernel = start(**variables)
    kernel.rust(F)
    assert kernel.value("f()") == 1
    both_say(kernel, "The disk is full", "No space left")


def test_a_read_only_store_is_a_layer(mount: Mount, small_store: Path, start: Start, tmp_path: Path) -> None:
    disk = mount("size=300m")
    store = copy_store(small_store, disk / "store")
    first = start(PYO3MAGIC_STORE=str(store))
    first.rust(F)
    first.close()
    mount("remount,ro", at=disk)
    kernel = start(PYO3MAGIC_STORE=str(store), XDG_CACHE_HOME=str(tmp_path / "cache"))
    kernel.rust(F)
    assert kernel.value("f()") == 1
    assert list((tmp_path / "cache" / "pyo3magic" / "artifacts").iterdir()) == []
    kernel.rust(G)
    assert kernel.value("g()") == 2
    info = kernel.run("%pyo3_info").text
    assert f"{store} (read-only)" in info
    assert str(tmp_path / "cache" / "pyo3magic") in info


@pytest.mark.slow
@pytest.mark.parametrize("copied", [False, True], ids=["new", "copied"])
def test_a_store_without_execution(copied: bool, mount: Mount, small_store: Path, start: Start) -> None:
    disk = mount("size=300m,noexec")
    if copied:
        copy_store(small_store, disk / "store")
    kernel = start(PYO3MAGIC_STORE=str(disk / "store"))
    said = kernel.rust(F, expect="error").text
    assert "noexec" in said
    assert "PYO3MAGIC_STORE" in said
