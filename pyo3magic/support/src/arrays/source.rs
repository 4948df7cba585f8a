//! Finds the numbers of an argument: in the memory of an object, or one by one in a list.

use std::ptr::NonNull;

use pyo3::exceptions::PyTypeError;
use pyo3::types::{
    PyAnyMethods, PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString,
    PyTuple, PyTypeMethods,
};
use pyo3::{ffi, Bound, Py, PyAny, PyErr, PyResult};

use super::buffer::{Buffer, Format};
use super::convert::{copy, Layout};
use super::element::{Class, Element, Type};
use super::errors::{argument_error, value_error};
use super::ndarray;

/// What keeps the elements in place.
pub enum Holder<T> {
    Array(Py<PyAny>),
    Buffer(Buffer),
    Copy(Vec<T>),
}

/// Elements one after the other.
pub struct Memory<T> {
    pub data: NonNull<T>,
    /// Number of items: numbers, or rows of numbers.
    pub items: usize,
    /// Number of numbers.
    pub numbers: usize,
    pub holder: Holder<T>,
}

impl<T: Element> Memory<T> {
    fn copied(numbers: Vec<T>, items: usize) -> Self {
        let mut numbers = numbers;
        let data = NonNull::new(numbers.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Memory { data, items, numbers: numbers.len(), holder: Holder::Copy(numbers) }
    }

    /// The range of addresses that belong to Python; empty for a copy.
    pub fn addresses(&self) -> (usize, usize) {
        match self.holder {
            Holder::Buffer(_) | Holder::Array(_) => {
                let start = self.data.as_ptr() as usize;
                (start, start + self.numbers * size_of::<T>())
            }
            Holder::Copy(_) => (0, 0),
        }
    }
}

/// Finds the elements of an argument for reading, in its own memory or in a copy.
///
/// # Errors
/// TypeError: the object has no numbers, or its numbers do not fit the type. ValueError: a row has another length.
pub fn shared<T: Element>(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<T>> {
    if let Some(found) = plain_array(name, object, row, false)? {
        return Ok(found);
    }
    let found = match buffer_of(name, object, T::TYPE)? {
        Some(buffer) => from_buffer(name, object, buffer, row)?,
        None => from_sequence(name, object, row)?,
    };
    check_bools(name, found.data.as_ptr(), found.numbers)?;
    Ok(found)
}

/// Finds the elements of an argument for writing, which are never copied.
///
/// # Errors
/// TypeError: the object's memory is not writable, not in one piece, or of another type. ValueError: a row has another
/// length.
pub fn exclusive<T: Element>(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<T>> {
    if let Some(found) = plain_array(name, object, row, true)? {
        return Ok(found);
    }
    let buffer = writable_buffer_of(name, object, T::TYPE)?;
    let items = check_shape(name, buffer.shape(), row)?;
    if !is_contiguous(&buffer) {
        let advice = "Pass numpy.ascontiguousarray(...) of it, and copy the result back";
        return Err(argument_error(
            name,
            &format!("the function writes to it, and its elements are not next to each other in memory. {advice}"),
        ));
    }
    let found = in_place(buffer, items);
    check_bools(name, found.data.as_ptr(), found.numbers)?;
    Ok(found)
}

/// The elements of a NumPy array that can be used as they are; None for everything else.
fn plain_array<T: Element>(
    name: &str,
    object: &Bound<'_, PyAny>,
    row: Option<usize>,
    is_exclusive: bool,
) -> PyResult<Option<Memory<T>>> {
    let Some((data, shape)) = ndarray::contiguous::<T>(object, is_exclusive) else {
        return Ok(None);
    };
    let items = check_shape(name, shape, row)?;
    let numbers = shape.iter().product::<isize>() as usize;
    let data = if numbers == 0 { None } else { NonNull::new(data) };
    let holder = Holder::Array(object.clone().unbind());
    let found = Memory { data: data.unwrap_or(NonNull::dangling()), items, numbers, holder };
    check_bools(name, found.data.as_ptr(), numbers)?;
    Ok(Some(found))
}

/// The memory of an object for writing, of the right type and aligned.
pub fn writable_buffer_of(name: &str, object: &Bound<'_, PyAny>, wanted: Type) -> PyResult<Buffer> {
    refuse_masked(name, object)?;
    let buffer = match Buffer::of(object) {
        Some(buffer) => buffer,
        None => match memory_of_other(name, object, true)? {
            Some(buffer) => buffer,
            None => {
                let what = describe(object);
                return Err(argument_error(
                    name,
                    &format!(
                        "the function writes to it, and {what} has no memory that Rust can write to. Pass a NumPy array of {}",
                        wanted.name()
                    ),
                ));
            }
        },
    };
    if buffer.is_readonly() {
        return Err(argument_error(name, "the function writes to it, and it is read-only. Pass a copy"));
    }
    if buffer.format() != Some(Format { kind: wanted, is_swapped: false }) {
        let (what, wanted) = (describe_elements(object, &buffer), wanted.name());
        return Err(argument_error(
            name,
            &format!("the function writes {wanted} to it, and it has {what}. Pass an array of {wanted}"),
        ));
    }
    let is_aligned = buffer.data() as usize % wanted_alignment(wanted) == 0
        && buffer.strides().iter().all(|stride| stride.unsigned_abs() % wanted_alignment(wanted) == 0);
    if !is_aligned {
        return Err(argument_error(name, "the function writes to it, and its elements are not aligned. Pass a copy"));
    }
    Ok(buffer)
}

/// The memory of an object for reading; None if it has to be read one by one, as a list.
pub fn buffer_of(name: &str, object: &Bound<'_, PyAny>, wanted: Type) -> PyResult<Option<Buffer>> {
    refuse_masked(name, object)?;
    if wanted.size > 1 && (object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>()) {
        let what = describe(object);
        return Err(argument_error(
            name,
            &format!("{what} has bytes, not numbers of {}. For example, numpy.frombuffer(...) reads them", wanted.name()),
        ));
    }
    match Buffer::of(object) {
        Some(buffer) => Ok(Some(buffer)),
        None => memory_of_other(name, object, false),
    }
}

/// The memory of an object that gives an array of itself: `__array__`, DLPack, or Arrow's PyCapsule interface.
///
/// None if the object has none of these.
fn memory_of_other(name: &str, object: &Bound<'_, PyAny>, for_writing: bool) -> PyResult<Option<Buffer>> {
    let py = object.py();
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() || PyType::is(object) {
        return Ok(None);
    }
    let given = if object.hasattr("__array__")? {
        if for_writing && !object.hasattr("__dlpack__")? {
            object.call_method("__array__", (), Some(&no_copy(py)?))
        } else if for_writing {
            py.import("numpy")?.call_method1("from_dlpack", (object,))
        } else {
            object.call_method0("__array__")
        }
    } else if object.hasattr("__dlpack__")? {
        py.import("numpy")?.call_method1("from_dlpack", (object,))
    } else if object.hasattr("__arrow_c_array__")? {
        arrow(py, "array", object)
    } else if object.hasattr("__arrow_c_stream__")? {
        arrow(py, "chunked_array", object)
    } else {
        return Ok(None);
    };
    let array = given.map_err(|error| {
        let what = describe(object);
        argument_error(name, &format!("{what} gives no array of its elements: {}", error.value(py)))
    })?;
    refuse_masked(name, &array)?;
    match Buffer::of(&array) {
        Some(buffer) => Ok(Some(buffer)),
        None => Err(argument_error(name, &format!("it has {}. {}", describe_type(&array), advice_for(&array)))),
    }
}

struct PyType;

impl PyType {
    /// Whether an object is a class, whose attributes are those of its instances.
    fn is(object: &Bound<'_, PyAny>) -> bool {
        object.is_instance_of::<pyo3::types::PyType>()
    }
}

fn no_copy(py: pyo3::Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let options = PyDict::new(py);
    options.set_item("copy", false)?;
    Ok(options)
}

/// An array of NumPy from an object with Arrow's PyCapsule interface, through pyarrow or polars.
fn arrow<'py>(py: pyo3::Python<'py>, function: &str, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let array = match py.import("pyarrow") {
        Ok(pyarrow) => pyarrow.call_method1(function, (object,))?,
        Err(_) => py.import("polars")?.call_method1("Series", (object,))?,
    };
    array.call_method0("__array__")
}

/// Elements of an object's memory: in place if they fit as they are, or else a copy if NumPy calls the conversion safe.
fn from_buffer<T: Element>(
    name: &str,
    object: &Bound<'_, PyAny>,
    buffer: Buffer,
    row: Option<usize>,
) -> PyResult<Memory<T>> {
    let format = checked_format(name, object, &buffer, T::TYPE)?;
    let items = check_shape(name, buffer.shape(), row)?;
    let is_aligned = buffer.data() as usize % align_of::<T>() == 0;
    if format == (Format { kind: T::TYPE, is_swapped: false }) && is_aligned && is_contiguous(&buffer) {
        return Ok(in_place(buffer, items));
    }
    Ok(Memory::copied(unsafe { copy(layout(&buffer, format)) }, items))
}

/// The format of a buffer whose elements can become `wanted` without loss.
pub fn checked_format(name: &str, object: &Bound<'_, PyAny>, buffer: &Buffer, wanted: Type) -> PyResult<Format> {
    let Some(format) = buffer.format() else {
        let what = describe_elements(object, buffer);
        return Err(argument_error(name, &format!("it has {what}. {}", advice_for(object))));
    };
    if !wanted.is_safe_from(format.kind) {
        let (wanted, given) = (wanted.name(), format.kind.name());
        return Err(argument_error(
            name,
            &format!("it has {given}, which cannot become {wanted} without loss. Convert it: .astype('{wanted}')"),
        ));
    }
    Ok(format)
}

pub fn layout(buffer: &Buffer, format: Format) -> Layout<'_> {
    Layout { data: buffer.data(), shape: buffer.shape(), strides: buffer.strides(), format }
}

fn in_place<T: Element>(buffer: Buffer, items: usize) -> Memory<T> {
    let numbers = buffer.shape().iter().product::<isize>() as usize;
    // The memory of an empty array may be anywhere, even at address 0.
    let data = if numbers == 0 { None } else { NonNull::new(buffer.data().cast()) };
    Memory { data: data.unwrap_or(NonNull::dangling()), items, numbers, holder: Holder::Buffer(buffer) }
}

/// The number of items in an array of one dimension, or in one of two dimensions with rows of a certain length.
fn check_shape(name: &str, shape: &[isize], row: Option<usize>) -> PyResult<usize> {
    let wanted = if row.is_some() { 2 } else { 1 };
    if shape.len() != wanted {
        let advice = match (wanted, shape.len()) {
            (1, 0) => " Pass an array of one element, for example with numpy.atleast_1d(...)",
            (1, _) => " For example, .ravel() has one",
            _ => "",
        };
        return Err(argument_error(
            name,
            &format!("it has {}, and {wanted} is needed.{advice}", dimensions(shape.len())),
        ));
    }
    if let Some(row) = row.filter(|&row| shape[1] != row as isize) {
        return Err(value_error(format!(
            "argument '{name}': its rows have {} numbers, and {row} are needed",
            shape[1]
        )));
    }
    Ok(shape[0] as usize)
}

pub fn dimensions(count: usize) -> String {
    format!("{count} dimension{}", if count == 1 { "" } else { "s" })
}

/// Whether the elements are next to each other, in C order (C API, `PyBuffer_IsContiguous`).
fn is_contiguous(buffer: &Buffer) -> bool {
    let mut expected = buffer.item_size() as isize;
    let shape = buffer.shape();
    if shape.contains(&0) {
        return true;
    }
    for (&length, &stride) in shape.iter().zip(buffer.strides()).rev() {
        if length > 1 && stride != expected {
            return false;
        }
        expected *= length;
    }
    true
}

fn wanted_alignment(wanted: Type) -> usize {
    match (wanted.class, wanted.size) {
        (Class::Complex, 8) => align_of::<f32>(),
        (Class::Complex, _) => align_of::<f64>(),
        (Class::Float, 8) => align_of::<f64>(),
        (_, 8) => align_of::<u64>(),
        (_, size) => size,
    }
}

/// Refuses memory with bytes that are no `bool` in Rust.
pub fn check_bools<T: Element>(name: &str, data: *const T, count: usize) -> PyResult<()> {
    if T::TYPE.class != Class::Bool {
        return Ok(());
    }
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), count) };
    if bytes.iter().fold(0, |all, byte| all | byte) > 1 {
        return Err(value_error(format!(
            "argument '{name}': it has bytes other than 0 and 1, which are no bool. For example, array.view('uint8') != 0 makes them one"
        )));
    }
    Ok(())
}

/// Numbers of a list, a tuple, a range or another sequence.
fn from_sequence<T: Element>(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<T>> {
    let py = object.py();
    let is_text = object.is_instance_of::<PyString>() || object.is_instance_of::<PyDict>();
    let is_set = object.is_instance_of::<PySet>() || object.is_instance_of::<PyFrozenSet>();
    if unsafe { ffi::PySequence_Check(object.as_ptr()) } == 0 || is_text || is_set || PyType::is(object) {
        let advice = if object.hasattr("__next__")? || is_set { " Pass list(...) of it" } else { "" };
        let kind = if row.is_some() { "an array of two dimensions" } else { "an array or a list" };
        return Err(argument_error(
            name,
            &format!("{kind} with {} is needed, not {}.{advice}", T::TYPE.name(), describe(object)),
        ));
    }
    let mut numbers: Vec<T> = Vec::with_capacity(object.len().unwrap_or(0).min(1 << 20));
    let mut items = 0;
    for item in object.try_iter()? {
        let item = item?;
        let place = |error| located(py, name, items, error);
        if let Some(length) = row {
            let before = numbers.len();
            for number in item.try_iter().map_err(place)? {
                numbers.push(number.and_then(|number| extract(&number)).map_err(place)?);
            }
            let found = numbers.len() - before;
            if found != length {
                return Err(value_error(format!(
                    "argument '{name}': row {items} has {found} numbers, and {length} are needed"
                )));
            }
        } else {
            numbers.push(extract(&item).map_err(place)?);
        }
        items += 1;
    }
    Ok(Memory::copied(numbers, items))
}

/// A number of a list. Python's own numbers convert as in PyO3, and NumPy's only if nothing is lost.
fn extract<T: Element>(number: &Bound<'_, PyAny>) -> PyResult<T> {
    let is_own = number.is_exact_instance_of::<PyFloat>()
        || number.is_exact_instance_of::<PyInt>()
        || number.is_exact_instance_of::<PyBool>();
    if !is_own && number.hasattr("dtype")? {
        let dtype = number.getattr("dtype")?;
        let (kind, size): (String, usize) = (dtype.getattr("kind")?.extract()?, dtype.getattr("itemsize")?.extract()?);
        let fits = match kind.as_str() {
            "b" | "i" | "u" => true,
            "f" => size <= 8,
            "c" => T::TYPE.class == Class::Complex && size <= 16,
            _ => false,
        };
        if !fits {
            let wanted = T::TYPE.name();
            return Err(PyTypeError::new_err(format!("{} cannot become {wanted} without loss", dtype.str()?)));
        }
    } else if T::TYPE.class == Class::Complex && number.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("'str' object cannot be converted to a complex number"));
    }
    T::extract(number)
}

/// An error about one item of a list.
fn located(py: pyo3::Python<'_>, name: &str, item: usize, error: PyErr) -> PyErr {
    let text = format!("argument '{name}', item {item}: {}", error.value(py));
    PyErr::from_type(error.get_type(py), text)
}

/// Refuses an array with masked elements, whose memory has numbers that do not count.
pub fn refuse_masked(name: &str, object: &Bound<'_, PyAny>) -> PyResult<()> {
    if ndarray::is_plain(object) || object.is_exact_instance_of::<PyBytes>() {
        return Ok(());
    }
    let class_object = object.get_type();
    let mut is_array = false;
    for base in class_object.getattr("__mro__")?.try_iter()? {
        let base = base?;
        let base_name: String = base.getattr("__name__")?.extract()?;
        if base_name == "MaskedArray" {
            return Err(argument_error(
                name,
                "it is a masked array, and Rust would not see the mask. Pass .filled(...) or .compressed() of it",
            ));
        }
        is_array |= base_name == "ndarray" && base.getattr("__module__")?.extract::<String>()? == "numpy";
    }
    if is_array && class_object.getattr("__name__")?.extract::<String>()? == "ndarray" {
        ndarray::set_class(class_object.as_type_ptr());
    }
    Ok(())
}

/// An object in words, `a list` or `a pandas.core.series.Series`.
pub fn describe(object: &Bound<'_, PyAny>) -> String {
    if object.is_none() {
        return "None".to_owned();
    }
    let class = object.get_type();
    let text = |part: &str| class.getattr(part).and_then(|text| text.extract::<String>()).unwrap_or_default();
    let (module, name) = (text("__module__"), text("__qualname__"));
    let name = if module == "builtins" { name } else { format!("{module}.{name}") };
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// The type of the elements in words.
fn describe_elements(object: &Bound<'_, PyAny>, buffer: &Buffer) -> String {
    match buffer.format() {
        Some(Format { kind, is_swapped: false }) => kind.name(),
        Some(Format { kind, is_swapped: true }) => format!("{} with its bytes in the other order", kind.name()),
        None if object.hasattr("dtype").unwrap_or(false) => describe_type(object),
        None => format!("elements of the format '{}'", buffer.format_text()),
    }
}

/// The `dtype` of an array in words.
fn describe_type(array: &Bound<'_, PyAny>) -> String {
    let dtype = array.getattr("dtype").and_then(|dtype| Ok((kind_of(&dtype)?, dtype.str()?.to_string())));
    match dtype {
        Ok((kind, _)) if kind == "O" => "Python objects (dtype object)".to_owned(),
        Ok((kind, text)) if kind == "V" => format!("records ({text})"),
        Ok((_, text)) => format!("elements of {text}"),
        Err(_) => "elements that are no numbers".to_owned(),
    }
}

/// What to do with an array whose elements are no numbers that Rust has.
fn advice_for(array: &Bound<'_, PyAny>) -> &'static str {
    let kind = array.getattr("dtype").and_then(|dtype| kind_of(&dtype)).unwrap_or_default();
    match kind.as_str() {
        "M" | "m" => "Rust has no such type; .astype('int64') gives the counts, where NaT is the smallest integer",
        "O" => "If all of them are numbers, .astype('float64') converts them",
        "V" => "Pass one of the fields, for example array['name']",
        "S" | "U" | "T" => "If these are numbers, .astype('float64') reads them",
        "f" | "c" => "Rust has no type of this precision; .astype('float64') or .astype('complex128') rounds",
        _ => "Pass an array of numbers",
    }
}

fn kind_of(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    dtype.getattr("kind")?.extract()
}
