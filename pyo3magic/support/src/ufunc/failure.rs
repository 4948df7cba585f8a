//! Errors and panics of a loop, as Python's exceptions.

use std::any::Any;
use std::error::Error;
use std::fmt::Display;
use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::exceptions::PyRuntimeError;
use pyo3::panic::PanicException;
use pyo3::{PyErr, Python};

/// The exception to raise. It is made without the interpreter lock, and boxed because most loops have none.
pub(super) type Failure = Box<PyErr>;

/// An error that a function has returned.
///
/// `(&&Raised(&error)).exception()` is the conversion of the first trait below that the error's type has: the compiler
/// looks for methods of a type with more references first.
pub struct Raised<'a, E>(pub &'a E);

/// Errors that have an exception of their own: PyO3's, those of the standard library that PyO3 converts, the cell's.
pub trait OwnException<E> {
    fn exception(&self) -> fn(E) -> PyErr;
}

impl<E: Into<PyErr>> OwnException<E> for &Raised<'_, E> {
    fn exception(&self) -> fn(E) -> PyErr {
        Into::into
    }
}

/// All other errors: a RuntimeError with the text.
pub trait TextException<E> {
    fn exception(&self) -> fn(E) -> PyErr;
}

impl<E: Display + 'static> TextException<E> for Raised<'_, E> {
    fn exception(&self) -> fn(E) -> PyErr {
        |error| *of(error)
    }
}

/// The exception for an error; an exception stays as it is.
#[cold]
pub(super) fn of<E: Display + 'static>(error: E) -> Failure {
    let error: Box<dyn Any> = match (Box::new(error) as Box<dyn Any>).downcast::<PyErr>() {
        Ok(own) => return own,
        Err(other) => other,
    };
    let error = match error.downcast::<Box<dyn Error + Send + Sync>>() {
        Ok(boxed) => return of_boxed(*boxed),
        Err(other) => other,
    };
    let error = match error.downcast::<Box<dyn Error>>() {
        Ok(boxed) => return of_boxed(*boxed),
        Err(other) => other,
    };
    // anyhow's alternative form has the sources.
    let text = error.downcast_ref::<E>().map(|error| format!("{error:#}")).unwrap_or_default();
    Box::new(PyErr::new::<PyRuntimeError, _>(text))
}

fn of_boxed(error: Box<dyn Error>) -> Failure {
    let error = match error.downcast::<PyErr>() {
        Ok(own) => return own,
        Err(other) => other,
    };
    let error = match error.downcast::<std::io::Error>() {
        Ok(error) => return Box::new(PyErr::from(*error)),
        Err(other) => other,
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("\nCaused by: {error}");
        source = error.source();
    }
    Box::new(PyErr::new::<PyRuntimeError, _>(text))
}

/// Runs a part of a loop; a panic becomes PyO3's PanicException.
pub(super) fn caught(part: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(part)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Err(Box::new(PyErr::new::<PanicException, _>(text.unwrap_or_else(|| "panic from Rust code".to_owned()))))
    })
}

/// Lets NumPy raise the exception of a loop that has ended early.
pub(super) fn raise(failure: Failure) {
    Python::attach(|py| failure.restore(py));
}

/// KeyboardInterrupt, or what another handler of a signal has raised; only Python's main thread runs handlers.
pub(super) fn interrupted() -> Result<(), Failure> {
    Python::attach(|py| py.check_signals()).map_err(Box::new)
}
