"""Table of hints for code from older PyO3 tutorials and other common errors (PyO3's CHANGELOG and migration guide)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IDIOMS", "Idiom"]

_NEWEST_PYTHON = {"0.18": "3.11", "0.21": "3.12", "0.24": "3.13"}


@dataclass(frozen=True, slots=True)
class Idiom:
    """A hint for code that no longer compiles.

    Attributes:
        pattern: regular expression for the compiler's message.
        today: what to write today; ``{n}`` is the name that the pattern found.
        last: the last pyo3 that accepts the code unchanged, if any.
    """

    pattern: str
    today: str
    last: str = ""

    def advice(self, name: str) -> str:
        """Return the hint for the name that the pattern found."""
        python = f", for Python up to {_NEWEST_PYTHON[self.last]}" if self.last in _NEWEST_PYTHON else ""
        last = f" (`--pyo3 {self.last}` accepts it unchanged{python})" if self.last else ""
        return self.today.replace("{n}", name) + last


_NAMED = r"(?:named|type|trait|function|import|struct) `(?:pyo3::(?:\w+::)*)?"
IDIOMS = (
    Idiom(
        r"for reference `&(?:pyo3::types::)?PyModule`|`&(?:pyo3::types::)?PyModule: ",
        "a module is taken as `m: &Bound<'_, PyModule>` since pyo3 0.21",
        "0.21",
    ),
    Idiom(
        r"`(?:Option<)?&(?:pyo3::(?:types::)?)?(?P<n>Py[A-Z]\w*)>?` cannot be used as a Python function argument",
        "`&{n}` is written `&Bound<'_, {n}>` since pyo3 0.21",
        "0.21",
    ),
    Idiom(
        r"`&(?:pyo3::(?:types::)?)?(?P<n>Py[A-Z]\w*)` cannot be converted to a Python object"
        r"|expected `&(?:pyo3::)?(?P<m>Py[A-Z]\w*)`, found `(?:Bound|pyo3::Bound|&Py)<",
        "`&{n}` is written `Bound<'py, {n}>` since pyo3 0.21 (borrowed: `&Bound<'py, {n}>`)",
        "0.21",
    ),
    Idiom(
        r"unexpected argument of type `(?:pyo3::)?Python<(?s:.*)as_ref\(",
        "`.as_ref(py)` is `.bind(py)` since pyo3 0.21",
        "0.21",
    ),
    Idiom(_NAMED + "into_ref`", "`.into_ref(py)` is `.into_bound(py)` since pyo3 0.21", "0.21"),
    Idiom(_NAMED + "PyCell`", "`&PyCell<T>` is written `&Bound<'_, T>` since pyo3 0.21", "0.21"),
    Idiom(_NAMED + "acquire_gil`", "write `Python::attach(|py| ...)`, or take `py: Python<'_>` as an argument", "0.18"),
    Idiom(_NAMED + "with_gil`", "`Python::with_gil` is `Python::attach` since pyo3 0.26", "0.27"),
    Idiom(_NAMED + "allow_threads`", "`py.allow_threads` is `py.detach` since pyo3 0.26", "0.27"),
    Idiom(
        r"`prepare_freethreaded_python`",
        "it is `Python::initialize()` since pyo3 0.26; a module needs no such call",
        "0.27",
    ),
    Idiom(r"`GILOnceCell` is private|" + _NAMED + "GILOnceCell`", "use `pyo3::sync::PyOnceLock` instead", "0.27"),
    Idiom(_NAMED + "PyObject`", "`PyObject` is written `Py<PyAny>` since pyo3 0.26", "0.27"),
    Idiom(
        _NAMED + "(?P<n>IntoPy|ToPyObject)(?:`|<)",
        "`{n}` is replaced by `IntoPyObject` since pyo3 0.23, often `#[derive(IntoPyObject)]`",
        "0.24",
    ),
    Idiom(
        _NAMED + "(?P<n>into_py|to_object)`",
        "`.{n}(py)` is `.into_pyobject(py)?`, or `.into_py_any(py)?` with `use pyo3::IntoPyObjectExt;`",
        "0.24",
    ),
    Idiom(
        r"method `extract_bound` is not a member|trait takes 2 lifetime arguments(?s:.*)FromPyObject",
        "write `impl<'a, 'py> FromPyObject<'a, 'py>` with `type Error = PyErr;` and "
        "`fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self>` since pyo3 0.27",
        "0.26",
    ),
    Idiom(_NAMED + r"(?P<n>\w+)_bound`", "`{n}_bound` is `{n}` since pyo3 0.23", "0.24"),
    Idiom(
        _NAMED + r"(?P<n>Downcast\w*Error)`",
        "downcast errors are `CastError` and `CastIntoError` since pyo3 0.27",
        "0.28",
    ),
    Idiom(_NAMED + r"downcast(?P<n>\w*)`", "`.downcast{n}` is `.cast{n}` since pyo3 0.27", "0.28"),
    Idiom(_NAMED + "is_true`", "`.is_true()` is `.is_truthy()` since pyo3 0.21"),
    Idiom(
        r"expected `&CStr`, found `&str`",
        'put a `c` before the string, as in `c"1 + 1"`: PyO3 takes C strings since 0.23',
    ),
    Idiom(
        r"(?:`(?P<n>[\w:]+)` cannot be used as a Python function argument|trait bound `(?:for<'a> )?(?P<m>[\w:]+): "
        r"FromPyObject<)(?s:.*)FromPyObject<'\w+, '\w+>` is not implemented for `[\w:]+`\s+--> src/lib\.rs",
        "since pyo3 0.30 a class is passed by value only with `#[pyclass(from_py_object)]` and "
        "`#[derive(Clone)]`; or take `&{n}` (`--pyo3 0.29` accepts any `Clone` class)",
    ),
    Idiom(
        r"cannot find `(?P<n>[A-Z]\w+)` in `exceptions`",
        '`exceptions::{n}` is `pyo3::exceptions::Py{n}`, raised with `Py{n}::new_err("...")`',
    ),
    Idiom(r"takes 2 generic arguments(?s:.*)PyErr::new", 'write `PyValueError::new_err("...")`'),
    Idiom(r"attribute `args`", "`#[args(...)]` is `#[pyo3(signature = (x, y=1))]` since pyo3 0.18"),
    Idiom(r"attribute `text_signature`", 'write `#[pyo3(text_signature = "...")]`, on `#[new]` for a class'),
    Idiom(r"attribute `pyproto`", "special methods go into `#[pymethods]` since pyo3 0.16"),
    Idiom(r"attribute `(?:pymodinit|pyfn)`", "write `#[pyfunction]`s and leave the module out: the cell makes one"),
    Idiom(
        r"attribute `(?:pyfunction|pyclass|pymethods|pymodule)`",
        "inside a `mod`, import PyO3's names: `use pyo3::prelude::*;`",
    ),
    Idiom(r"`#!\[feature\]` may not be used", "remove the line, or build with a nightly toolchain"),
    Idiom(r"derive macro `(?P<n>Serialize|Deserialize)`", "`use serde::{n};`, with `%%rust -d serde+derive`"),
    Idiom(
        r"`(?:&(?:mut )?\[|&(?:mut )?(?:std::vec::)?Vec<|(?:ndarray::)?ArrayBase<)[^`]*` cannot be used as a Python "
        r"function argument",
        "an array is taken as `&[T]`, `&mut [T]` or a view of ndarray; T is bool, f32, f64, an integer of up to 64 "
        "bits, a complex number, or (in slices) a row such as `[f64; 3]`",
    ),
    Idiom(
        r"method `exception` exists for reference",
        "an error becomes an exception if it has a text: implement `std::fmt::Display` for it, or return "
        "`Result<_, String>`",
    ),
    Idiom(
        r"`(?P<n>\w+)_buffer` does not live long enough",
        "the result borrows `{n}`, and Python keeps the result for longer than the call: collect it into a `Vec`, or "
        "take a `Vec` instead of a slice",
    ),
    Idiom(
        r"cannot be s(?:ent|hared) between threads safely(?s:.*)(?:required by this bound in|required by a bound in) "
        r"`released`",
        "functions on arrays run without Python's lock, so what they take and return has to be `Send`; "
        "`%%rust --keep-gil` keeps the lock",
    ),
)
