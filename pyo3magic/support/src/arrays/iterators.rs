//! Rust's iterators as Python's.

use std::sync::{Mutex, PoisonError};

use pyo3::{pyclass, pymethods, Py, PyAny, PyResult, Python};

use super::errors::value_error;

type Pull = Box<dyn FnMut(Python<'_>) -> PyResult<Option<Py<PyAny>>> + Send>;

enum State {
    Waiting(Pull),
    /// Another thread, or the iterator's own code, is asking for an item.
    Running,
    Ended,
}

/// Pulls one item of a Rust iterator each time.
#[pyclass(frozen, name = "RustIterator")]
struct RustIterator(Mutex<State>);

#[pymethods]
impl RustIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut pull = match self.replace(State::Running) {
            State::Waiting(pull) => pull,
            State::Running => return Err(value_error("the iterator is already running".to_owned())),
            State::Ended => {
                self.replace(State::Ended);
                return Ok(None);
            }
        };
        // A panic or an error ends the iterator.
        let ending = Ending(self);
        let item = pull(py)?;
        std::mem::forget(ending);
        self.replace(if item.is_some() { State::Waiting(pull) } else { State::Ended });
        Ok(item)
    }
}

impl RustIterator {
    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

struct Ending<'a>(&'a RustIterator);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.replace(State::Ended);
    }
}

/// A Python iterator over `items`, each converted when it is asked for.
pub fn iterator<I: Iterator + Send + 'static>(
    py: Python<'_>,
    mut items: I,
    convert: impl Fn(Python<'_>, I::Item) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Py<PyAny>> {
    let pull: Pull = Box::new(move |py| items.next().map(|item| convert(py, item)).transpose());
    Ok(Py::new(py, RustIterator(Mutex::new(State::Waiting(pull))))?.into_any())
}
