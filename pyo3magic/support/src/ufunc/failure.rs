//! Errors and panics of a loop, as Python's exceptions.

use std::any::Any;
use std::error::Error;
use std::fmt::Display;
use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::exceptions::PyValueError;
use pyo3::panic::PanicException;
use pyo3::{PyErr, Python};

/// The exception to raise. It is made without the interpreter lock, and boxed because most loops have none.
pub(super) type Failure = Box<PyErr>;

/// The exception for an error: Python's own stay, io errors become OSError, others a ValueError with their text.
#[cold]
pub(super) fn of<E: Display + 'static>(error: E) -> Failure {
    let error: Box<dyn Any> = match (Box::new(error) as Box<dyn Any>).downcast::<PyErr>() {
        Ok(own) => return own,
        Err(other) => other,
    };
    let error = match error.downcast::<std::io::Error>() {
        Ok(error) => return Box::new(PyErr::from(*error)),
        Err(other) => other,
    };
    let sources = [
        error.downcast_ref::<Box<dyn Error>>().and_then(|error| error.source()),
        error.downcast_ref::<Box<dyn Error + Send + Sync>>().and_then(|error| error.source()),
    ];
    // anyhow's alternative form has the sources.
    let mut text = error.downcast_ref::<E>().map(|error| format!("{error:#}")).unwrap_or_default();
    let mut source = sources.into_iter().flatten().next();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    Box::new(PyErr::new::<PyValueError, _>(text))
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
