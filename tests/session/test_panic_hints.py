"""Hints for panics, by the texts that Rust and the crates really give."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from pyo3magic.session import panic_hints
from pyo3magic.session.panic_hints import HINTS, hint_for

SAID = {
    "there is no reactor running, must be called from the context of a Tokio 1.x runtime": "future_into_py",
    "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) attempted to "
    "block the current thread while the thread is being used to drive asynchronous tasks.": ".await",
    "Cannot block the current thread from within a runtime. This happens because a function attempted to block the "
    "current thread while the thread is being used to drive asynchronous tasks.": ".await",
    "Cannot drop a runtime in a context where blocking is not allowed. This happens when a runtime is dropped from "
    "within an asynchronous context.": "OnceLock",
    "A Tokio 1.x context was found, but timers are disabled. Call `enable_time` on the runtime builder to enable "
    "timers.": "enable_all",
    "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime builder to enable "
    "IO.": "enable_all",
    "can call blocking only when running on the multi-threaded runtime": "spawn_blocking",
    "called `Result::unwrap()` on an `Err` value: AsSliceError": "as_array()",
    "called `Result::unwrap()` on an `Err` value: NotContiguousError": "np.ascontiguousarray",
    "the data: AsSliceError": "as_array()",
    "called `Result::unwrap()` on an `Err` value: AlreadyBorrowed": "try_readwrite",
    "called `Result::unwrap()` on an `Err` value: NotWriteable": "a.copy()",
    "Already borrowed: PyBorrowMutError": "frozen",
    "Already mutably borrowed: PyBorrowError": "frozen",
    "assertion `left == right` failed: cell::Local is unsendable, but sent to another thread\n  left: ThreadId(11)\n "
    "right: ThreadId(1)": "unsendable",
    "RefCell already borrowed": "RefCell",
    "RefCell already mutably borrowed": "RefCell",
    "already borrowed: BorrowMutError": "RefCell",
    "already mutably borrowed: BorrowError": "RefCell",
    "called `Result::unwrap()` on an `Err` value: PoisonError { .. }": "into_inner",
    "called `Option::unwrap()` on a `None` value": "ok_or_else",
    "called `Result::unwrap()` on an `Err` value: PyErr { type: <class 'TypeError'>, value: TypeError(\"'str' object "
    'cannot be interpreted as an integer"), traceback: None }': "`?`",
    "called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }": "map_err",
    "attempt to add with overflow": "wrapping_",
    "attempt to negate with overflow": "checked_",
}


@pytest.mark.parametrize(("text", "part"), SAID.items(), ids=lambda value: value[:30])
def test_known_panics_have_a_hint_of_one_line(text: str, part: str) -> None:
    assert part in hint_for(text)
    assert "\n" not in hint_for(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "index out of bounds: the len is 0 but the index is 3",
        "attempt to divide by zero",
        "the book is already borrowed by someone",
        "on purpose",
    ],
)
def test_other_panics_have_none(text: str) -> None:
    assert hint_for(text) == ""


def test_every_hint_is_tested() -> None:
    assert {hint_for(text) for text in SAID} == {hint.text for hint in HINTS}


@pytest.mark.parametrize("name", ["panic_hints", "panics"])
def test_remote_workers_need_the_standard_library_of_python_3_8_only(name: str) -> None:
    source = Path(panic_hints.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
