//! The types of numbers that an array can have.

use pyo3::types::PyAnyMethods;
use pyo3::{Bound, PyAny, PyResult};

use super::convert::Number;
use super::source::{self, Memory};
use super::views::{self, Form, Strided};

/// What the bytes of an element mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Bool,
    Int,
    UInt,
    Float,
    Complex,
}

/// The type of an array's elements, and its size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Type {
    pub class: Class,
    pub size: usize,
}

impl Type {
    /// NumPy's name of the type.
    pub fn name(self) -> String {
        let bits = self.size * 8;
        match self.class {
            Class::Bool => "bool".to_owned(),
            Class::Int => format!("int{bits}"),
            Class::UInt => format!("uint{bits}"),
            Class::Float => format!("float{bits}"),
            Class::Complex => format!("complex{bits}"),
        }
    }

    /// Whether NumPy calls the conversion of `other` to this type safe (`numpy.can_cast`).
    pub fn is_safe_from(self, other: Type) -> bool {
        let (to, from) = (self.size, other.size);
        match (other.class, self.class) {
            (Class::Bool, _) => true,
            (_, Class::Bool) => false,
            (Class::UInt, Class::UInt) | (Class::Int, Class::Int) => to >= from,
            (Class::UInt, Class::Int) => to > from,
            (Class::UInt | Class::Int, Class::Float) => to > from || to == 8,
            (Class::UInt | Class::Int, Class::Complex) => to / 2 > from || to == 16,
            (Class::Float, Class::Float) | (Class::Complex, Class::Complex) => to >= from,
            (Class::Float, Class::Complex) => to / 2 >= from,
            _ => false,
        }
    }
}

/// A complex number: its real and its imaginary part, as in C and in `num_complex::Complex`.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
pub struct Pair<T>(pub T, pub T);

mod sealed {
    pub trait Sealed {}
}

/// A type that an array's elements can have.
///
/// # Safety
/// The type has no padding, and `TYPE` describes it. Except for `bool`, every pattern of bits is a value.
pub unsafe trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    const TYPE: Type;
    /// NumPy's number of the type (`enum NPY_TYPES`).
    const NUMPY: i32;
    fn from_uint(value: u64) -> Self;
    fn from_int(value: i64) -> Self;
    fn from_float(value: f64) -> Self;
    fn from_complex(real: f64, imaginary: f64) -> Self;
    fn from_number(number: Number) -> Self {
        match number {
            Number::UInt(value) => Self::from_uint(value),
            Number::Int(value) => Self::from_int(value),
            Number::Float(value) => Self::from_float(value),
            Number::Complex(real, imaginary) => Self::from_complex(real, imaginary),
        }
    }
    /// Converts a Python number as PyO3 does.
    fn extract(number: &Bound<'_, PyAny>) -> PyResult<Self>;
    /// The number as a Python object.
    fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>>;
    #[doc(hidden)]
    fn shared(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<Self>>;
    #[doc(hidden)]
    fn exclusive(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<Self>>;
    #[doc(hidden)]
    fn strided(name: &str, object: &Bound<'_, PyAny>, form: Form) -> PyResult<Strided<Self>>;
}

/// Frequent types are compiled here, once. With `#[inline]`, the others are compiled in the cells that use them: all of
/// them together would double the time that a first cell takes.
macro_rules! conversions {
    ($(#[$how:meta])?) => {
        $(#[$how])?
        fn shared(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<Self>> {
            source::shared(name, object, row)
        }
        $(#[$how])?
        fn exclusive(name: &str, object: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Memory<Self>> {
            source::exclusive(name, object, row)
        }
        $(#[$how])?
        fn strided(name: &str, object: &Bound<'_, PyAny>, form: Form) -> PyResult<Strided<Self>> {
            views::strided(name, object, form)
        }
    };
}

macro_rules! element {
    ($($(#[$how:meta])? $type:ty: $class:ident, $numpy:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        unsafe impl Element for $type {
            const TYPE: Type = Type { class: Class::$class, size: size_of::<$type>() };
            const NUMPY: i32 = $numpy;
            fn from_uint(value: u64) -> Self { value as $type }
            fn from_int(value: i64) -> Self { value as $type }
            fn from_float(value: f64) -> Self { value as $type }
            fn from_complex(real: f64, _: f64) -> Self { real as $type }
            fn extract(number: &Bound<'_, PyAny>) -> PyResult<Self> { number.extract::<$type>().map_err(Into::into) }
            fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(super::object(py, self)?.into_bound(py))
            }
            conversions!($(#[$how])?);
        }
    )*};
}

const LONG: bool = size_of::<std::ffi::c_long>() == 8;
const WORD: bool = size_of::<usize>() == 8;

element! {
    #[inline]
    i8: Int, 1;
    #[inline]
    u8: UInt, 2;
    #[inline]
    i16: Int, 3;
    #[inline]
    u16: UInt, 4;
    i32: Int, 5;
    #[inline]
    u32: UInt, 6;
    i64: Int, if LONG { 7 } else { 9 };
    #[inline]
    u64: UInt, if LONG { 8 } else { 10 };
    #[inline]
    isize: Int, if !WORD { 5 } else if LONG { 7 } else { 9 };
    #[inline]
    usize: UInt, if !WORD { 6 } else if LONG { 8 } else { 10 };
    f32: Float, 11;
    f64: Float, 12;
}

impl sealed::Sealed for bool {}
unsafe impl Element for bool {
    const TYPE: Type = Type { class: Class::Bool, size: 1 };
    const NUMPY: i32 = 0;
    fn from_uint(value: u64) -> Self {
        value != 0
    }
    fn from_int(value: i64) -> Self {
        value != 0
    }
    fn from_float(value: f64) -> Self {
        value != 0.0
    }
    fn from_complex(real: f64, imaginary: f64) -> Self {
        real != 0.0 || imaginary != 0.0
    }
    fn extract(number: &Bound<'_, PyAny>) -> PyResult<Self> {
        number.extract::<bool>().map_err(Into::into)
    }
    fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(super::object(py, self)?.into_bound(py))
    }
    conversions!(#[inline]);
}

macro_rules! pair {
    ($($part:ty: $numpy:expr;)*) => {$(
        impl sealed::Sealed for Pair<$part> {}
        unsafe impl Element for Pair<$part> {
            const TYPE: Type = Type { class: Class::Complex, size: 2 * size_of::<$part>() };
            const NUMPY: i32 = $numpy;
            fn from_uint(value: u64) -> Self { Pair(value as $part, 0.0) }
            fn from_int(value: i64) -> Self { Pair(value as $part, 0.0) }
            fn from_float(value: f64) -> Self { Pair(value as $part, 0.0) }
            fn from_complex(real: f64, imaginary: f64) -> Self { Pair(real as $part, imaginary as $part) }
            fn extract(number: &Bound<'_, PyAny>) -> PyResult<Self> {
                let number = number.py().get_type::<pyo3::types::PyComplex>().call1((number,))?;
                Ok(Pair(number.getattr("real")?.extract()?, number.getattr("imag")?.extract()?))
            }
            fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                py.get_type::<pyo3::types::PyComplex>().call1((self.0, self.1))
            }
            conversions!(#[inline]);
        }
    )*};
}

pair! {
    f32: 14;
    f64: 15;
}

/// What a slice can contain: numbers, or rows of `N` numbers.
///
/// # Safety
/// The type is `Number` or an array of it.
pub unsafe trait Item: Copy + Send + Sync + 'static {
    type Number: Element;
    /// The length of a row; None for single numbers.
    const ROW: Option<usize>;
    /// The number, or the list of numbers, as a Python object.
    fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

unsafe impl<T: Element> Item for T {
    type Number = T;
    const ROW: Option<usize> = None;
    fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Element::object(self, py)
    }
}

unsafe impl<T: Element, const N: usize> Item for [T; N] {
    type Number = T;
    const ROW: Option<usize> = Some(N);
    fn object<'py>(self, py: pyo3::Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let row: Vec<_> = self.iter().map(|&number| Element::object(number, py)).collect::<PyResult<_>>()?;
        Ok(pyo3::types::PyList::new(py, row)?.into_any())
    }
}

/// Whether `C` stores what `new` is given one after the other, as `Pair` does.
fn is_pair<T: Element + From<f32> + PartialEq, C: Copy>(new: fn(T, T) -> C) -> bool {
    let (first, second) = (T::from(1.5_f32), T::from(-2.25_f32));
    let value = new(first, second);
    size_of::<C>() == size_of::<Pair<T>>()
        && align_of::<C>() == align_of::<Pair<T>>()
        && unsafe { std::mem::transmute_copy::<C, Pair<T>>(&value) } == Pair(first, second)
}

/// Pairs as the complex numbers of another crate, `num_complex::Complex::new`.
pub fn complex_slice<T: Element + From<f32> + PartialEq, C: Copy>(pairs: &[Pair<T>], new: fn(T, T) -> C) -> &[C] {
    assert!(is_pair(new), "the complex type is not a pair of numbers");
    unsafe { std::slice::from_raw_parts(pairs.as_ptr().cast(), pairs.len()) }
}

/// Like `complex_slice`, for writing.
pub fn complex_slice_mut<T: Element + From<f32> + PartialEq, C: Copy>(
    pairs: &mut [Pair<T>],
    new: fn(T, T) -> C,
) -> &mut [C] {
    assert!(is_pair(new), "the complex type is not a pair of numbers");
    unsafe { std::slice::from_raw_parts_mut(pairs.as_mut_ptr().cast(), pairs.len()) }
}

/// Complex numbers of another crate as pairs, without a copy.
pub fn complex_vec<T: Element + From<f32> + PartialEq, C: Copy>(numbers: Vec<C>, new: fn(T, T) -> C) -> Vec<Pair<T>> {
    assert!(is_pair(new), "the complex type is not a pair of numbers");
    let mut numbers = std::mem::ManuallyDrop::new(numbers);
    unsafe { Vec::from_raw_parts(numbers.as_mut_ptr().cast(), numbers.len(), numbers.capacity()) }
}
