//! The memory of an object that has Python's buffer protocol, until it is released.

use std::ffi::{c_int, CStr};

use pyo3::{ffi, Bound, PyAny, PyErr};

use super::element::{Class, Type};

/// A buffer that an object has exported. It is released when it is dropped, which must happen with the GIL held.
///
/// The struct is boxed because an exporter may keep pointers into it.
pub struct Buffer(Box<ffi::Py_buffer>);

/// How the elements are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub kind: Type,
    /// Whether the bytes are in the opposite of this machine's order.
    pub is_swapped: bool,
}

impl Buffer {
    /// Asks for an object's memory; None if it has none, or does not give it as one block with strides.
    pub fn of(object: &Bound<'_, PyAny>) -> Option<Buffer> {
        if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } == 0 {
            return None;
        }
        let mut view = Box::new(ffi::Py_buffer::new());
        let flags: c_int = ffi::PyBUF_FULL_RO;
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &mut *view, flags) } != 0 {
            drop(PyErr::take(object.py()));
            return None;
        }
        let buffer = Buffer(view);
        let is_indirect = !buffer.0.suboffsets.is_null();
        (!is_indirect && buffer.is_sound()).then_some(buffer)
    }

    /// Whether the exporter's numbers can be relied on.
    fn is_sound(&self) -> bool {
        let dimensions = self.0.ndim;
        if dimensions < 0 || (dimensions > 0 && (self.0.shape.is_null() || self.0.strides.is_null())) {
            return false;
        }
        let elements = self.shape().iter().try_fold(1_isize, |product, &length| {
            if length < 0 { None } else { product.checked_mul(length) }
        });
        let bytes = elements.and_then(|count| count.checked_mul(self.0.itemsize.max(1)));
        self.0.itemsize >= 0 && bytes.is_some() && (elements == Some(0) || !self.0.buf.is_null())
    }

    pub fn data(&self) -> *mut u8 {
        self.0.buf.cast()
    }

    pub fn is_readonly(&self) -> bool {
        self.0.readonly != 0
    }

    pub fn item_size(&self) -> usize {
        self.0.itemsize as usize
    }

    /// The length of each dimension; sound buffers have no negative one.
    pub fn shape(&self) -> &[isize] {
        Self::numbers(self.0.shape, self.0.ndim)
    }

    /// The bytes from one element to the next in each dimension.
    pub fn strides(&self) -> &[isize] {
        Self::numbers(self.0.strides, self.0.ndim)
    }

    fn numbers<'a>(pointer: *const isize, count: c_int) -> &'a [isize] {
        if count <= 0 || pointer.is_null() {
            return &[];
        }
        unsafe { std::slice::from_raw_parts(pointer, count as usize) }
    }

    /// The format as the `struct` module writes it.
    pub fn format_text(&self) -> &str {
        if self.0.format.is_null() {
            return "B";
        }
        unsafe { CStr::from_ptr(self.0.format) }.to_str().unwrap_or("?")
    }

    /// The type of the elements; None if they are no numbers of a type that Rust has.
    pub fn format(&self) -> Option<Format> {
        parse_format(self.format_text().as_bytes(), self.item_size())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        unsafe { ffi::PyBuffer_Release(&mut *self.0) };
    }
}

/// Reads a format of the `struct` module, with `Zf` and `Zd` for complex numbers (PEP 3118).
fn parse_format(text: &[u8], size: usize) -> Option<Format> {
    let (order, code) = match text {
        [order @ (b'@' | b'=' | b'<' | b'>' | b'!'), rest @ ..] => (*order, rest),
        rest => (b'@', rest),
    };
    let class = match code {
        b"?" => Class::Bool,
        b"b" | b"h" | b"i" | b"l" | b"q" | b"n" => Class::Int,
        b"B" | b"H" | b"I" | b"L" | b"Q" | b"N" => Class::UInt,
        b"e" | b"f" | b"d" => Class::Float,
        b"Zf" | b"Zd" | b"F" | b"D" => Class::Complex,
        _ => return None,
    };
    let fits = match class {
        Class::Bool => size == 1,
        Class::Int | Class::UInt => matches!(size, 1 | 2 | 4 | 8),
        Class::Float => matches!((code, size), (b"e", 2) | (b"f", 4) | (b"d", 8)),
        Class::Complex => matches!((code[code.len() - 1] | 0x20, size), (b'f', 8) | (b'd', 16)),
    };
    let is_big = match order {
        b'>' | b'!' => true,
        b'<' => false,
        _ => cfg!(target_endian = "big"),
    };
    let is_swapped = size > 1 && is_big != cfg!(target_endian = "big");
    fits.then_some(Format { kind: Type { class, size }, is_swapped })
}
