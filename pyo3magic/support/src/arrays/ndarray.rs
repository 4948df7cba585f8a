//! A shortcut for NumPy's arrays, which are read as NumPy's own C code reads them.
//!
//! The fields are part of NumPy's stable binary interface (NumPy's C API, "Python types and C-structures"). The buffer protocol
//! gives the same, and takes five times as long, because NumPy writes a format for each request.

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use pyo3::{ffi, Bound, PyAny};

use super::element::Element;

/// `PyArrayObject_fields`.
#[repr(C)]
struct Array {
    header: ffi::PyObject,
    data: *mut u8,
    dimensions: c_int,
    shape: *const isize,
    strides: *const isize,
    base: *mut ffi::PyObject,
    element: *const Description,
    flags: c_int,
}

/// The fields of `PyArray_Descr` that all versions of NumPy have.
#[repr(C)]
struct Description {
    header: ffi::PyObject,
    scalar: *mut ffi::PyTypeObject,
    kind: c_char,
    letter: c_char,
    order: c_char,
    flags: c_char,
    number: c_int,
}

const CONTIGUOUS: c_int = 0x0001;
const ALIGNED: c_int = 0x0100;
const WRITABLE: c_int = 0x0400;

/// NumPy's class of arrays, once one has been seen. It is never freed.
static CLASS: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(std::ptr::null_mut());

/// Notes the class `numpy.ndarray`.
pub fn set_class(class: *mut ffi::PyTypeObject) {
    CLASS.store(class, Relaxed);
}

/// Whether an object is an array of NumPy, and of no subclass.
pub fn is_plain(object: &Bound<'_, PyAny>) -> bool {
    unsafe { ffi::Py_TYPE(object.as_ptr()) == CLASS.load(Relaxed) }
}

/// The data and shape of a plain array whose elements are `T`, aligned and one after the other; else None.
pub fn contiguous<'a, T: Element>(object: &'a Bound<'_, PyAny>, is_exclusive: bool) -> Option<(*mut T, &'a [isize])> {
    if !is_plain(object) {
        return None;
    }
    let array = unsafe { &*object.as_ptr().cast::<Array>() };
    let element = unsafe { &*array.element };
    let wanted = CONTIGUOUS | ALIGNED | if is_exclusive { WRITABLE } else { 0 };
    let is_native = element.order == b'=' as c_char || element.order == b'|' as c_char;
    if element.number != T::NUMPY || !is_native || array.flags & wanted != wanted || array.dimensions < 1 {
        return None;
    }
    Some((array.data.cast(), unsafe { std::slice::from_raw_parts(array.shape, array.dimensions as usize) }))
}
