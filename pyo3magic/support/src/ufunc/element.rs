//! The types of a ufunc's arguments, and the functions that can be loops.

use std::convert::Infallible;
use std::fmt::Display;
use std::os::raw::{c_char, c_long};

/// A type as NumPy knows it: its number (`NPY_TYPES` in ndarraytypes.h) and its size in bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Type {
    pub(super) number: u8,
    pub(super) size: usize,
}

/// A complex number as NumPy, C and num-complex store it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Complex<T> {
    pub re: T,
    pub im: T,
}

/// A number that arrays have as an element.
///
/// # Safety
/// `TYPE` is the type of an array of `Stored`.
pub unsafe trait Element: Copy + Send + Sync + 'static {
    /// The same in memory: a byte that is neither 0 nor 1 is no `bool` in Rust, but true in NumPy.
    type Stored: Copy;
    const TYPE: Type;
    fn read(stored: Self::Stored) -> Self;
    fn stored(self) -> Self::Stored;
}

/// The numbers of a tuple: a function's arguments, or what it returns.
pub trait Elements: Sized {
    type Pointers: Copy;
    fn types() -> Vec<Type>;
    /// The first pointers of `arguments`.
    fn pointers(arguments: &[*mut c_char]) -> Self::Pointers;
    /// # Safety
    /// Each pointer is to more than `index` elements.
    unsafe fn load(from: Self::Pointers, index: usize) -> Self;
    /// # Safety
    /// Each pointer is to more than `index` elements.
    unsafe fn store(self, to: Self::Pointers, index: usize);
}

/// What a function returns: numbers, or an error.
pub trait Outcome {
    type Values: Elements;
    type Error: Display + 'static;
    fn outcome(self) -> Result<Self::Values, Self::Error>;
}

/// A function of numbers, `fn(f64, f64) -> f64`; `Inputs` is the tuple of its arguments' types.
pub trait Function<Inputs>: Send + Sync + 'static {
    type Output: Outcome;
    fn call(&self, inputs: Inputs) -> Self::Output;
}

impl<T: Outcome<Error = Infallible>, E: Display + 'static> Outcome for Result<T, E> {
    type Values = T::Values;
    type Error = E;
    #[inline(always)]
    fn outcome(self) -> Result<T::Values, E> {
        self.map(|value| match value.outcome() {
            Ok(values) => values,
            Err(never) => match never {},
        })
    }
}

/// C's `long` has a number of its own, whichever of the two widths it has.
const fn int(width: usize, other: u8, long: u8) -> u8 {
    if std::mem::size_of::<c_long>() == width {
        long
    } else {
        other
    }
}

macro_rules! elements {
    ($($type:ty, $stored:ty, $number:expr, $read:expr, $write:expr;)*) => {$(
        unsafe impl Element for $type {
            type Stored = $stored;
            const TYPE: Type = Type { number: $number, size: std::mem::size_of::<$stored>() };
            #[inline(always)]
            fn read(stored: $stored) -> Self {
                $read(stored)
            }
            #[inline(always)]
            fn stored(self) -> $stored {
                $write(self)
            }
        }

        impl Outcome for $type {
            type Values = (Self,);
            type Error = Infallible;
            #[inline(always)]
            fn outcome(self) -> Result<(Self,), Infallible> {
                Ok((self,))
            }
        }
    )*};
}

macro_rules! as_they_are {
    ($($type:ty, $number:expr;)*) => {
        elements! {$($type, $type, $number, std::convert::identity, std::convert::identity;)*}
    };
}

elements! { bool, u8, 0, |byte| byte != 0, u8::from; }
as_they_are! {
    i8, 1;
    u8, 2;
    i16, 3;
    u16, 4;
    i32, int(4, 5, 7);
    u32, int(4, 6, 8);
    i64, int(8, 9, 7);
    u64, int(8, 10, 8);
    isize, int(std::mem::size_of::<isize>(), if cfg!(target_pointer_width = "64") { 9 } else { 5 }, 7);
    usize, int(std::mem::size_of::<usize>(), if cfg!(target_pointer_width = "64") { 10 } else { 6 }, 8);
    f32, 11;
    f64, 12;
    Complex<f32>, 14;
    Complex<f64>, 15;
}

macro_rules! tuples {
    ($($count:literal: $($name:ident $value:ident $index:tt),+;)*) => {$(
        impl<$($name: Element),+> Elements for ($($name,)+) {
            type Pointers = [*mut c_char; $count];
            fn types() -> Vec<Type> {
                vec![$($name::TYPE),+]
            }
            #[inline(always)]
            fn pointers(arguments: &[*mut c_char]) -> Self::Pointers {
                [$(arguments[$index]),+]
            }
            #[inline(always)]
            unsafe fn load(from: Self::Pointers, index: usize) -> Self {
                unsafe { ($($name::read(from[$index].cast::<$name::Stored>().add(index).read()),)+) }
            }
            #[inline(always)]
            unsafe fn store(self, to: Self::Pointers, index: usize) {
                unsafe { $(to[$index].cast::<$name::Stored>().add(index).write(self.$index.stored());)+ }
            }
        }

        impl<Call, R, $($name),+> Function<($($name,)+)> for Call
        where
            Call: Fn($($name),+) -> R + Send + Sync + 'static,
            R: Outcome,
        {
            type Output = R;
            #[inline(always)]
            fn call(&self, ($($value,)+): ($($name,)+)) -> R {
                self($($value),+)
            }
        }
    )*};
}

/// What a function returns that writes all its results into slices.
impl Elements for () {
    type Pointers = ();
    fn types() -> Vec<Type> {
        Vec::new()
    }
    fn pointers(_: &[*mut c_char]) -> Self::Pointers {}
    unsafe fn load((): (), _: usize) -> Self {}
    unsafe fn store(self, (): (), _: usize) {}
}

impl Outcome for () {
    type Values = Self;
    type Error = Infallible;
    fn outcome(self) -> Result<Self, Infallible> {
        Ok(())
    }
}

macro_rules! tuple_outcomes {
    ($($($name:ident),+;)*) => {$(
        impl<$($name: Element),+> Outcome for ($($name,)+) {
            type Values = Self;
            type Error = Infallible;
            #[inline(always)]
            fn outcome(self) -> Result<Self, Infallible> {
                Ok(self)
            }
        }
    )*};
}

tuples! {
    1: A a 0;
    2: A a 0, B b 1;
    3: A a 0, B b 1, C c 2;
    4: A a 0, B b 1, C c 2, D d 3;
    5: A a 0, B b 1, C c 2, D d 3, E e 4;
    6: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5;
    7: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6;
    8: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7;
    9: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8;
    10: A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7, I i 8, J j 9;
}
tuple_outcomes! {
    A;
    A, B;
    A, B, C;
    A, B, C, D;
    A, B, C, D, E;
    A, B, C, D, E, F;
    A, B, C, D, E, F, G;
    A, B, C, D, E, F, G, H;
    A, B, C, D, E, F, G, H, I;
    A, B, C, D, E, F, G, H, I, J;
}
