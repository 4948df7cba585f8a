//! Arguments that are slices of texts: `&[String]` and `&[&str]`.

use pyo3::exceptions::PyTypeError;
use pyo3::types::{PyAnyMethods, PyDict, PyFrozenSet, PySet, PyString};
use pyo3::{ffi, Bound, PyAny, PyErr, PyResult};

use super::errors::argument_error;
use super::source::describe;

/// Texts of a list, a column of a table or an Arrow array. The Python objects keep them in place.
pub struct Strings<'py>(Bound<'py, PyAny>);

impl<'py> Strings<'py> {
    /// Takes an argument.
    ///
    /// # Errors
    /// TypeError: it is no collection in order, or something in it is no text.
    pub fn new(name: &'static str, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let is_unfit = object.is_instance_of::<PyString>()
            || object.is_instance_of::<PyDict>()
            || object.is_instance_of::<PySet>()
            || object.is_instance_of::<PyFrozenSet>();
        let refused = || argument_error(name, &format!("a list of texts is needed, not {}", describe(object)));
        if is_unfit {
            return Err(refused());
        }
        // Arrow's arrays have items of their own; these methods give Python's (pyarrow, polars, pandas and NumPy).
        let methods = ["to_pylist", "to_list", "tolist"];
        let method = methods.iter().copied().find(|method| object.hasattr(*method).unwrap_or(false));
        let list = method.map_or_else(|| Ok(object.clone()), |method| object.call_method0(method))?;
        if unsafe { ffi::PySequence_Check(list.as_ptr()) } == 0 {
            return Err(refused());
        }
        let texts = unsafe {
            let tuple = ffi::PySequence_Tuple(list.as_ptr());
            if tuple.is_null() {
                return Err(PyErr::fetch(object.py()));
            }
            Bound::from_owned_ptr(object.py(), tuple)
        };
        if let Some((at, item)) = texts.try_iter()?.enumerate().find_map(|(at, item)| {
            let item = item.ok()?;
            (!item.is_instance_of::<PyString>()).then_some((at, item))
        }) {
            let text = format!("argument '{name}', item {at}: a str is needed, not {}", describe(&item));
            return Err(PyTypeError::new_err(text));
        }
        Ok(Strings(texts))
    }

    /// The texts in place.
    ///
    /// # Errors
    /// UnicodeEncodeError: a text has a lone surrogate, which UTF-8 cannot have.
    pub fn borrowed(&self) -> PyResult<Vec<&str>> {
        (0..self.0.len()?)
            .map(|index| unsafe {
                let item = ffi::PyTuple_GetItem(self.0.as_ptr(), index as ffi::Py_ssize_t);
                let mut size = 0;
                let data = ffi::PyUnicode_AsUTF8AndSize(item, &mut size);
                if data.is_null() {
                    return Err(PyErr::fetch(self.0.py()));
                }
                // Python gives UTF-8, which lives as long as the text does, and the tuple owns the text.
                Ok(std::str::from_utf8_unchecked(std::slice::from_raw_parts(data.cast(), size as usize)))
            })
            .collect()
    }

    /// Copies of the texts.
    pub fn owned(&self) -> PyResult<Vec<String>> {
        Ok(self.borrowed()?.into_iter().map(str::to_owned).collect())
    }
}
