//! Copies of elements as another type, for conversions that lose nothing.

use super::buffer::Format;
use super::element::{Class, Element, Type};

/// Where elements are, and how: the data of a buffer.
#[derive(Clone, Copy)]
pub struct Layout<'a> {
    pub data: *const u8,
    pub shape: &'a [isize],
    /// Bytes from one element to the next in each dimension.
    pub strides: &'a [isize],
    pub format: Format,
}

/// Copies elements in C order, converted to `T`.
///
/// # Safety
/// The layout's elements can be read, and the conversion is safe (`Type::is_safe_from`).
pub unsafe fn copy<T: Element>(layout: Layout<'_>) -> Vec<T> {
    let Format { kind, is_swapped } = layout.format;
    if kind == T::TYPE {
        // The bits stay as they are, those of a NaN too.
        let unit = if kind.class == Class::Complex { kind.size / 2 } else { kind.size };
        return unsafe { gather(layout, |from| read_same(from, is_swapped.then_some(unit))) };
    }
    let read = reader(kind);
    unsafe { gather(layout, |from| T::from_number(read(from, is_swapped))) }
}

/// A number of any type that an array can have.
#[derive(Clone, Copy)]
pub enum Number {
    UInt(u64),
    Int(i64),
    Float(f64),
    Complex(f64, f64),
}

/// The function that reads a number of a type. A loop for each pair of types would be faster, and take seconds to compile.
fn reader(kind: Type) -> unsafe fn(*const u8, bool) -> Number {
    match (kind.class, kind.size) {
        (Class::Bool, _) => |from, _| Number::UInt(u64::from(unsafe { from.read() } != 0)),
        (Class::UInt, 1) => |from, is_swapped| Number::UInt(unsafe { u8::read(from, is_swapped) }.into()),
        (Class::UInt, 2) => |from, is_swapped| Number::UInt(unsafe { u16::read(from, is_swapped) }.into()),
        (Class::UInt, 4) => |from, is_swapped| Number::UInt(unsafe { u32::read(from, is_swapped) }.into()),
        (Class::UInt, _) => |from, is_swapped| Number::UInt(unsafe { u64::read(from, is_swapped) }),
        (Class::Int, 1) => |from, is_swapped| Number::Int(unsafe { i8::read(from, is_swapped) }.into()),
        (Class::Int, 2) => |from, is_swapped| Number::Int(unsafe { i16::read(from, is_swapped) }.into()),
        (Class::Int, 4) => |from, is_swapped| Number::Int(unsafe { i32::read(from, is_swapped) }.into()),
        (Class::Int, _) => |from, is_swapped| Number::Int(unsafe { i64::read(from, is_swapped) }),
        (Class::Float, 2) => |from, is_swapped| Number::Float(half(unsafe { u16::read(from, is_swapped) })),
        (Class::Float, 4) => |from, is_swapped| Number::Float(unsafe { f32::read(from, is_swapped) }.into()),
        (Class::Float, _) => |from, is_swapped| Number::Float(unsafe { f64::read(from, is_swapped) }),
        (Class::Complex, 8) => |from, is_swapped| {
            let (real, imaginary) = unsafe { (f32::read(from, is_swapped), f32::read(from.add(4), is_swapped)) };
            Number::Complex(real.into(), imaginary.into())
        },
        (Class::Complex, _) => |from, is_swapped| {
            let (real, imaginary) = unsafe { (f64::read(from, is_swapped), f64::read(from.add(8), is_swapped)) };
            Number::Complex(real, imaginary)
        },
    }
}

/// A number as it is in memory, perhaps not aligned.
trait Stored {
    unsafe fn read(from: *const u8, is_swapped: bool) -> Self;
}

macro_rules! stored {
    ($($number:ty)*) => {$(
        impl Stored for $number {
            unsafe fn read(from: *const u8, is_swapped: bool) -> Self {
                let mut bytes = unsafe { from.cast::<[u8; size_of::<$number>()]>().read() };
                if is_swapped {
                    bytes.reverse();
                }
                <$number>::from_ne_bytes(bytes)
            }
        }
    )*};
}

stored!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

/// Reads an element of the same type; `swapped` is the size of the parts whose bytes are in the wrong order.
fn read_same<T: Element>(from: *const u8, swapped: Option<usize>) -> T {
    let mut bytes = [0_u8; 16];
    let size = size_of::<T>();
    unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), size) };
    if let Some(unit) = swapped {
        bytes[..size].chunks_mut(unit).for_each(<[u8]>::reverse);
    }
    if T::TYPE.class == Class::Bool {
        bytes[0] = u8::from(bytes[0] != 0);
    }
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

/// Reads all elements in C order, the last dimension fastest.
unsafe fn gather<T>(layout: Layout<'_>, read: impl Fn(*const u8) -> T) -> Vec<T> {
    let Layout { data, shape, strides, .. } = layout;
    let count = shape.iter().product::<isize>() as usize;
    let mut found = Vec::with_capacity(count);
    if count == 0 {
        return found;
    }
    let Some((&inner, outer)) = shape.split_last() else {
        found.push(read(data));
        return found;
    };
    let step = strides[outer.len()];
    let mut index = vec![0_isize; outer.len()];
    loop {
        let offset: isize = index.iter().zip(strides).map(|(at, stride)| at * stride).sum();
        let mut from = data.wrapping_offset(offset);
        for _ in 0..inner {
            found.push(read(from));
            from = from.wrapping_offset(step);
        }
        // The next row: the last outer dimension counts up first.
        let Some(turned) = (0..outer.len()).rev().find(|&axis| index[axis] + 1 < outer[axis]) else {
            return found;
        };
        index[turned] += 1;
        index[turned + 1..].fill(0);
    }
}

/// A number of IEEE 754's half precision.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if bits & 0x3ff == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}
