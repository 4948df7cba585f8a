//! Arguments that are slices: `&[T]`, `&mut [T]`, and the same with rows, `[T; N]`.

use std::marker::PhantomData;

use pyo3::{Bound, PyAny, PyResult};

use super::borrows::Span;
use super::element::{Element, Item};
use super::source::Memory;

/// An argument that a function reads.
pub struct Slice<T: Item> {
    name: &'static str,
    memory: Memory<T::Number>,
    items: PhantomData<T>,
}

impl<T: Item> Slice<T> {
    /// Takes an argument: without a copy if its memory fits, else with a copy if no number is changed by that.
    pub fn new(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Slice { name, memory: T::Number::shared(name, object, T::ROW)?, items: PhantomData })
    }

    pub fn get(&self) -> &[T] {
        unsafe { std::slice::from_raw_parts(self.memory.data.as_ptr().cast(), self.memory.items) }
    }

    pub fn span(&self) -> Span {
        Span::new(self.name, self.memory.addresses(), false)
    }
}

/// An argument that a function writes to.
pub struct SliceMut<T: Item> {
    name: &'static str,
    memory: Memory<T::Number>,
    items: PhantomData<T>,
}

impl<T: Item> SliceMut<T> {
    /// Takes an argument, never with a copy.
    pub fn new(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(SliceMut { name, memory: T::Number::exclusive(name, object, T::ROW)?, items: PhantomData })
    }

    /// The elements; nobody else has them as long as the span is claimed.
    pub fn get(&mut self) -> &mut [T] {
        unsafe { std::slice::from_raw_parts_mut(self.memory.data.as_ptr().cast(), self.memory.items) }
    }

    pub fn span(&self) -> Span {
        Span::new(self.name, self.memory.addresses(), true)
    }
}
