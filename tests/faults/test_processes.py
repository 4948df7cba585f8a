"""Compilers that are killed or run out of something, interrupts, and clocks that jump."""

from __future__ import annotations

import contextlib
import errno
import itertools
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.integration.kernel import attempts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.kernel import Kernel

    from .conftest import Start

resource = pytest.importorskip("resource", reason="limits are POSIX's")

pytestmark = [pytest.mark.cargo, pytest.mark.kernel]

MEMORY = ("ran out of memory", "limit on their number", "has no more memory", "was ended by signal", "was killed")


def kill_compilers(kernel: Kernel) -> int:
    killed = 0
    for process in kernel.descendants():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == "rustc" and "--crate-name" in process.cmdline():
                process.kill()
                killed += 1
    return killed


@pytest.mark.parametrize("line", ["", "-m named", "--force"])
def test_a_killed_compiler_is_no_error_of_the_cell(line: str, start: Start, store: Path) -> None:
    kernel = start(PYO3MAGIC_STORE=str(store))
    kernel.rust("pub fn kept() -> u64 { 1 }")
    heavy = "\n".join(f"pub fn f{n}(x: u64) -> u64 {{ x * {n} + {time.time_ns()} }}" for n in range(300))
    identity = kernel.submit(f"%%rust {line}\n{heavy}")
    killed = 0

    for _ in attempts(120):
        killed += kill_compilers(kernel)
        if kernel.partial(identity, 0.001).idle:
            break
    result = kernel.result(identity)
    assert killed
    assert result.status == "error"
    assert "rustc was killed (signal 9): most likely the machine ran out of memory." in result.text or (
        "The compiler was killed (signal 9)" in result.text
    )
    assert "CompileError" not in result.text
    assert kernel.value("kept()") == 1
    kernel.rust(heavy, line)
    assert kernel.value("f7(0)") > 0


@pytest.mark.slow
def test_limits_of_memory(build: Callable[..., str]) -> None:
    number, outcomes = time.time_ns(), []
    for size in (200, 300, 400, 550, 4000):
        limit = size << 20
        said = build(number + size, before=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        outcomes.append(said == f"built {number + size}")
        assert outcomes[-1] or any(word in said for word in MEMORY), (size, said)
    assert outcomes[0] is False
    assert outcomes[-1] is True


def test_cargo_forgets_that_rustc_was_killed(own_store: Path, build: Callable[..., str]) -> None:
    number = time.time_ns()
    (known,) = own_store.glob("targets/*/.rustc_info.json")
    said = known.read_text()
    killed = said.replace(
        '"success":true,"status":"","code":0', '"success":false,"status":"signal: 11 (SIGSEGV)","code":null'
    )
    assert killed != said
    known.write_text(killed)
    shutil.rmtree(own_store / "plans")  # with which cargo need not run
    assert build(number, PYO3MAGIC_STORE=str(own_store)) == f"built {number}"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["", "named"])
def test_no_further_process_or_thread(module: str, shim: str, build: Callable[..., str]) -> None:
    number, failures = time.time_ns(), 0
    for at in range(1, 12):
        fault = {"LD_PRELOAD": shim, "FAULT_SPAWN": str(errno.EAGAIN), "FAULT_AT": str(at)}
        said = build(number + at, module, **fault)
        if said != f"built {number + at}":
            failures += 1
            assert "`ulimit -u`" in said or "started again" in said, (at, said)
    assert failures >= 4


DAY = 86400


def test_a_clock_that_jumps(shim: str, start: Start, own_store: Path) -> None:
    kernel = start(PYO3MAGIC_STORE=str(own_store), LD_PRELOAD=shim)
    data = Path(kernel.value("__import__('os').getcwd()")) / "data.txt"
    numbers = itertools.count(1)
    for offset in (0, DAY, -DAY, 0, 400 * DAY, 0):
        kernel.run(f"import os, time; os.environ['FAULT_CLOCK'] = '{offset}'")
        assert abs(kernel.value("time.time()") - time.time() - offset) < 1000
        number = next(numbers)
        for line in ("-m used", ""):
            kernel.rust(f"pub fn value{len(line)}() -> u64 {{ {number} }}", line)
            assert kernel.value(f"value{len(line)}()") == number
        data.write_text(f"text {number}")
        kernel.rust('pub fn text() -> &\'static str { include_str!("data.txt") }')
        assert kernel.value("text()") == f"text {number}"
        kernel.rust("pub fn doubled() -> u64 { used::value7() * 2 }")
        assert kernel.value("doubled()") == number * 2
    kernel.rust("pub fn value0() -> u64 { 1 }")
    assert kernel.value("value0()") == 1
    kernel.run("%pyo3_cache --prune 1MB")
    kernel.rust("pub fn value0() -> u64 { 2 }")
    assert kernel.value("value0()") == 2


@pytest.mark.parametrize(
    "line",
    ["%pyo3_wheel NAME -o out --platform manylinux2014", "%pyo3_sdist NAME -o out", "%pyo3_wheel NAME -o out --abi3"],
)
@pytest.mark.parametrize("delay", [0.02, 0.15])
def test_an_interrupted_export_leaves_nothing(line: str, delay: float, start: Start, store: Path) -> None:
    kernel = start(PYO3MAGIC_STORE=str(store))
    name = f"interrupted{time.time_ns()}"
    kernel.rust(f"/// A number.\npub fn f() -> u64 {{ {time.time_ns()} }}", f"-m {name}")
    out = Path(kernel.value("__import__('os').getcwd()")) / "out"
    identity = kernel.submit(line.replace("NAME", name))
    time.sleep(delay)
    kernel.interrupt()
    asked = time.monotonic()
    result = kernel.result(identity)
    print(f"idle after {time.monotonic() - asked:.2f} s")
    assert not kernel.running() - {"python"}
    if result.status == "error":
        assert result.text.splitlines()[0] in {
            "Interrupted: Interrupted.",
            "Interrupted: The export was interrupted; nothing has been written.",
        }
        assert not out.exists() or not any(name in path.name for path in out.iterdir())
    kernel.run(line.replace("NAME", name))
    assert any(name in path.name for path in out.iterdir())
