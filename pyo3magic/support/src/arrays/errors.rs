//! Rust's errors as Python's exceptions.
//!
//! A function may return any error that can be displayed. Which conversion an error's type allows is found at compile time, by
//! the order in which the compiler looks for methods: with fewer references it finds the more general trait.

use std::error::Error;
use std::fmt::Display;
use std::io;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::PyErr;

/// A TypeError about an argument, in PyO3's form.
pub fn argument_error(name: &str, text: impl Display) -> PyErr {
    PyTypeError::new_err(format!("argument '{name}': {text}"))
}

pub fn value_error(text: String) -> PyErr {
    PyValueError::new_err(text)
}

/// An error that a function has returned.
pub struct Caught<E>(pub E);

/// Errors with a conversion of their own: PyO3's, or one in the cell.
pub trait ViaPyErr<E> {
    fn exception(&self) -> fn(E) -> PyErr;
}

impl<E: Into<PyErr>> ViaPyErr<E> for &&&Caught<&E> {
    fn exception(&self) -> fn(E) -> PyErr {
        Into::into
    }
}

/// Errors of any type in a box, which may be one that has an exception.
pub trait ViaTrait<E> {
    fn exception(&self) -> fn(E) -> PyErr;
}

impl ViaTrait<Box<dyn Error>> for &&Caught<&Box<dyn Error>> {
    fn exception(&self) -> fn(Box<dyn Error>) -> PyErr {
        from_box
    }
}

impl ViaTrait<Box<dyn Error + Send>> for &&Caught<&Box<dyn Error + Send>> {
    fn exception(&self) -> fn(Box<dyn Error + Send>) -> PyErr {
        |error| from_box(error)
    }
}

impl ViaTrait<Box<dyn Error + Send + Sync>> for &&Caught<&Box<dyn Error + Send + Sync>> {
    fn exception(&self) -> fn(Box<dyn Error + Send + Sync>) -> PyErr {
        |error| from_box(error)
    }
}

/// Other errors, whose text is their own and that of their sources.
pub trait ViaError<E> {
    fn exception(&self) -> fn(E) -> PyErr;
}

impl<E: Error> ViaError<E> for &Caught<&E> {
    fn exception(&self) -> fn(E) -> PyErr {
        |error| PyRuntimeError::new_err(with_sources(&error))
    }
}

/// Everything else that can be displayed, such as a text. `anyhow` displays sources in the alternate form.
pub trait ViaDisplay<E> {
    fn exception(&self) -> fn(E) -> PyErr;
}

impl<E: Display> ViaDisplay<E> for Caught<&E> {
    fn exception(&self) -> fn(E) -> PyErr {
        |error| PyRuntimeError::new_err(format!("{error:#}"))
    }
}

fn from_box(error: Box<dyn Error>) -> PyErr {
    let error = match error.downcast::<PyErr>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let error = match error.downcast::<io::Error>() {
        Ok(error) => return (*error).into(),
        Err(error) => error,
    };
    if is_parse_error(&*error) {
        return PyValueError::new_err(with_sources(&*error));
    }
    PyRuntimeError::new_err(with_sources(&*error))
}

fn is_parse_error(error: &(dyn Error + 'static)) -> bool {
    error.is::<std::num::ParseIntError>()
        || error.is::<std::num::ParseFloatError>()
        || error.is::<std::num::TryFromIntError>()
        || error.is::<std::str::ParseBoolError>()
        || error.is::<std::char::ParseCharError>()
        || error.is::<std::net::AddrParseError>()
        || error.is::<std::str::Utf8Error>()
        || error.is::<std::string::FromUtf8Error>()
}

/// An error's text, and that of each source that the text before does not end with.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut source = error.source();
    while let Some(error) = source {
        let own = error.to_string();
        if !last.ends_with(&own) {
            text += &format!("\nCaused by: {own}");
        }
        last = own;
        source = error.source();
    }
    text
}
