"""Kernels of other machines, under qemu: probed, built for, shipped to, imported and called.

``.ci/cross FOLDER`` sets up what these need, and ``. FOLDER/env.sh`` names it.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment.build_options import BuildOptions
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.elf import read_elf
from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.target import (
    Deadline,
    Shipment,
    ShippedFile,
    TargetDiedError,
    TargetImportError,
    TargetMismatchError,
    TargetTimeoutError,
    TargetUnreachableError,
)
from pyo3magic.session import Session
from pyo3magic.store import Store

from .conftest import CRATE, RunningKernel, evaluated, start_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.cargo,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("PYO3MAGIC_CROSS") and os.environ.get("CI") != "true",
        reason="PYO3MAGIC_CROSS is not set: run .ci/cross, then source the env.sh it writes",
    ),
]
SLOW = 120.0  # emulation, on a machine that does other things too


@dataclass(frozen=True)
class Machine:
    suffix: str
    triple: str
    machine: str
    pointer_width: int
    arch: str


Elsewhere = tuple[Machine, RemoteKernel, RunningKernel]
MACHINES = [
    Machine("AARCH64", "aarch64-unknown-linux-gnu", "aarch64", 64, "aarch64"),
    Machine("ARMV7", "armv7-unknown-linux-gnueabihf", "armv7l", 32, "arm"),
]


@pytest.fixture(scope="module", params=MACHINES, ids=lambda it: it.machine)
def elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A machine, a target connected to a kernel there, and the kernel."""
    machine = request.param
    assert os.environ.get("PYO3MAGIC_CROSS"), "CI must run .ci/cross and source the env.sh it writes"
    python = os.environ[f"PYO3MAGIC_CROSS_PYTHON_{machine.suffix}"]
    kernel = start_kernel(tmp_path_factory.mktemp(machine.machine), python=python)
    remote = RemoteKernel(kernel.wire())
    try:
        remote.probe(Deadline.after(SLOW))
        yield machine, remote, kernel
    finally:
        remote.close()
        kernel.end()


@pytest.fixture(scope="module")
def crossed(elsewhere: Elsewhere, store: Path) -> Shipment:
    """The module, built for the facts that the probe found."""
    machine, remote, _ = elsewhere
    (interpreter,) = remote.probe(Deadline.after(SLOW))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RUSTC", os.environ["PYO3MAGIC_CROSS_RUSTC"])
        patched.setenv("PATH", f"{os.environ['PYO3MAGIC_CROSS']}/bin", prepend=os.pathsep)
        artifact = Session(Store(store)).build(
            Options(), CRATE, BuildOptions(target=machine.triple), interpreter=interpreter
        )
    return Shipment("shipped", ShippedFile.of(artifact.file), interpreter, names=("add", "machine"), alias="geometry")


def test_probe_tells_the_machine(elsewhere: Elsewhere) -> None:
    machine, remote, _ = elsewhere
    (interpreter,) = remote.probe(Deadline.after(SLOW))
    assert (interpreter.machine, interpreter.pointer_width) == (machine.machine, machine.pointer_width)
    assert interpreter.libc == ("glibc", "2.36")
    assert not interpreter.is_abi_equal(Interpreter.current())


def test_ships_imports_and_calls(elsewhere: Elsewhere, crossed: Shipment) -> None:
    machine, remote, kernel = elsewhere
    receipt = remote.ship(crossed, Deadline.after(SLOW))
    assert receipt.by == "comm"
    assert receipt.sent_bytes == crossed.file.size
    assert remote.load(crossed, Deadline.after(SLOW)) == ("add", "geometry", "machine")
    assert evaluated(remote, "add(2, 40), machine(), geometry.Point(5).x", SLOW) == f"(42, '{machine.arch}', 5)"
    assert any(name.endswith(crossed.interpreter.ext_suffix) for name in kernel.leftovers())


def test_large_file_within_seconds(elsewhere: Elsewhere, crossed: Shipment, tmp_path: Path) -> None:
    _, remote, _ = elsewhere
    (tmp_path / "data.bin").write_bytes(os.urandom(14 << 20))
    shipment = replace(crossed, beside=(ShippedFile.of(tmp_path / "data.bin"),))
    assert remote.ship(shipment, Deadline.after(30)).sent_bytes >= 14 << 20


def test_module_of_this_machine_is_not_sent(elsewhere: Elsewhere, crossed: Shipment, library: Path) -> None:
    _, remote, _ = elsewhere
    here = replace(crossed, file=ShippedFile.of(library))
    with pytest.raises(TargetMismatchError, match="is built for x86_64"):
        remote.ship(here, Deadline.after(SLOW))
    with pytest.raises(TargetMismatchError, match="was built for"):
        remote.ship(replace(here, interpreter=Interpreter.current()), Deadline.after(SLOW))


def test_elf_facts(elsewhere: Elsewhere, crossed: Shipment) -> None:
    machine, *_ = elsewhere
    elf = read_elf(crossed.file.path)
    assert elf is not None
    assert (elf.machine, elf.pointer_width) == (f"EM_{machine.arch.upper()}", machine.pointer_width)
    assert (2, 4) <= elf.glibc <= (2, 36)
    assert "libc.so.6" in elf.needed


def test_kernel_that_comes_back_as_another_machine(elsewhere: Elsewhere, shipment: Shipment, tmp_path: Path) -> None:
    """Another interpreter behind the same connection file: what was built for the first one is not sent to it."""
    machine, *_ = elsewhere
    kernel = start_kernel(tmp_path / "here")
    remote = RemoteKernel(kernel.wire())
    try:
        assert remote.load(shipment, Deadline.after(SLOW))
        kernel.command[0] = os.environ[f"PYO3MAGIC_CROSS_PYTHON_{machine.suffix}"]
        kernel.restart()
        end = time.monotonic() + SLOW
        with pytest.raises(TargetMismatchError, match=r"built for CPython .*, but the kernel at .* runs CPython 3\.11"):
            while time.monotonic() < end:
                with contextlib.suppress(TargetDiedError, TargetUnreachableError, TargetTimeoutError):
                    remote.load(shipment, Deadline.after(20))
        assert remote.probe(Deadline.after(SLOW))[0].machine == machine.machine
    finally:
        remote.close()
        kernel.end()


def test_module_that_cannot_be_loaded_there_says_so(elsewhere: Elsewhere, crossed: Shipment) -> None:
    _, remote, _ = elsewhere
    with pytest.raises(TargetImportError, match="PyInit_absent"):
        remote.load(replace(crossed, module="absent"), Deadline.after(SLOW))
