"""Hints for panics that many people meet and whose text does not say what to do.

Remote workers get this file as source: Python 3.8 and later, standard library only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["HINTS", "Hint", "hint_for"]


class Hint(NamedTuple):
    """What to do about a panic.

    Attributes:
        pattern: regular expression, searched in the panic's text.
        text: one line that says what to do.
    """

    pattern: str
    text: str


HINTS = (
    # tokio 1
    Hint(
        r"there is no reactor running, must be called from the context of a Tokio 1\.x runtime",
        "Python's event loop is not a Tokio runtime. Return `pyo3_async_runtimes::tokio::future_into_py(py, async move "
        "{ ... })` from an ordinary `fn` (`-d pyo3-async-runtimes+tokio-runtime`), or enter a runtime of your own: "
        "`let _guard = runtime.enter();`.",
    ),
    Hint(
        r"^Cannot (?:start a runtime|block the current thread) from within a runtime",
        "this thread already runs a Tokio runtime: use `.await` instead of blocking, and give Python an awaitable with "
        "`pyo3_async_runtimes::tokio::future_into_py`.",
    ),
    Hint(
        r"^Cannot drop a runtime in a context where blocking is not allowed",
        "keep the runtime in a `static` (`std::sync::OnceLock`), or end it with `shutdown_background()`.",
    ),
    Hint(
        r"^A Tokio 1\.x context was found, but (?:timers are|IO is) disabled",
        "build the runtime with `tokio::runtime::Builder::new_multi_thread().enable_all().build()`.",
    ),
    Hint(
        r"^can call blocking only when running on the multi-threaded runtime",
        "`block_in_place` needs a runtime made with `Builder::new_multi_thread()`; otherwise use `spawn_blocking`.",
    ),
    # rust-numpy, where AsSliceError is called NotContiguousError in older versions
    Hint(
        r": (?:AsSliceError|NotContiguousError)$",
        "`as_slice()` needs contiguous, aligned data. Use `as_array()`, which takes any layout, or pass "
        "`np.ascontiguousarray(a)` (`a.copy()` if the data is misaligned). With `?` instead of `unwrap()` this is a "
        "TypeError.",
    ),
    Hint(
        r": AlreadyBorrowed$",
        "the same array is borrowed twice, once for writing: drop the first borrow, or pass a copy. "
        "`try_readwrite()?` gives a Python exception.",
    ),
    Hint(r": NotWriteable$", "the array is read-only: pass `a.copy()`. `try_readwrite()?` gives a Python exception."),
    # pyo3
    Hint(
        r"^Already (?:mutably )?borrowed: PyBorrow(?:Mut)?Error$",
        "a method with `&mut self` or `borrow_mut()` called Python code that uses the same object. End the borrow "
        "before that call, or use `#[pyclass(frozen)]` with a Mutex or atomics inside.",
    ),
    Hint(
        r"is unsendable, but sent to another thread",
        "the class is `#[pyclass(unsendable)]`: use an object only in the thread that made it, or make its fields Send "
        "and Sync.",
    ),
    # std
    Hint(
        r"^(?:RefCell )?already (?:mutably )?borrowed(?:: Borrow(?:Mut)?Error)?$",
        "a RefCell is borrowed twice, once with `borrow_mut()`: end the first borrow (a block, or `drop`) before you "
        "call other code.",
    ),
    Hint(
        r": PoisonError \{ \.\. \}$",
        "there was a panic while the lock was held: correct that one, or use the data anyway, with "
        "`lock().unwrap_or_else(|error| error.into_inner())`.",
    ),
    Hint(
        r"^called `Option::unwrap\(\)` on a `None` value$",
        'for a Python exception instead, return `PyResult` and write `.ok_or_else(|| PyValueError::new_err("..."))?`.',
    ),
    Hint(
        r"^called `Result::unwrap\(\)` on an `Err` value: PyErr \{",
        "return `PyResult` and write `?` instead of `.unwrap()`: Python then gets this exception itself.",
    ),
    Hint(
        r"^called `Result::unwrap\(\)` on an `Err` value: ",
        "for a Python exception instead, return `PyResult` and write `?` in place of `.unwrap()`, after "
        "`.map_err(|error| PyValueError::new_err(error.to_string()))` if PyO3 does not know the error.",
    ),
    Hint(
        r"^attempt to (?:add|subtract|multiply|negate|shift left|shift right) with overflow$",
        "the number does not fit its type: use a wider type, `checked_...` with an error, or `wrapping_...` if it may "
        "wrap around.",
    ),
)
"""The texts are those of tokio 1, numpy 0.25 to 0.30, pyo3 0.25 to 0.30, and Rust 1.70 to 1.95."""


def hint_for(text: str) -> str:
    """Return the hint for a panic with this text, or an empty string."""
    return next((hint.text for hint in HINTS if re.search(hint.pattern, text)), "")
