//! Which memory running functions use, so that no function writes to what another one has.
//!
//! Functions run without the GIL, so two threads can pass the same array at the same time. All modules of the process share one
//! table, which the module that needs it first makes and the others find in Python's `sys`.

use std::ffi::{c_int, CStr};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use pyo3::{ffi, PyErr, PyResult, Python};

use super::errors::value_error;
use super::numpy::c_text;

/// The memory of one argument.
#[derive(Clone, Copy)]
pub struct Span {
    name: &'static str,
    start: usize,
    end: usize,
    is_exclusive: bool,
}

impl Span {
    pub fn new(name: &'static str, (start, end): (usize, usize), is_exclusive: bool) -> Self {
        Span { name, start, end, is_exclusive }
    }

    /// The span of an argument that was left out.
    pub fn none() -> Self {
        Span { name: "", start: 0, end: 0, is_exclusive: false }
    }

    fn collides(&self, other: &Span) -> bool {
        (self.is_exclusive || other.is_exclusive) && self.start < other.end && other.start < self.end
    }
}

/// Memory that a running function uses, until this is dropped.
pub struct Claims<const N: usize> {
    spans: [Span; N],
    claimed: usize,
    table: &'static Table,
}

/// Claims the memory of a function's arguments.
///
/// # Errors
/// ValueError: an argument that is written to overlaps another argument, or memory that a running function uses.
pub fn claim<const N: usize>(py: Python<'_>, spans: [Span; N]) -> PyResult<Claims<N>> {
    for (number, span) in spans.iter().enumerate() {
        if let Some(other) = spans[number + 1..].iter().find(|other| span.collides(other)) {
            let (written, other) = if span.is_exclusive { (span, other) } else { (other, span) };
            return Err(value_error(format!(
                "the arguments '{}' and '{}' overlap in memory, and the function writes to '{}'. Pass a copy of one of them",
                written.name, other.name, written.name
            )));
        }
    }
    let mut claims = Claims { spans, claimed: 0, table: table(py)? };
    for span in &spans {
        let is_free = span.start == span.end
            || unsafe { (claims.table.claim)(span.start, span.end, c_int::from(span.is_exclusive)) } != 0;
        if !is_free {
            return Err(value_error(format!(
                "argument '{}': a Rust function that is still running uses this memory, and one of the two writes to it. \
                 Wait for that function, or pass a copy",
                span.name
            )));
        }
        claims.claimed += 1;
    }
    Ok(claims)
}

impl<const N: usize> Drop for Claims<N> {
    fn drop(&mut self) {
        for span in self.spans[..self.claimed].iter().filter(|span| span.start < span.end) {
            unsafe { (self.table.release)(span.start, span.end, c_int::from(span.is_exclusive)) };
        }
    }
}

/// The functions of the table; a C interface, because modules may come from different compilers.
#[repr(C)]
struct Table {
    /// Returns 0 if a claim collides with another one.
    claim: unsafe extern "C" fn(usize, usize, c_int) -> c_int,
    release: unsafe extern "C" fn(usize, usize, c_int),
}

static OWN: Table = Table { claim: claim_range, release: release_range };
static CLAIMED: Mutex<Vec<(usize, usize, bool)>> = Mutex::new(Vec::new());

extern "C" fn claim_range(start: usize, end: usize, is_exclusive: c_int) -> c_int {
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_exclusive = is_exclusive != 0;
    let collides = claimed.iter().any(|&(from, to, other)| (is_exclusive || other) && start < to && from < end);
    if !collides {
        claimed.push((start, end, is_exclusive));
    }
    c_int::from(!collides)
}

extern "C" fn release_range(start: usize, end: usize, is_exclusive: c_int) {
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = claimed.iter().rposition(|claim| *claim == (start, end, is_exclusive != 0)) {
        claimed.swap_remove(at);
    }
}

const NAME: &CStr = c_text(b"_pyo3magic_borrowed_arrays_1\0");
static FOUND: AtomicPtr<Table> = AtomicPtr::new(null_mut());

/// The process's table, found in `sys` or put there.
fn table(py: Python<'_>) -> PyResult<&'static Table> {
    let known = FOUND.load(Relaxed);
    if !known.is_null() {
        return Ok(unsafe { &*known });
    }
    let pointer = unsafe {
        let mut capsule = ffi::PySys_GetObject(NAME.as_ptr());
        if capsule.is_null() {
            let own = std::ptr::from_ref(&OWN).cast_mut().cast();
            let made = ffi::PyCapsule_New(own, NAME.as_ptr(), None);
            if made.is_null() || ffi::PySys_SetObject(NAME.as_ptr(), made) != 0 {
                return Err(PyErr::fetch(py));
            }
            ffi::Py_DECREF(made);
            capsule = made;
        }
        ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr())
    };
    if pointer.is_null() {
        return Err(PyErr::fetch(py));
    }
    FOUND.store(pointer.cast(), Relaxed);
    Ok(unsafe { &*pointer.cast::<Table>() })
}
