"""What the built code costs: a trivial call, and a function that computes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from pyo3magic.api import build

from .bench import magic_cell
from .cells import LIBRARY, rust_cell
from .kernels import CellFailedError
from .peers import Unavailable, maturin_module
from .report import Result, Series, ratio

if TYPE_CHECKING:
    from pathlib import Path

    from .bench import Bench

__all__ = ["call", "fib"]

_CALLS = 1_000_000
_FIB = "min(__import__('timeit').repeat(lambda: fib(32), number=1, repeat=7))"
_TIMED = """
import importlib.machinery, importlib.util, sys, timeit
name, file, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
loader = importlib.machinery.ExtensionFileLoader(name, file)
module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, file, loader=loader))
loader.exec_module(module)
timer = timeit.Timer("increment(1)", globals={"increment": module.increment})
print(min(timer.repeat(5, number)) / number)
"""


def call(bench: Bench) -> Result:
    """A call that does next to nothing, against the equal crate built by maturin; each time in a process of its own."""
    ours = build(rust_cell(bench.next_edit()), store=bench.store)
    folder = maturin_module(bench.crate, bench.folder / "peers", bench.folder / "maturin")
    (theirs,) = (path for path in folder.rglob(f"{LIBRARY}*") if path.suffix in {".so", ".pyd"})
    pairs = [(_time(ours.module, ours.path), _time(LIBRARY, theirs)) for _ in range(max(bench.rounds, 5))]
    first, second = zip(*pairs, strict=True)
    rows = (Series("%%rust", first, "us"), Series("maturin build --release", second, "us"))
    return Result(
        "A trivial call", rows, (ratio(*rows, 1.05),), ("equal means within what two runs of one file differ",)
    )


def _time(module: str, file: Path) -> float:
    command = [sys.executable, "-c", _TIMED, module, str(file), str(_CALLS)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def fib(bench: Bench) -> Result:
    """Recursive Fibonacci numbers, as each magic builds them by default."""
    notes: list[str] = []
    with bench.kernel() as kernel:
        kernel.run(magic_cell(bench.next_edit()))
        rows = [Series("%%rust", (kernel.evaluate(_FIB),))]
    for peer in bench.all_peers():
        try:
            with bench.peer_kernel(peer) as kernel:
                kernel.run(peer.cell(bench.next_edit()))
                rows.append(Series(peer.name, (kernel.evaluate(_FIB),)))
        except (Unavailable, CellFailedError) as error:  # noqa: PERF203 - each peer by itself
            notes.append(f"{peer.name} is left out: {error}")
    return Result(
        "fib(32) as built by default", tuple(rows), tuple(ratio(rows[0], row) for row in rows[1:]), tuple(notes)
    )
