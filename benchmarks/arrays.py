"""What functions on arrays cost: plain Rust in a cell, the same with the crate numpy by hand, and NumPy."""

from __future__ import annotations

import timeit
from functools import partial
from typing import TYPE_CHECKING, Any

from pyo3magic.api import build

from .peers import Unavailable
from .report import Result, Series, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench

__all__ = ["call_with_array", "loops_on_arrays"]

_PLAIN = """
pub fn energy(values: &[f64]) -> f64 { values.iter().map(|x| x * x).sum() }
pub fn logistic(values: &[f64]) -> Vec<f64> { values.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect() }
pub fn norms(rows: &[[f64; 4]]) -> Vec<f64> {
    rows.iter().map(|r| r.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
}
pub fn smooth(values: &[f64]) -> Vec<f64> { values.windows(3).map(|w| (w[0] + w[1] + w[2]) / 3.0).collect() }
"""
_BY_HAND = """
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
#[pyfunction]
fn energy(py: Python<'_>, values: PyReadonlyArray1<'_, f64>) -> PyResult<f64> {
    let values = values.as_slice()?;
    Ok(py.detach(|| values.iter().map(|x| x * x).sum()))
}
#[pyfunction]
fn logistic<'py>(py: Python<'py>, values: PyReadonlyArray1<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let values = values.as_slice()?;
    let found: Vec<f64> = py.detach(|| values.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect());
    Ok(found.into_pyarray(py))
}
#[pyfunction]
fn norms<'py>(py: Python<'py>, rows: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let rows = rows.as_slice()?;
    let found: Vec<f64> =
        py.detach(|| rows.chunks_exact(4).map(|r| r.iter().map(|x| x * x).sum::<f64>().sqrt()).collect());
    Ok(found.into_pyarray(py))
}
#[pyfunction]
fn smooth<'py>(py: Python<'py>, values: PyReadonlyArray1<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let values = values.as_slice()?;
    let found: Vec<f64> = py.detach(|| values.windows(3).map(|w| (w[0] + w[1] + w[2]) / 3.0).collect());
    Ok(found.into_pyarray(py))
}
"""
_CALLS = 20_000
_SIZE = 1_000_000


def call_with_array(bench: Bench) -> Result:
    """A call with an array of eight numbers, all in turns in one process."""
    numpy, plain, by_hand = _modules(bench)
    values = numpy.arange(8.0)
    functions: dict[str, Callable[[], object]] = {
        "%%rust, &[f64]": lambda: plain.energy(values),
        "PyReadonlyArray1 by hand": lambda: by_hand.energy(values),
        "numpy.dot": lambda: numpy.dot(values, values),
    }
    rows = _in_turns(functions, max(bench.rounds, 15), _CALLS, "us")
    return Result("A call with a small array", rows, (ratio(rows[0], rows[1], 1.2), ratio(rows[0], rows[2])))


def loops_on_arrays(bench: Bench) -> Result:
    """Four loops over a million numbers, all in turns in one process."""
    numpy, plain, by_hand = _modules(bench)
    values = numpy.linspace(-4.0, 4.0, _SIZE)
    rows = values.reshape(-1, 4)
    in_numpy: dict[str, Callable[[], object]] = {
        "energy": lambda: numpy.square(values).sum(),
        "logistic": lambda: 1.0 / (1.0 + numpy.exp(-values)),
        "norms": lambda: numpy.sqrt(numpy.square(rows).sum(axis=1)),
        "smooth": lambda: (values[:-2] + values[1:-1] + values[2:]) / 3.0,
    }
    functions: dict[str, Callable[[], object]] = {}
    for name, function in in_numpy.items():
        argument = rows if name == "norms" else values
        for label, module in (("%%rust", plain), ("by hand", by_hand)):
            functions[f"{name}, {label}"] = partial(getattr(module, name), argument)
        functions[f"{name}, NumPy"] = function
    series = _in_turns(functions, max(bench.rounds, 15), 3, "ms")
    ratios = [ratio(series[at], series[at + 1], 1.05) for at in range(0, len(series), 3)]
    ratios += [ratio(series[at], series[at + 2]) for at in range(0, len(series), 3)]
    return Result("Loops over a million numbers", series, tuple(ratios))


def _modules(bench: Bench) -> tuple[Any, Any, Any]:
    try:
        import numpy as np
    except ImportError as error:
        raise Unavailable("NumPy is not installed") from error
    plain = build(_PLAIN, store=bench.store).load()
    by_hand = build(_BY_HAND, dependencies=["numpy"], store=bench.store).load()
    return np, plain, by_hand


def _in_turns(functions: dict[str, Callable[[], object]], rounds: int, number: int, unit: Any) -> tuple[Series, ...]:
    """Time the functions, each once in every round; the first round is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            seconds = timeit.timeit(function, number=number) / number
            if turn:
                times[name].append(seconds)
    return tuple(Series(name, tuple(measured), unit) for name, measured in times.items())
