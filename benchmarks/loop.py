"""What the user waits for: an edit, an unchanged cell, a first cell, %load_ext."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from typing import TYPE_CHECKING

from .bench import magic_cell
from .kernels import CellFailedError
from .peers import Unavailable
from .report import Result, Series, difference, figure, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .bench import Bench
    from .kernels import Kernel
    from .peers import Peer

__all__ = ["cold", "disk", "edit", "new_kernel", "unchanged"]

_PEER_SHARE = 5
_WARM_UP_LIMIT = 300.0


def edit(bench: Bench) -> Result:
    """An edited cell in a kernel, against cargo and rustc on the equal crate and other magics in kernels."""
    crate = bench.crate
    ours: list[float] = []
    cargo: list[float] = []
    rustc: list[float] = []
    others: dict[str, list[float]] = {}
    notes: list[str] = []
    with contextlib.ExitStack() as stack:
        kernel = stack.enter_context(bench.kernel())
        kernel.run(magic_cell(bench.next_edit()))
        peers = list(_started(bench, stack, notes))
        for number in range(bench.rounds):
            ours.append(kernel.run(magic_cell(bench.next_edit())))
            cargo.append(crate.cargo(bench.next_edit()))
            rustc.append(crate.rustc(bench.next_edit()))
            if number % _PEER_SHARE == 0:
                for peer, other in peers:
                    others.setdefault(peer.name, []).append(other.run(peer.cell(bench.next_edit())))
    rows = [
        Series("%%rust", tuple(ours)),
        Series("cargo build --release", tuple(cargo)),
        Series("its rustc line", tuple(rustc)),
        *(Series(name, tuple(samples)) for name, samples in others.items()),
    ]
    comparisons = (
        ratio(rows[0], rows[2], 1.15),
        ratio(rows[0], rows[1], 1.0),
        *(ratio(rows[0], row) for row in rows[3:]),
    )
    return Result("An edited cell, from the request to idle", tuple(rows), comparisons, tuple(notes))


def _started(bench: Bench, stack: contextlib.ExitStack, notes: list[str]) -> Iterator[tuple[Peer, Kernel]]:
    """Kernels of the peers that can be had, their dependencies compiled."""
    for peer in bench.all_peers():
        try:
            kernel = stack.enter_context(bench.peer_kernel(peer))
            kernel.run(peer.cell(bench.next_edit()))
        except (Unavailable, CellFailedError) as error:  # noqa: PERF203 - each peer by itself
            notes.append(f"{peer.name} is left out: {error}")
        else:
            yield peer, kernel


def unchanged(bench: Bench) -> Result:
    """A cell that is run again in the same kernel, against an empty cell there."""
    cell = magic_cell(bench.next_edit())
    with bench.kernel() as kernel:
        for _ in range(3):
            kernel.run(cell)
        pairs = [(kernel.run(cell), kernel.run("pass")) for _ in range(bench.rounds * 3)]
    again, empty = (
        Series(name, samples)
        for name, samples in zip(("unchanged", "empty cell"), zip(*pairs, strict=True), strict=True)
    )
    return Result("An unchanged cell in the same kernel", (again, empty), (difference(again, empty, 1e-3),))


def new_kernel(bench: Bench) -> Result:
    """``%load_ext`` and a cell that the store has, each the first in a new kernel, against empty cells there."""
    cell = magic_cell(bench.next_edit())
    rows: dict[str, list[float]] = {"%load_ext": [], "stored cell": [], "empty cell": []}
    with bench.kernel() as kernel:
        kernel.run(cell)
    for _ in range(bench.rounds):
        with bench.kernel(load=False) as kernel:
            rows["%load_ext"].append(kernel.run("%load_ext pyo3magic"))
            rows["empty cell"].append(kernel.run("pass"))
            rows["stored cell"].append(kernel.run(cell))
    load, stored, empty = (Series(name, tuple(samples)) for name, samples in rows.items())
    goals = (difference(load, empty, 30e-3), difference(stored, empty, 5e-3))
    return Result("In a new kernel", (load, stored, empty), goals)


def cold(bench: Bench) -> Result:
    """The first cell with nothing compiled, against cargo with an empty target folder; then after the warm-up."""
    rows: dict[str, list[float]] = {
        "first cell": [],
        "cargo, empty target folder": [],
        "after the warm-up": [],
        "edit": [],
    }
    crate = bench.equal_crate("cold-crate")
    for _ in range(max(1, bench.rounds // 7)):
        store = bench.fresh("cold-store")
        with bench.kernel(bench.environment(store)) as kernel:
            rows["first cell"].append(kernel.run(magic_cell(bench.next_edit())))
        rows["cargo, empty target folder"].append(crate.cold())
        store = bench.fresh("cold-store")
        with bench.kernel(bench.environment(store, warm_up=True)) as kernel:
            _wait_until_warm(store)
            rows["after the warm-up"].append(kernel.run(magic_cell(bench.next_edit())))
            rows["edit"].append(kernel.run(magic_cell(bench.next_edit())))
    shutil.rmtree(crate.target, ignore_errors=True)
    bench.fresh("cold-store")
    first, cargo, warmed, edited = (Series(name, tuple(samples)) for name, samples in rows.items())
    comparisons = (ratio(first, cargo, 1.05), ratio(warmed, edited))
    return Result("With nothing compiled", (first, cargo, warmed, edited), comparisons)


def _wait_until_warm(store: Path) -> None:
    deadline = time.monotonic() + _WARM_UP_LIMIT
    while not any(store.glob("targets/*/warm")):
        if time.monotonic() > deadline:
            raise Unavailable("the background warm-up did not end")
        time.sleep(0.2)


def disk(bench: Bench) -> Result:
    """What each further cell adds to the store."""
    with bench.kernel() as kernel:
        kernel.run(magic_cell(bench.next_edit()))
        sizes = [_size(bench.store)]
        for _ in range(min(bench.rounds, 5)):
            kernel.run(magic_cell(bench.next_edit()))
            sizes.append(_size(bench.store))
    added = tuple(float(after - before) for before, after in itertools.pairwise(sizes))
    row = Series("a further cell", added, "MB")
    return Result("Disk", (row,), (figure(row, 2e6),))


def _size(folder: Path) -> int:
    """Bytes on disk (blocks, not lengths) below a folder."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
