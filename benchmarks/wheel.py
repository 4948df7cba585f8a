"""Wheels side by side in one run: ``%pyo3_wheel`` and ``maturin build --release`` of the same crate, both warm.

The first row is what a user sees: a session of its own each time, in which a cell was edited, built, and exported for
the first time, imports of the session included. Below it are the parts, without imports.

Run it with the ``dist`` extra installed: ``python benchmarks/wheel.py [--rounds N] [--store DIR]``. Rows are medians;
on a shared machine compare rows of one run, not runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.api import build
from pyo3magic.cell import Options
from pyo3magic.environment.context import gather
from pyo3magic.export.build_target import program
from pyo3magic.export.metadata import MetadataOptions
from pyo3magic.export.project import make_project
from pyo3magic.export.source_tree import BuiltCell, assemble_package
from pyo3magic.export.wheel import make_wheel
from pyo3magic.store import Store
from pyo3magic.store.layers import own_folder

if TYPE_CHECKING:
    from collections.abc import Callable

CELL = """//! Two small functions.

/// The n-th Fibonacci number.
pub fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

/// A sum, as text.
pub fn sum_as_string(a: usize, b: usize) -> String {
    (a + b).to_string()
}
"""
SESSION = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "pyo3magic")
shell.run_cell_magic("rust", "-m benchmarked", sys.argv[1])
start = time.perf_counter()
shell.run_line_magic("pyo3_wheel", f"--platform linux --license MIT --force -q -o {sys.argv[2]}")
print(time.perf_counter() - start)
"""
METADATA = MetadataOptions(license="MIT")
FIRST = "first export in a session, edited cell, linux tag"


def main() -> None:
    """Measure, and print a table and the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--store", type=Path, default=own_folder(os.environ))
    arguments = parser.parse_args()
    # This script's own folder comes first, where `wheel` is this file and not the library.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    with tempfile.TemporaryDirectory() as name:
        rows = _measure(Store(arguments.store), Path(name), arguments.rounds)
    print("| step | median seconds |\n| --- | --- |")
    for step, seconds in rows.items():
        print(f"| {step} | {seconds:.3f} |")
    _say_goal(rows[FIRST], 0.3, FIRST)
    ratio = rows["edited cell, audited (manylinux)"] / rows["maturin build --release, edited"]
    _say_goal(ratio, 1.2, "audited wheel over maturin")
    print(json.dumps({"seconds": rows, "ratio": ratio}))


def _say_goal(figure: float, goal: float, what: str) -> None:
    print(f"\n{what}: {figure:.2f} (goal: at most {goal})")


def _in_a_session(source: str, store: Store, folder: Path) -> float:
    command = [sys.executable, "-c", SESSION, source, str(folder)]
    environ = {**os.environ, "PYO3MAGIC_STORE": str(store.folder), "PYO3MAGIC_WARM_UP": "0"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def _measure(store: Store, folder: Path, rounds: int) -> dict[str, float]:
    counter = 0

    def edited() -> str:
        nonlocal counter
        counter += 1
        return f"{CELL}\npub fn edit() -> u64 {{ {time.time_ns()} + {counter} }}\n"

    def cell(source: str, module: str = "benchmarked") -> BuiltCell:
        artifact = build(source, module=module, store=store.folder).artifact
        return BuiltCell(
            module, Options(module=module), source, (artifact.crate / "Cargo.lock").read_text(encoding="utf-8")
        )

    def export(what: BuiltCell, platform: str) -> None:
        context = gather(store)
        package = assemble_package(context, (what,), options=METADATA, available={})
        make_wheel(context, package, folder / "dist", platform=platform, force=True)

    same = cell(edited())
    context = gather(store)
    project = folder / "project"
    make_project(context, assemble_package(context, (same,), options=METADATA, available={}), project, stubs=False)
    source = project / "src" / "lib.rs"
    text = source.read_text(encoding="utf-8")
    maturin = [program("maturin"), "build", "--release", "--quiet", "--interpreter", sys.executable, "--out", "dist"]

    def by_maturin() -> None:
        source.write_text(f"{text}\npub fn edit_{time.time_ns()}() {{}}\n", encoding="utf-8")
        done = subprocess.run(maturin, cwd=project, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stderr)

    export(same, "")
    by_maturin()
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        times.setdefault(FIRST, []).append(_in_a_session(edited(), store, folder / "session"))
        edit, audited, new = cell(edited()), cell(edited()), cell(edited(), f"new_{time.time_ns()}")
        steps: dict[str, Callable[[], None]] = {
            "built cell, exported before, linux tag": lambda: export(same, "linux"),
            "edited cell, first export, linux tag": lambda cell=edit: export(cell, "linux"),  # type: ignore[misc]
            "cell of a new name, first export, linux tag": lambda cell=new: export(cell, "linux"),  # type: ignore[misc]
            "built cell, exported before, audited (manylinux)": lambda: export(same, ""),
            "edited cell, audited (manylinux)": lambda cell=audited: export(cell, ""),  # type: ignore[misc]
            "maturin build --release, edited": by_maturin,
        }
        for step, run in steps.items():
            start = time.perf_counter()
            run()
            times.setdefault(step, []).append(time.perf_counter() - start)
    return {step: statistics.median(seconds) for step, seconds in times.items()}


if __name__ == "__main__":
    main()
