//! Makes the ufunc's object, by the C API that NumPy has in a capsule.

use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use pyo3::exceptions::{PyImportError, PyValueError};
use pyo3::{ffi, Bound, Py, PyAny, PyErr, PyResult, Python};

use super::generalized::{core_loop, layout};
use super::packed::packed_loop;
use super::{Kernel, Loop};

/// `PyUFuncGenericFunction`.
type LoopFunction = unsafe extern "C" fn(*mut *mut c_char, *const isize, *const isize, *mut c_void);
/// `PyUFunc_FromFuncAndDataAndSignature`: loops, data, types, number of loops, inputs, outputs, identity, name,
/// documentation, unused, signature.
type Create = unsafe extern "C" fn(
    *const LoopFunction,
    *const *mut c_void,
    *const u8,
    c_int,
    c_int,
    c_int,
    c_int,
    *const c_char,
    *const c_char,
    c_int,
    *const c_char,
) -> *mut ffi::PyObject;

// Places in NumPy's table (numpy/_core/code_generators/numpy_api.py), the same in NumPy 1.26 and all 2.x.
const CLEAR_FLOAT_ERRORS: usize = 27;
const CREATE: usize = 31;
/// `PyUFunc_None`: the ufunc has no identity, so NumPy reduces no empty array.
const NO_IDENTITY: c_int = -1;
const MODULES: [&str; 2] = ["numpy._core._multiarray_umath", "numpy.core._multiarray_umath"];
const MISSING: &str =
    "its functions are NumPy's ufuncs, and this Python has no NumPy 1.26 or newer (pip install numpy)";

/// What a loop of NumPy is given as its data.
pub(super) struct Entry {
    pub(super) made: Loop,
    pub(super) parallel: bool,
    /// By argument, the places of its core dimensions among the signature's.
    pub(super) cores: Vec<Vec<usize>>,
}

/// A ufunc to be made.
///
/// `module` is the Python module in which pickle finds it. An empty `signature` is that of an elementwise ufunc; `parallel`
/// lets long loops use all cores.
#[derive(Default)]
pub struct Ufunc {
    pub name: &'static str,
    pub module: &'static str,
    pub doc: &'static str,
    pub signature: &'static str,
    pub parallel: bool,
    pub loops: Vec<Loop>,
}

impl Ufunc {
    /// Makes the `numpy.ufunc`. What NumPy refers to is never freed, as modules are never unloaded.
    pub fn create(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Some(first) = self.loops.first() else {
            return Err(PyErr::new::<PyValueError, _>("a ufunc needs a loop"));
        };
        let (inputs, arguments) = (first.inputs as c_int, first.types.len() as c_int);
        let cores = layout(self.signature).unwrap_or_default();
        let types: Vec<u8> = self.loops.iter().flat_map(|made| &made.types).map(|kind| kind.number).collect();
        let functions: Vec<LoopFunction> = self.loops.iter().map(|made| loop_function(&made.kernel)).collect();
        let number = functions.len() as c_int;
        let data: Vec<*mut c_void> = self
            .loops
            .into_iter()
            .map(|made| Entry { made, parallel: self.parallel, cores: cores.clone() })
            .map(|entry| Box::into_raw(Box::new(entry)).cast())
            .collect();
        let signature = if self.signature.is_empty() { std::ptr::null() } else { forever(self.signature) };
        // Safety: the types are NumPy's own, and nothing that is passed on is ever freed.
        unsafe {
            let table = table(py)?;
            CLEAR.store((*table.add(CLEAR_FLOAT_ERRORS)).cast_mut(), Relaxed);
            let create: Create = std::mem::transmute(*table.add(CREATE));
            let made = create(
                functions.leak().as_ptr(),
                data.leak().as_ptr(),
                types.leak().as_ptr(),
                number,
                inputs,
                arguments - inputs,
                NO_IDENTITY,
                forever(self.name),
                forever(self.doc),
                0,
                signature,
            );
            let ufunc = Bound::<PyAny>::from_owned_ptr_or_err(py, made).map(Bound::unbind)?;
            set_module(&ufunc, self.module);
            Ok(ufunc)
        }
    }
}

/// Where pickle looks for the ufunc. Ufuncs of NumPy 1.26 and 2.0 have no such attribute; pickle then searches all modules.
unsafe fn set_module(ufunc: &Py<PyAny>, module: &str) {
    unsafe {
        let text = ffi::PyUnicode_FromStringAndSize(module.as_ptr().cast(), module.len() as ffi::Py_ssize_t);
        let name = c_string("__module__");
        if text.is_null() || ffi::PyObject_SetAttrString(ufunc.as_ptr(), name.as_ptr(), text) != 0 {
            ffi::PyErr_Clear();
        }
        ffi::Py_XDECREF(text);
    }
}

fn loop_function(kernel: &Kernel) -> LoopFunction {
    match kernel {
        Kernel::Elementwise(_) => packed_loop,
        Kernel::Generalized(_) => core_loop,
    }
}

/// A C string that is never freed.
fn forever(text: &str) -> *const c_char {
    c_string(text).into_raw()
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// NumPy's table of C functions, `_UFUNC_API`.
unsafe fn table(py: Python<'_>) -> PyResult<*const *const c_void> {
    for module in MODULES {
        unsafe {
            let module = ffi::PyImport_ImportModule(c_string(module).as_ptr());
            if module.is_null() {
                ffi::PyErr_Clear();
                continue;
            }
            let capsule = ffi::PyObject_GetAttrString(module, c_string("_UFUNC_API").as_ptr());
            ffi::Py_DECREF(module);
            if capsule.is_null() {
                return Err(PyErr::fetch(py));
            }
            let table = ffi::PyCapsule_GetPointer(capsule, std::ptr::null());
            ffi::Py_DECREF(capsule);
            if table.is_null() {
                return Err(PyErr::fetch(py));
            }
            return Ok(table.cast_const().cast());
        }
    }
    Err(PyErr::new::<PyImportError, _>(MISSING))
}

/// `PyUFunc_clearfperr`.
static CLEAR: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Lets NumPy not warn of divisions by zero and overflows in Rust's loops.
///
/// The processor's flags tell nothing there: vectorized code calculates both sides of an `if`, and each thread has its own.
pub(super) fn clear_float_errors() {
    let clear = CLEAR.load(Relaxed);
    if !clear.is_null() {
        let clear: unsafe extern "C" fn() = unsafe { std::mem::transmute(clear) };
        unsafe { clear() };
    }
}
