import json
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from pyo3magic.compile.hints import rustc_hints as hints
from pyo3magic.diagnostics import Diagnostic, from_rustc, ordered, render_text

Check = Callable[[str], list[Diagnostic]]
IDIOMS = {
    "#[pymodule]\nfn m(_py: Python, m: &PyModule) -> PyResult<()> { m.add_class::<A>()?; Ok(()) }\n#[pyclass] struct A;": "Bound<'_, PyModule>",
    "#[pyfunction] fn f() { Python::with_gil(|_| {}) }": "`Python::attach` since pyo3 0.26 (`--pyo3 0.27`",
    "#[pyfunction] fn f() { let gil = Python::acquire_gil(); }": "Python::attach",
    "#[pyfunction] fn f(py: Python<'_>) { py.allow_threads(|| {}) }": "`py.detach`",
    "#[pyfunction] fn f() { pyo3::prepare_freethreaded_python(); }": "Python::initialize",
    "use pyo3::sync::GILOnceCell;": "PyOnceLock",
    "#[pyfunction] fn f(x: PyObject) {}": "`Py<PyAny>`",
    "#[pyfunction] fn f(py: Python<'_>) -> Py<PyAny> { 1i32.into_py(py) }": "into_py_any",
    "#[pyfunction] fn f(py: Python<'_>) -> Py<PyAny> { 1i32.to_object(py) }": "into_py_any",
    "use pyo3::IntoPy;": "`IntoPyObject`",
    "struct A; impl ToPyObject for A {}": "`IntoPyObject`",
    "#[pyfunction] fn f(py: Python<'_>, x: Py<PyAny>) { x.as_ref(py); }": "`.bind(py)`",
    "#[pyclass] struct A; #[pyfunction] fn f(x: &PyCell<A>) {}": "&Bound<'_, T>",
    "#[pyclass] #[derive(Clone)] struct A {}\n#[pyfunction] fn f(x: A) {}": "#[pyclass(from_py_object)]",
    "#[pyclass] #[derive(Clone)] struct A {}\n#[pyfunction] fn f(x: Vec<A>) {}": "#[pyclass(from_py_object)]",
    "#[pyfunction] fn f(x: &PyAny) {}": "`&Bound<'_, PyAny>`",
    "use pyo3::types::PyDict;\n#[pyfunction] #[pyo3(signature=(**kw))] fn f(kw: Option<&PyDict>) {}": "`&Bound<'_, PyDict>`",
    "use pyo3::types::PyList;\n#[pyfunction] fn f(py: Python) -> &PyList { PyList::empty(py) }": "`Bound<'py, PyList>`",
    "use pyo3::types::PyList;\n#[pyfunction] fn f(py: Python) { PyList::new_bound(py, [1]); }": "`new_bound` is `new`",
    '#[pyfunction] fn f(py: Python) { py.import_bound("a"); }': "`import_bound` is `import`",
    "use pyo3::types::PyList;\n#[pyfunction] fn f(x: &Bound<'_, PyAny>) { x.downcast::<PyList>(); }": "`.cast`",
    '#[pyfunction] fn f(py: Python) { py.eval("1", None, None); }': "C strings",
    "struct A; impl<'py> FromPyObject<'py> for A { fn extract_bound(o: &Bound<'py, PyAny>) -> PyResult<Self> { Ok(A) } }": "Borrowed<'a, 'py, PyAny>",
    'use pyo3::exceptions;\n#[pyfunction] fn f() -> PyResult<()> { Err(exceptions::ValueError::py_err("x")) }': "PyValueError::new_err",
    '#[pyclass] struct A;\n#[pymethods] impl A { #[args(x="1")] fn f(&self, x: i32) {} }': "signature",
    "mod m { #[pyfunction] fn f() {} }": "use pyo3::prelude::*;",
    "use serde::Serialize;": "`%%rust -d serde`",
    "#[pyfunction] fn f() { ndarray::array![1]; }": "`%%rust -d ndarray`",
    "#[pyfunction] fn f(x: std::time::Instant) {}": None,
}


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Compile a cell against the newest PyO3 this table was written for; the first time takes seconds."""
    folder = tmp_path_factory.mktemp("idioms")
    (folder / "src").mkdir()
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "cell"\nversion = "0.0.0"\nedition = "2024"\n[lib]\ncrate-type = ["cdylib"]\n'
        '[dependencies]\npyo3 = "0.30"\n'
    )
    environ = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target")}
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("cargo is not installed")

    def run(source: str) -> list[Diagnostic]:
        (folder / "src" / "lib.rs").write_text(f"#[allow(unused_imports)] use pyo3::prelude::*;\n{source}\n")
        command = [cargo, "check", "--quiet", "--message-format", "json-diagnostic-rendered-ansi"]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        found = [from_rustc(item["message"]) for item in messages if item["reason"] == "compiler-message"]
        assert found, done.stderr
        return ordered(item for item in found if item is not None)

    return run


@pytest.mark.cargo
@pytest.mark.slow
@pytest.mark.parametrize("source", IDIOMS)
def test_idioms_of_older_pyo3(source: str, check: Check) -> None:
    first = check(source)[0]
    assert first.is_error
    hint = hints.hint_for(first)
    expected = IDIOMS[source]
    if expected is None:
        assert hint is None
    else:
        assert hint is not None
        assert expected in hint
        assert hint in render_text([first], "In[1]", hint=hints.hint_for)
