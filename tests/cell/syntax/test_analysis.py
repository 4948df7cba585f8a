from __future__ import annotations

import time

import pytest

from pyo3magic.cell.syntax import Syntax, analyse


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("imports_prelude", "use pyo3::{prelude::*, types::PyList};", "mod m { use pyo3::prelude::*; }"),
        ("uses_python_cfgs", "fn f() { if cfg!(all(Py_3_9, unix)) {} }", "fn f() { let Py_3_9 = 1; }"),
        ("uses_python_cfgs", '#[cfg(py_sys_config = "Py_DEBUG")]\nfn f() {}', '#[cfg(feature = "Py_3_9")]\nfn f() {}'),
        ("uses_async", "#[pyfunction]\nasync fn f() {}", "#[pyfunction]\nfn f() {}\nasync fn g() {}"),
        ("uses_async", "#[pymethods]\nimpl P { async fn f(&self) {} }", "impl P { async fn f(&self) {} }"),
        ("uses_async", "pub async fn f() {}", "async fn f() {}"),
        ("has_main", "fn main() {}", "mod m { fn main() {} }"),
        ("has_tests", "mod tests { #[test] fn t() {} }", "// #[test]"),
        ("is_empty", " \n// a\n/* b */\n", "use a;"),
        ("has_pyo3_items", "#[pymethods]\nimpl P {}", "use pyo3::prelude::*;"),
    ],
)
def test_facts(name: str, yes: str, no: str) -> None:
    assert getattr(analyse(yes), name) is True
    assert getattr(analyse(no), name) is False


@pytest.mark.parametrize(
    "source",
    ["}}}{{{", "#![", "#[pyfunction", '"', 'r#"', "/*", "fn", "pub fn", "#[pymodule]", "\x00\ud800", "use {{{", "é" * 100,
     "create_exception!(", "#[cfg_attr(]fn f(){}", "[" * 5000, "use a::{" * 2000, "mod a {" * 2000, '#![doc = "\\u{ffffffff}"]',
     "#[cfg_attr(x, pyclass(name = 1))] struct", '#![doc = r#"a\n"#]'],
)  # fmt: skip
def test_any_text_has_an_answer(source: str) -> None:
    assert isinstance(analyse(source), Syntax)


def test_small_cells_take_milliseconds() -> None:
    source = "#[pyfunction]\nfn fib(n: u64) -> u64 { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }\n" * 5
    analyse(source)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        analyse(source)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02
