//! Python's arrays as Rust's slices and views, and Rust's vectors as NumPy arrays.
//!
//! The wrappers of plain functions call this module. It holds the interpreter lock (GIL) wherever it touches a Python object.
//! Python's buffer protocol gives memory without a copy (PEP 3118; C API, "Buffer Protocol"). NumPy is found at run time, and
//! only for results.

mod borrows;
mod buffer;
mod convert;
mod element;
mod errors;
mod iterators;
mod ndarray;
mod numpy;
mod slices;
mod source;
mod strings;
mod views;

pub use borrows::{claim, Claims, Span};
pub use element::{complex_slice, complex_slice_mut, complex_vec, Element, Item, Pair};
pub use errors::{argument_error, Caught, ViaDisplay, ViaError, ViaPyErr, ViaTrait};
pub use iterators::iterator;
pub use numpy::{array, array_of, array_of_slice};
pub use slices::{Slice, SliceMut};
pub use strings::Strings;
pub use views::{View, ViewMut};

use pyo3::conversion::IntoPyObjectExt;
use pyo3::{IntoPyObject, Py, PyAny, PyResult, Python};

/// Runs a function while other Python threads run, too.
pub fn released<T: Send>(py: Python<'_>, function: impl FnOnce() -> T + Send) -> T {
    py.detach(function)
}

/// Converts a value as PyO3 does.
pub fn object<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}
