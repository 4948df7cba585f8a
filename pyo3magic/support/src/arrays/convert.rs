//! Copies of elements as another type, for conversions that lose nothing.

use super::buffer::Format;
use super::element::{Class, Element};

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
    unsafe {
        match (kind.class, kind.size) {
            (Class::Bool, _) => gather(layout, |from| T::from_uint(u64::from(from.read() != 0))),
            (Class::UInt, 1) => gather(layout, |from| T::from_uint(u8::read(from, is_swapped).into())),
            (Class::UInt, 2) => gather(layout, |from| T::from_uint(u16::read(from, is_swapped).into())),
            (Class::UInt, 4) => gather(layout, |from| T::from_uint(u32::read(from, is_swapped).into())),
            (Class::UInt, _) => gather(layout, |from| T::from_uint(u64::read(from, is_swapped))),
            (Class::Int, 1) => gather(layout, |from| T::from_int(i8::read(from, is_swapped).into())),
            (Class::Int, 2) => gather(layout, |from| T::from_int(i16::read(from, is_swapped).into())),
            (Class::Int, 4) => gather(layout, |from| T::from_int(i32::read(from, is_swapped).into())),
            (Class::Int, _) => gather(layout, |from| T::from_int(i64::read(from, is_swapped))),
            (Class::Float, 2) => gather(layout, |from| T::from_float(half(u16::read(from, is_swapped)))),
            (Class::Float, 4) => gather(layout, |from| T::from_float(f32::read(from, is_swapped).into())),
            (Class::Float, _) => gather(layout, |from| T::from_float(f64::read(from, is_swapped))),
            (Class::Complex, 8) => gather(layout, |from| {
                let (real, imaginary) = (f32::read(from, is_swapped), f32::read(from.add(4), is_swapped));
                T::from_complex(real.into(), imaginary.into())
            }),
            (Class::Complex, _) => {
                gather(layout, |from| T::from_complex(f64::read(from, is_swapped), f64::read(from.add(8), is_swapped)))
            }
        }
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
