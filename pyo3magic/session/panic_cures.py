"""Advice on panics that many people meet, by the panic's text."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["CURES", "Cure", "cure_of"]


@dataclass(frozen=True, slots=True)
class Cure:
    """Advice on a panic.

    Attributes:
        source: where the text comes from.
        pattern: a regular expression for the panic's text.
        advice: what to do, in a sentence or two.
    """

    source: str
    pattern: str
    advice: str


CURES = (
    Cure(
        "tokio",
        r"there is no reactor running, must be called from the context of a Tokio",
        "Python's event loop runs this `async fn`, not Tokio. Use pyo3-async-runtimes (`future_into_py`), or enter a "
        "runtime: `let _guard = runtime.enter();`.",
    ),
    Cure(
        "tokio",
        r"Cannot (?:start a runtime|block the current thread) from within a runtime|"
        r"Cannot drop a runtime in a context where blocking is not allowed",
        "A Tokio runtime is already running on this thread. Return "
        "`pyo3_async_runtimes::tokio::future_into_py(py, ...)`, and `await` the result in Python.",
    ),
    Cure(
        "tokio",
        r"can call blocking only when running on the multi-threaded runtime",
        "Build the runtime with `tokio::runtime::Builder::new_multi_thread()`.",
    ),
    Cure(
        "pyo3, core::cell",
        r"[Aa]lready (?:mutably )?borrowed|RefCell already (?:mutably )?borrowed",
        "The object is in use by a call that has not ended, often one that calls back into Python. Use "
        "`try_borrow_mut`, end the borrow before calling Python, or use `#[pyclass(frozen)]` with a Mutex or atomics.",
    ),
    Cure(
        "numpy",
        r"AsSliceError|NotContiguousError|The given array is not contiguous",
        "`as_slice` needs a contiguous, aligned array. Use `as_array()`, which takes every array, or pass "
        "`np.ascontiguousarray(a)` from Python.",
    ),
    Cure(
        "numpy",
        r"BorrowError|The given array is (?:already|not) (?:borrowed|writeable)",
        "Another argument is the same array or shares its memory, or the array is read-only. Pass a copy: `a.copy()`.",
    ),
    Cure(
        "core::num",
        r"attempt to (?:add|subtract|multiply|negate|shift left|shift right)[a-z ]* with overflow",
        "Use `checked_...`, `wrapping_...` or `saturating_...` methods, or a wider type. Only builds with overflow "
        "checks (--debug, --test) notice this; other builds wrap around.",
    ),
    Cure(
        "core::num",
        r"attempt to (?:divide by zero|calculate the remainder with a divisor of zero)",
        "Use `checked_div` or `checked_rem`, and return a PyResult.",
    ),
    Cure(
        "std::sync",
        r"PoisonError",
        "A thread panicked while it held this lock. `lock().unwrap_or_else(|e| e.into_inner())` takes the lock anyway; "
        "running the cell again after a change makes a new one.",
    ),
    Cure(
        "core::option",
        r"called `Option::unwrap\(\)` on a `None` value",
        "To raise a Python exception instead, return a PyResult: "
        '`.ok_or_else(|| pyo3::exceptions::PyValueError::new_err("..."))?`.',
    ),
    Cure(
        "core::result",
        r"called `Result::unwrap\(\)` on an `Err` value",
        "To raise a Python exception instead, return a PyResult and write `?` in place of `.unwrap()`.",
    ),
    Cure(
        "pyo3",
        r"The Python interpreter is not initialized|Cannot attach to the Python interpreter|"
        r"access to the (?:GIL|Python API) is (?:currently )?prohibited|Python API called without the GIL",
        "Python objects can be used only while the thread is attached: `Python::attach(|py| ...)`, and not in "
        "`__traverse__` or inside `py.detach(...)`.",
    ),
)


def cure_of(text: str) -> str:
    """Return the advice on a panic; empty if there is none.

    Args:
        text: the panic's text.
    """
    return next((cure.advice for cure in CURES if re.search(cure.pattern, text)), "")
