"""A ufunc from a cell, against the same loop by hand in Rust and C, NumPy's own functions, and numba."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from pyo3magic.api import build

from .peers import Unavailable, environment_python
from .report import Result, Series, ratio

if TYPE_CHECKING:
    from pathlib import Path

    from .bench import Bench

__all__ = ["ufunc"]

_UFUNC = "pub fn logistic(x: f64) -> f64 { 1.0 / (1.0 + (-x).exp()) }"
_BY_HAND = """
fn values(buffer: &pyo3::buffer::PyBuffer<f64>) -> &mut [f64] {
    unsafe { std::slice::from_raw_parts_mut(buffer.buf_ptr().cast(), buffer.item_count()) }
}
#[pyfunction]
fn logistic(x: pyo3::buffer::PyBuffer<f64>, out: pyo3::buffer::PyBuffer<f64>) {
    for (out, x) in values(&out).iter_mut().zip(&*values(&x)) {
        *out = 1.0 / (1.0 + (-x).exp());
    }
}
"""
_C = """
#include <math.h>
void logistic(const double *restrict x, double *restrict out, long count) {
    for (long i = 0; i < count; i++) out[i] = 1.0 / (1.0 + exp(-x[i]));
}
"""
_SCRIPT = """
import ctypes, importlib.machinery, importlib.util, json, math, sys, time, timeit
import numpy as np

given = json.loads(sys.argv[1])

def load(name, file):
    loader = importlib.machinery.ExtensionFileLoader(name, file)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, file, loader=loader))
    loader.exec_module(module)
    return module

def seconds(function, *arguments):
    begun = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begun

ours, parallel, hand = (load(*given[name]).logistic for name in ("ours", "parallel", "hand"))
x = np.random.default_rng(0).normal(size=4_000_000)
out = np.empty_like(x)
loops = {
    "%%rust --ufunc": lambda: ours(x, out=out),
    "the loop by hand in Rust": lambda: hand(x, out),
    "%%rust --ufunc --parallel": lambda: parallel(x, out=out),
    "NumPy": lambda: 1 / (1 + np.exp(-x)),
}
calls = {"%%rust --ufunc": ours, "numpy.exp": np.exp}
compiled = []
if given["c"]:
    in_c = ctypes.CDLL(given["c"]).logistic
    pointers = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(out.ctypes.data), ctypes.c_long(x.size)
    loops["the loop by hand in C"] = lambda: in_c(*pointers)
try:
    import numba
except ImportError:
    pass
else:
    def plain(x):
        return 1.0 / (1.0 + math.exp(-x))
    numba.vectorize("f8(f8)")(lambda x: x)  # what numba loads once is not part of its compile time
    compiled = [seconds(numba.vectorize("f8(f8)"), plain) for _ in range(given["rounds"])]
    theirs = calls["numba.vectorize"] = numba.vectorize("f8(f8)")(plain)
    loops["numba.vectorize"] = lambda: theirs(x, out=out)
found = {name: [] for name in loops}
for _ in range(given["rounds"] + 1):
    for name, function in loops.items():
        found[name].append(seconds(function))
single = {
    name: [each / 100_000 for each in timeit.Timer("f(0.5)", globals={"f": function}).repeat(given["rounds"], 100_000)]
    for name, function in calls.items()
}
print(json.dumps({"loops": {name: each[1:] for name, each in found.items()}, "calls": single, "compiled": compiled}))
"""


def ufunc(bench: Bench) -> Result:
    """The logistic function of 4 million numbers and of one, and an edit of its cell."""
    modules = {
        "ours": build(_UFUNC, ufunc="", store=bench.store),
        "parallel": build(_UFUNC, ufunc="", parallel=True, store=bench.store),
        "hand": build(_BY_HAND, store=bench.store),
    }
    given: dict[str, Any] = {name: (made.module, str(made.path)) for name, made in modules.items()}
    given |= {"rounds": bench.rounds, "c": _c_library(bench.fresh("ufunc-c"))}
    notes: list[str] = [] if given["c"] else ["the loop in C is left out: there is no C compiler"]
    python: str | Path = sys.executable
    try:
        python = environment_python(bench.folder / "peers" / "numba", ("numba",))
    except Unavailable as error:
        notes.append(f"numba is left out: {error}")
    command = [str(python), "-c", _SCRIPT, json.dumps(given)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    loops = {name: Series(name, tuple(samples)) for name, samples in found["loops"].items()}
    calls = [Series(f"one number, {name}", tuple(samples), "us") for name, samples in found["calls"].items()]
    edits = [Series("an edit, %%rust --ufunc", tuple(_edits(bench)))]
    if found["compiled"]:
        edits.append(Series("an edit, numba.vectorize", tuple(found["compiled"])))
    ours, *others = loops.values()
    goals = {"the loop by hand in Rust": 1.1, "the loop by hand in C": 1.1}
    comparisons = [ratio(ours, other, goals.get(other.name)) for other in others]
    comparisons += [ratio(group[0], other) for group in (calls, edits) for other in group[1:]]
    return Result(
        "The logistic function of 4 million float64",
        (*loops.values(), *calls, *edits),
        tuple(comparisons),
        tuple(notes),
    )


def _edits(bench: Bench) -> list[float]:
    with bench.kernel() as kernel:
        kernel.run(f"%%rust --ufunc\n{_UFUNC}")
        return [
            kernel.run(f"%%rust --ufunc\n{_UFUNC}\npub fn edit(x: f64) -> f64 {{ x + {bench.next_edit()}.0 }}")
            for _ in range(bench.rounds)
        ]


def _c_library(folder: Path) -> str:
    """Compile the loop in C as cargo compiles Rust by default, without ``-march``; empty without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / "logistic.c", folder / "logistic.so"
    source.write_text(_C, encoding="utf-8")
    subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    return str(library)
