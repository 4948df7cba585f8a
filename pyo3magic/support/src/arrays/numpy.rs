//! Rust's vectors as NumPy arrays, without a copy.
//!
//! NumPy's C functions are found at run time, in its capsule `_ARRAY_API` (NumPy's C API, "Importing the API"; the numbers of
//! the functions never change). Without NumPy, results are lists.

use std::ffi::{c_int, c_void, CStr};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::types::{PyAnyMethods, PyList};
use pyo3::{ffi, Bound, Py, PyAny, PyErr, PyResult, Python};

use super::element::{Element, Item};
use super::errors::value_error;

const ARRAY_TYPE: usize = 2;
const NEW: usize = 93;
const SET_BASE_OBJECT: usize = 282;
/// Aligned and writable (`NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE`).
const BEHAVED: c_int = 0x0100 | 0x0400;

type New = unsafe extern "C" fn(
    class: *mut ffi::PyTypeObject,
    dimensions: c_int,
    shape: *const isize,
    kind: c_int,
    strides: *const isize,
    data: *mut c_void,
    item_size: c_int,
    flags: c_int,
    prototype: *mut ffi::PyObject,
) -> *mut ffi::PyObject;
type SetBaseObject = unsafe extern "C" fn(array: *mut ffi::PyObject, base: *mut ffi::PyObject) -> c_int;

static TABLE: AtomicPtr<*const c_void> = AtomicPtr::new(null_mut());

/// The table of NumPy's C functions; None without NumPy.
fn table(py: Python<'_>) -> PyResult<Option<*const *const c_void>> {
    let known = TABLE.load(Relaxed);
    if !known.is_null() {
        return Ok(Some(known));
    }
    // The first name is that of NumPy 2.
    for name in ["numpy._core._multiarray_umath", "numpy.core._multiarray_umath"] {
        match py.import(name) {
            Ok(module) => {
                let capsule = module.getattr("_ARRAY_API")?;
                let found = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), std::ptr::null()) };
                if found.is_null() {
                    return Err(PyErr::fetch(py));
                }
                TABLE.store(found.cast(), Relaxed);
                return Ok(Some(found.cast()));
            }
            Err(error) if error.is_instance_of::<PyModuleNotFoundError>(py) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A NumPy array that owns the vector; a list without NumPy. Rows make an array of two dimensions.
pub fn array<T: Item>(py: Python<'_>, items: Vec<T>) -> PyResult<Py<PyAny>> {
    let Some(table) = table(py)? else {
        let items: Vec<_> = items.into_iter().map(|item| item.object(py)).collect::<PyResult<_>>()?;
        return Ok(PyList::new(py, items)?.into_any().unbind());
    };
    let size = size_of::<T::Number>() as isize;
    let (length, row) = (items.len() as isize, T::ROW.map(|row| row as isize));
    let (shape, strides) = ([length, row.unwrap_or(1)], [size * row.unwrap_or(1), size]);
    let dimensions = if row.is_some() { 2 } else { 1 };
    let mut items = std::mem::ManuallyDrop::new(items);
    let vector = Vector {
        data: items.as_mut_ptr().cast(),
        length: items.len(),
        capacity: items.capacity(),
        free: free::<T>,
    };
    unsafe { vector.array(py, table, T::Number::NUMPY, &shape[..dimensions], &strides[..dimensions], 0) }
}

/// A copy of a slice as a NumPy array.
pub fn array_of_slice<T: Item>(py: Python<'_>, items: &[T]) -> PyResult<Py<PyAny>> {
    array(py, items.to_vec())
}

/// A NumPy array of any shape that owns the vector; nested lists without NumPy.
///
/// `offset` is the vector's element at index 0 of each dimension, and `strides` count elements.
///
/// # Errors
/// ValueError: the shape has elements outside the vector.
pub fn array_of<T: Element>(
    py: Python<'_>,
    (numbers, offset): (Vec<T>, Option<usize>),
    shape: &[usize],
    strides: &[isize],
) -> PyResult<Py<PyAny>> {
    let offset = offset.unwrap_or(0);
    let is_empty = shape.contains(&0);
    let (mut low, mut high) = (offset as isize, offset as isize);
    for (&length, &stride) in shape.iter().zip(strides).filter(|_| !is_empty) {
        let reach = (length as isize - 1) * stride;
        *(if reach < 0 { &mut low } else { &mut high }) += reach;
    }
    if shape.len() != strides.len() || (!is_empty && (low < 0 || high >= numbers.len() as isize)) {
        return Err(value_error("the array's shape has elements outside its memory".to_owned()));
    }
    let Some(table) = table(py)? else {
        return Ok(nested(py, &numbers, offset as isize, shape, strides)?.unbind());
    };
    let size = size_of::<T>() as isize;
    let shape: Vec<isize> = shape.iter().map(|&length| length as isize).collect();
    let strides: Vec<isize> = strides.iter().map(|stride| stride * size).collect();
    let mut numbers = std::mem::ManuallyDrop::new(numbers);
    let vector = Vector {
        data: numbers.as_mut_ptr().cast(),
        length: numbers.len(),
        capacity: numbers.capacity(),
        free: free::<T>,
    };
    unsafe { vector.array(py, table, T::NUMPY, &shape, &strides, if is_empty { 0 } else { offset * size as usize }) }
}

fn nested<'py, T: Element>(
    py: Python<'py>,
    numbers: &[T],
    offset: isize,
    shape: &[usize],
    strides: &[isize],
) -> PyResult<Bound<'py, PyAny>> {
    let Some((&length, inner)) = shape.split_first() else {
        return numbers[offset as usize].object(py);
    };
    let items: Vec<_> = (0..length as isize)
        .map(|index| nested(py, numbers, offset + index * strides[0], inner, &strides[1..]))
        .collect::<PyResult<_>>()?;
    Ok(PyList::new(py, items)?.into_any())
}

/// A vector that an array owns, by its parts.
struct Vector {
    data: *mut c_void,
    length: usize,
    capacity: usize,
    free: unsafe fn(&Vector),
}

impl Drop for Vector {
    fn drop(&mut self) {
        unsafe { (self.free)(self) };
    }
}

unsafe fn free<T>(vector: &Vector) {
    drop(unsafe { Vec::from_raw_parts(vector.data.cast::<T>(), vector.length, vector.capacity) });
}

const OWNER: &CStr = c_text(b"pyo3magic.vector\0");

/// A C string; the literal needs the edition of 2021, and a project may have an older one.
pub const fn c_text(text: &'static [u8]) -> &'static CStr {
    match CStr::from_bytes_with_nul(text) {
        Ok(text) => text,
        Err(_) => panic!(),
    }
}

unsafe extern "C" fn free_owner(capsule: *mut ffi::PyObject) {
    let vector = unsafe { ffi::PyCapsule_GetPointer(capsule, OWNER.as_ptr()) };
    drop(unsafe { Box::from_raw(vector.cast::<Vector>()) });
}

impl Vector {
    /// Makes the array; shape and strides lie within the vector, and strides and start count bytes.
    unsafe fn array(
        self,
        py: Python<'_>,
        table: *const *const c_void,
        kind: i32,
        shape: &[isize],
        strides: &[isize],
        start: usize,
    ) -> PyResult<Py<PyAny>> {
        unsafe {
            let new: New = std::mem::transmute(*table.add(NEW));
            let set_base: SetBaseObject = std::mem::transmute(*table.add(SET_BASE_OBJECT));
            let class = (*table.add(ARRAY_TYPE)).cast_mut().cast();
            let data = self.data.cast::<u8>().add(start).cast();
            let dimensions = shape.len() as c_int;
            let owner = Box::into_raw(Box::new(self));
            let capsule = ffi::PyCapsule_New(owner.cast(), OWNER.as_ptr(), Some(free_owner));
            if capsule.is_null() {
                drop(Box::from_raw(owner));
                return Err(PyErr::fetch(py));
            }
            let made = new(class, dimensions, shape.as_ptr(), kind, strides.as_ptr(), data, 0, BEHAVED, null_mut());
            if made.is_null() {
                ffi::Py_DECREF(capsule);
                return Err(PyErr::fetch(py));
            }
            let array = Bound::from_owned_ptr(py, made);
            // It takes the capsule, even where it fails.
            if set_base(made, capsule) != 0 {
                return Err(PyErr::fetch(py));
            }
            Ok(array.unbind())
        }
    }
}
