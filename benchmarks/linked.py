"""Cells that use other cells: an edit against cargo on the same two crates, an unchanged chain, calls and sizes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from .cells import rust_cell
from .report import Result, Series, difference, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .bench import Bench
    from .kernels import Kernel

__all__ = ["call", "chain", "edit"]

_POINT = """
/// A class that another cell takes and returns.
#[pyclass(from_py_object)]
#[derive(Clone)]
pub struct Point {{
    #[pyo3(get)]
    pub x: f64,
}}

#[pymethods]
impl Point {{
    #[new]
    pub fn new(x: f64) -> Self {{
        Self {{ x: x + {edit}.0 }}
    }}
}}
"""
_USER = """
use {base}::Point;

/// The point farther on.
#[pyfunction]
fn moved(point: &Point) -> Point {{
    Point {{ x: point.x + {edit}.0 }}
}}

/// One more: next to no work, so that only the call is measured.
#[pyfunction]
fn increment_x(point: &Point) -> f64 {{
    point.x + 1.0
}}
"""
_MODULE = """
#[pymodule]
mod {name} {{
    #[pymodule_export]
    use super::{{{names}}};
}}
"""
_CHAIN = 3
_CALLS = 200_000


class EqualCrates:
    """The two cells as a person would write them for cargo: a library with the class, and a module that uses it."""

    def __init__(self, folder: Path, pyo3: str, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**environ, "PYO3_PYTHON": sys.executable, "PYO3_BUILD_EXTENSION_MODULE": "1"}
        package = (
            '[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n\n[lib]\ncrate-type = ["{kind}"]\n\n'
        )
        needs = f'[dependencies]\npyo3 = "={pyo3}"\n'
        for name, kind, more in (("base", "rlib", ""), ("user", "cdylib", 'base = { path = "../base" }\n')):
            (folder / name / "src").mkdir(parents=True, exist_ok=True)
            manifest = package.format(name=name, kind=kind) + needs + more
            (folder / name / "Cargo.toml").write_text(manifest, encoding="utf-8")
        (folder / "Cargo.toml").write_text(
            '[workspace]\nresolver = "3"\nmembers = ["base", "user"]\n', encoding="utf-8"
        )
        base = "use pyo3::prelude::*;\n" + _POINT.format(edit=0) + _MODULE.format(name="base", names="Point")
        (folder / "base" / "src" / "lib.rs").write_text(base, encoding="utf-8")

    def cargo(self, edit: int) -> float:
        """Seconds that ``cargo build --release`` takes for an edit of the module."""
        text = "use pyo3::prelude::*;\n" + _USER.format(base="base", edit=edit)
        text += _MODULE.format(name="user", names="moved, increment_x")
        (self._folder / "user" / "src" / "lib.rs").write_text(text, encoding="utf-8")
        started = time.perf_counter()
        command = ["cargo", "build", "--release", "--quiet", "--package", "user"]
        subprocess.run(command, cwd=self._folder, env=self._environ, capture_output=True, check=True)
        return time.perf_counter() - started


def edit(bench: Bench) -> Result:
    """Edits of a cell that uses another, of a cell with a name and of a plain one, against cargo on the same code."""
    crates = EqualCrates(bench.folder / "linked-crates", bench.pyo3, bench.environment())
    crates.cargo(bench.next_edit())
    names = ("uses another", "uses another, from source", "has a name", "plain", "cargo build --release")
    rows: dict[str, list[float]] = {name: [] for name in names}
    from_source = {**bench.environment(), "PYO3MAGIC_LINKING": "source"}
    with bench.kernel() as kernel, bench.kernel(from_source) as source:
        for each in (kernel, source):
            each.run(f"%%rust -m bench_base\n{_POINT.format(edit=0)}")
            each.run(_using(bench))
        for _ in range(bench.rounds):
            rows["uses another"].append(kernel.run(_using(bench)))
            rows["cargo build --release"].append(crates.cargo(bench.next_edit()))
            rows["uses another, from source"].append(source.run(_using(bench)))
            rows["has a name"].append(kernel.run(f"%%rust -m bench_named\n{rust_cell(bench.next_edit())}"))
            rows["plain"].append(kernel.run(f"%%rust\n{rust_cell(bench.next_edit())}"))
        series = {name: Series(name, tuple(samples)) for name, samples in rows.items()}
        sizes = [Series("size of that module", (_size(kernel),), "MB")]
        sizes.append(Series("size, from source", (_size(source),), "MB"))
    comparisons = (
        ratio(series["uses another"], series["cargo build --release"], 1.0),
        ratio(series["uses another, from source"], series["cargo build --release"]),
        ratio(series["has a name"], series["plain"]),
    )
    return Result("An edit of a cell that uses another", (*series.values(), *sizes), comparisons)


def chain(bench: Bench) -> Result:
    """A chain of cells in the store, run in a new kernel, against plain cells that are in the store too."""
    number = bench.next_edit()
    linked = [f"%%rust -m chain_{number}_0\n{_POINT.format(edit=number)}"]
    for place in range(1, _CHAIN):
        text = f"#[pyfunction] pub fn step(p: &chain_{number}_0::Point) -> f64 {{ p.x }}\n"
        linked.append(f"%%rust -m chain_{number}_{place}\n{text}")
        if place > 1:
            linked[-1] += f"pub fn on(p: &chain_{number}_0::Point) -> f64 {{ chain_{number}_{place - 1}::step(p) }}\n"
    plain = [f"%%rust\n{rust_cell(bench.next_edit())}" for _ in range(_CHAIN)]
    rows: dict[str, list[float]] = {"a chain of cells": [], "plain cells": [], "the chain again": []}
    for recorded in range(bench.rounds + 1):
        for name, cells in (("a chain of cells", linked), ("plain cells", plain)):
            with bench.kernel() as kernel:
                taken = sum(kernel.run(cell) for cell in cells) / _CHAIN
                again = sum(kernel.run(cell) for cell in cells) / _CHAIN
            if recorded:
                rows[name].append(taken)
                if cells is linked:
                    rows["the chain again"].append(again)
    first, other, repeated = (Series(name, tuple(samples)) for name, samples in rows.items())
    return Result("A stored cell in a new kernel", (first, other, repeated), (difference(first, other),))


def call(bench: Bench) -> Result:
    """A call that takes an object of another cell's class, against the same from source in one module."""
    rows = []
    for name, more in (("types shared", {}), ("from source", {"PYO3MAGIC_LINKING": "source"})):
        with bench.kernel({**bench.environment(), **more}) as kernel:
            kernel.run(f"%%rust -m bench_base\n{_POINT.format(edit=0)}")
            kernel.run(_using(bench))
            # From source, the module has a class of its own; it makes its first object from nothing but itself.
            made = "moved(bench_base.Point(1.0))" if not more else "make()"
            if more:
                kernel.run(_using(bench) + "#[pyfunction] fn make() -> Point { Point { x: 1.0 } }")
            kernel.run(f"import timeit; p = {made}")
            statement = f"timeit.timeit('increment_x(p)', globals=globals(), number={_CALLS}) / {_CALLS}"
            rows.append(Series(name, tuple(kernel.evaluate(statement) for _ in range(bench.rounds)), "us"))
    return Result("A call with an object of another cell's class", tuple(rows), (ratio(rows[0], rows[1]),))


def _using(bench: Bench) -> str:
    return f"%%rust\n{_USER.format(base='bench_base', edit=bench.next_edit())}"


def _size(kernel: Kernel) -> float:
    size = kernel.evaluate("__import__('os').path.getsize(__import__('sys').modules[moved.__module__].__file__)")
    return float(size)
