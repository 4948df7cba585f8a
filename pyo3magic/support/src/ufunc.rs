//! NumPy's ufuncs from plain Rust functions, through NumPy's C API at run time: no crate and no header is needed.
//!
//! `elementwise` makes a loop from a function of numbers, `generalized` one from a function of slices. `Ufunc::create` makes
//! the object in Python of one or more loops, of which NumPy chooses the first that the arguments can be cast to.

mod create;
mod element;
mod failure;
mod generalized;
mod packed;
mod run;

pub use create::Ufunc;
pub use element::{Complex, Element, Elements, Function, Outcome};
pub use failure::Raised;
pub use generalized::{generalized, Core};

/// The traits that give `Raised` its method.
pub mod exceptions {
    pub use super::failure::{OwnException, TextException};
}

use std::os::raw::c_char;

use element::Type;
use failure::Failure;

/// What a loop does with a number of elements; those of each argument are next to each other.
type PackedKernel = dyn Fn(&[*mut c_char], usize) -> Result<(), Failure> + Send + Sync;
/// What the loop of a generalized ufunc does with one set of slices.
type CoreKernel = dyn Fn(&Core<'_>) -> Result<(), Failure> + Send + Sync;

enum Kernel {
    Elementwise(Box<PackedKernel>),
    Generalized(Box<CoreKernel>),
}

/// One loop of a ufunc: the types of its inputs and then its outputs, and what it does.
pub struct Loop {
    types: Vec<Type>,
    inputs: usize,
    kernel: Kernel,
}

/// The loop of a function that takes numbers and returns one, a tuple of them, or a `Result` of either.
pub fn elementwise<F: Function<I>, I: Elements>(function: F) -> Loop {
    type Values<F, I> = <<F as Function<I>>::Output as Outcome>::Values;
    let inputs = I::types().len();
    // The only place where the function is called, so that the compiler inlines it and vectorizes the loop.
    let kernel = move |arguments: &[*mut c_char], count: usize| {
        let (from, to) = (I::pointers(arguments), Values::<F, I>::pointers(&arguments[inputs..]));
        for index in 0..count {
            // Safety: the caller gives a pointer to `count` elements for each type of the loop.
            let values = function.call(unsafe { I::load(from, index) }).outcome().map_err(failure::of)?;
            unsafe { values.store(to, index) };
        }
        Ok(())
    };
    let types = [I::types(), Values::<F, I>::types()].concat();
    Loop { types, inputs, kernel: Kernel::Elementwise(Box::new(kernel)) }
}
