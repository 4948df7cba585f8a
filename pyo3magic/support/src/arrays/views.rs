//! Arguments that are views of the crate ndarray: any number of dimensions, and strides as they are in memory.

use pyo3::{Bound, PyAny, PyResult};

use super::borrows::Span;
use super::buffer::{Buffer, Format};
use super::convert::copy;
use super::element::{Element, Type};
use super::errors::argument_error;
use super::source::{buffer_of, check_bools, checked_format, dimensions, layout, shared, writable_buffer_of, Holder};

/// What a function asks for.
#[derive(Clone, Copy)]
pub struct Form {
    /// The number of dimensions; None for any.
    pub dimensions: Option<usize>,
    pub is_exclusive: bool,
}

/// Elements with strides. All of them lie in one slice, which begins at the lowest address.
pub struct Strided<T> {
    data: std::ptr::NonNull<T>,
    /// Elements of the slice, those between the array's own included.
    reach: usize,
    shape: Vec<usize>,
    /// Elements from one to the next, without the sign.
    strides: Vec<usize>,
    /// The dimensions whose elements are stored from the last to the first.
    reversed: Vec<usize>,
    holder: Holder<T>,
}

/// Finds the elements of an argument; a function that only reads gets a copy if they cannot stay in place.
///
/// # Errors
/// TypeError: the argument has no such elements, or its dimensions are other ones.
pub fn strided<T: Element>(name: &str, object: &Bound<'_, PyAny>, form: Form) -> PyResult<Strided<T>> {
    if form.is_exclusive {
        let buffer = writable_buffer_of(name, object, T::TYPE)?;
        check_dimensions(name, buffer.shape().len(), form)?;
        let Some(found) = in_place(&buffer, T::TYPE) else {
            let text = "the function writes to it, and several of its elements share memory, or lie between others. Pass a copy";
            return Err(argument_error(name, text));
        };
        return finished(name, found, Holder::Buffer(buffer));
    }
    let Some(buffer) = buffer_of(name, object, T::TYPE)? else {
        if form.dimensions.is_some_and(|count| count != 1) {
            let count = form.dimensions.map(dimensions).unwrap_or_default();
            return Err(argument_error(name, &format!("an array of {count} is needed. For a list, numpy.array(...) makes one")));
        }
        let memory = shared::<T>(name, object, None)?;
        let found = Place { data: memory.data.as_ptr(), shape: vec![memory.items], strides: vec![1], reversed: vec![] };
        return finished(name, found, memory.holder);
    };
    let format = checked_format(name, object, &buffer, T::TYPE)?;
    check_dimensions(name, buffer.shape().len(), form)?;
    if format == (Format { kind: T::TYPE, is_swapped: false }) {
        if let Some(found) = in_place(&buffer, T::TYPE) {
            return finished(name, found, Holder::Buffer(buffer));
        }
    }
    let mut numbers: Vec<T> = unsafe { copy(layout(&buffer, format)) };
    let shape: Vec<usize> = buffer.shape().iter().map(|&length| length as usize).collect();
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    if shape.contains(&0) {
        strides.fill(0);
    }
    finished(name, Place { data: numbers.as_mut_ptr(), shape, strides, reversed: vec![] }, Holder::Copy(numbers))
}

fn check_dimensions(name: &str, found: usize, form: Form) -> PyResult<()> {
    match form.dimensions {
        Some(wanted) if wanted != found => {
            let text = format!("it has {}, and {wanted} {} needed", dimensions(found), if wanted == 1 { "is" } else { "are" });
            Err(argument_error(name, &text))
        }
        _ => Ok(()),
    }
}

/// Where elements are: the lowest address, and strides in elements.
struct Place<T> {
    data: *mut T,
    shape: Vec<usize>,
    strides: Vec<usize>,
    reversed: Vec<usize>,
}

/// The elements of a buffer in place; None if they are not aligned, or if one lies on or between those of a row of others.
fn in_place<T: Element>(buffer: &Buffer, kind: Type) -> Option<Place<T>> {
    let size = kind.size as isize;
    let shape: Vec<usize> = buffer.shape().iter().map(|&length| length as usize).collect();
    if shape.contains(&0) {
        let strides = vec![0; shape.len()];
        return Some(Place { data: std::ptr::NonNull::dangling().as_ptr(), shape, strides, reversed: vec![] });
    }
    let mut data = buffer.data();
    let (mut strides, mut reversed) = (Vec::with_capacity(shape.len()), vec![]);
    for (axis, (&length, &stride)) in shape.iter().zip(buffer.strides()).enumerate() {
        if length == 1 {
            strides.push(1);
            continue;
        }
        if stride % size != 0 {
            return None;
        }
        if stride < 0 {
            data = data.wrapping_offset((length as isize - 1) * stride);
            reversed.push(axis);
        }
        strides.push((stride / size).unsigned_abs());
    }
    let mut order: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
    order.sort_by_key(|&axis| strides[axis]);
    let mut reach = 0;
    for axis in order {
        if strides[axis] <= reach {
            return None;
        }
        reach += strides[axis] * (shape[axis] - 1);
    }
    let is_aligned = data as usize % align_of::<T>() == 0;
    is_aligned.then_some(Place { data: data.cast(), shape, strides, reversed })
}

fn finished<T: Element>(name: &str, place: Place<T>, holder: Holder<T>) -> PyResult<Strided<T>> {
    let Place { data, shape, strides, reversed } = place;
    let reach = if shape.contains(&0) {
        0
    } else {
        1 + shape.iter().zip(&strides).map(|(length, stride)| (length - 1) * stride).sum::<usize>()
    };
    check_bools(name, data, reach)?;
    let data = std::ptr::NonNull::new(data).unwrap_or(std::ptr::NonNull::dangling());
    Ok(Strided { data, reach, shape, strides, reversed, holder })
}

impl<T> Strided<T> {
    fn span(&self, name: &'static str, is_exclusive: bool) -> Span {
        let start = self.data.as_ptr() as usize;
        let range = match self.holder {
            Holder::Buffer(_) | Holder::Array(_) => (start, start + self.reach * size_of::<T>()),
            Holder::Copy(_) => (0, 0),
        };
        Span::new(name, range, is_exclusive)
    }
}

/// An argument that a function reads as a view.
pub struct View<T: Element> {
    name: &'static str,
    found: Strided<T>,
}

/// An argument that a function writes to as a view.
pub struct ViewMut<T: Element> {
    name: &'static str,
    found: Strided<T>,
}

macro_rules! view {
    ($view:ident, $is_exclusive:literal) => {
        impl<T: Element> $view<T> {
            /// Takes an argument with so many dimensions; None stands for any number.
            pub fn new(name: &'static str, object: &Bound<'_, PyAny>, dimensions: Option<usize>) -> PyResult<Self> {
                let found = T::strided(name, object, Form { dimensions, is_exclusive: $is_exclusive })?;
                Ok($view { name, found })
            }

            pub fn span(&self) -> Span {
                self.found.span(self.name, $is_exclusive)
            }

            /// The shape, the elements from one to the next in each dimension, from the lowest address up, and the
            /// dimensions to turn round.
            pub fn form(&self) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
                (self.found.shape.clone(), self.found.strides.clone(), self.found.reversed.clone())
            }
        }
    };
}

view!(View, false);
view!(ViewMut, true);

impl<T: Element> View<T> {
    /// All memory between the first and the last element.
    pub fn get(&self) -> &[T] {
        unsafe { std::slice::from_raw_parts(self.found.data.as_ptr(), self.found.reach) }
    }
}

impl<T: Element> ViewMut<T> {
    /// All memory between the first and the last element; nobody else has it as long as the span is claimed.
    pub fn get(&mut self) -> &mut [T] {
        unsafe { std::slice::from_raw_parts_mut(self.found.data.as_ptr(), self.found.reach) }
    }
}
