"""Advice on frequent panics."""

from __future__ import annotations

import re

import pytest

from pyo3magic.session.panic_cures import CURES, cure_of


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (
            "there is no reactor running, must be called from the context of a Tokio 1.x runtime",
            "pyo3-async-runtimes",
        ),
        (
            "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) attempted",
            "future_into_py",
        ),
        ("RefCell already borrowed", "try_borrow_mut"),
        ("RefCell already mutably borrowed", "try_borrow_mut"),
        ("Already mutably borrowed", "try_borrow_mut"),
        ("called `Result::unwrap()` on an `Err` value: NotContiguousError", "np.ascontiguousarray"),
        ("called `Result::unwrap()` on an `Err` value: AsSliceError", "np.ascontiguousarray"),
        ("called `Result::unwrap()` on an `Err` value: PoisonError { .. }", "into_inner"),
        (
            "called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }",
            "in place of `.unwrap()`",
        ),
        ("called `Option::unwrap()` on a `None` value", ".ok_or_else"),
        ("attempt to add with overflow", "wrapping_"),
        ("attempt to shift left with overflow", "wrapping_"),
        ("attempt to divide by zero", "checked_div"),
        ("The Python interpreter is not initialized", "Python::attach"),
        ("too big: 5", ""),
        ("", ""),
    ],
)
def test_the_advice(text: str, cure: str) -> None:
    assert cure in cure_of(text)
    assert bool(cure_of(text)) is bool(cure)


def test_the_table() -> None:
    for cure in CURES:
        re.compile(cure.pattern)
        assert cure.advice.endswith((".", "`."))
        assert cure.advice.count("\n") == 0, "one more line"
