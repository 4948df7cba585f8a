"""Pyo3 is compiled in the background from `%load_ext` on."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from .kernel import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Start
    from .kernel import Kernel

pytestmark = [pytest.mark.cargo, pytest.mark.skipif(sys.platform == "win32", reason="looks at POSIX processes")]


def _compilers(kernel: Kernel) -> list[psutil.Process]:
    found = []
    for process in kernel.descendants():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() in {"rustc", "cargo"}:
                found.append(process)
    return found


@pytest.mark.slow
def test_it_starts_with_low_priority_and_the_first_cell_joins_it(start: Start, tmp_path: Path) -> None:
    kernel = start(PYO3MAGIC_STORE=str(tmp_path / "cold"), PYO3MAGIC_WARM_UP="1")
    wait_until(lambda: len(_compilers(kernel)) > 0)
    (background,) = [p for p in psutil.Process(kernel.pid).children() if "warm" in p.cmdline()]
    wait_until(lambda: any(_compiles_politely(process) for process in _compilers(kernel)))
    shown = kernel.rust("#[pyfunction] fn joined() -> i64 { 1 }")
    assert kernel.value("joined()") == 1
    assert any("Compiling" in text for text in shown.seen), shown.seen
    assert not any("Waiting for another build" in text for text in shown.seen), shown.seen
    assert shown.text == ""
    wait_until(lambda: background.status() == psutil.STATUS_ZOMBIE)
    compiled = [path.name for path in (tmp_path / "cold" / "targets").glob("*/release/deps/libpyo3-*.rlib")]
    assert len(compiled) == 1
    again = start(PYO3MAGIC_STORE=str(tmp_path / "cold"), PYO3MAGIC_WARM_UP="1")
    assert not [process for process in again.descendants() if "warm" in process.cmdline()]


def _compiles_politely(process: psutil.Process) -> bool:
    try:
        return "--crate-name" in process.cmdline() and int(process.nice()) >= 10
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("end", ["kill", "close"])
def test_it_ends_with_the_kernel(start: Start, tmp_path: Path, end: str) -> None:
    if end == "kill" and sys.platform != "linux":
        pytest.skip("only Linux tells a child of its parent's death")
    kernel = start(PYO3MAGIC_STORE=str(tmp_path / "cold"), PYO3MAGIC_WARM_UP="1")
    wait_until(lambda: len(_compilers(kernel)) > 0)
    children = kernel.descendants()
    kernel.kill() if end == "kill" else kernel.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_a_setting_turns_it_off(start: Start, tmp_path: Path) -> None:
    kernel = start(PYO3MAGIC_STORE=str(tmp_path / "cold"), PYO3MAGIC_WARM_UP="0")
    assert kernel.descendants() == []
    configured = start(load=False, PYO3MAGIC_STORE=str(tmp_path / "cold"), PYO3MAGIC_WARM_UP=None)
    configured.run("get_ipython().config.PyO3Magic.warm_up = False\n%load_ext pyo3magic")
    assert configured.value("%config PyO3Magic.warm_up") is False
    assert configured.descendants() == []
    assert list((tmp_path / "cold" / "targets").iterdir()) == []
