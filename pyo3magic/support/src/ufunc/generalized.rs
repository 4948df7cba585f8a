//! Loops of generalized ufuncs: functions of slices, which NumPy broadcasts over all other axes (NEP 5, NEP 20).

use std::cell::Cell;
use std::os::raw::{c_char, c_void};

use super::create::{clear_float_errors, Entry};
use super::element::{Element, Elements, Outcome, Type};
use super::failure::{self, raise, Failure};
use super::packed::copy_elements;
use super::run::run;
use super::{CoreKernel, Kernel, Loop};

const BOOL: u8 = 0;

/// The loop of a function of slices.
///
/// `types` has the types of the inputs, then those of the outputs; `function` takes its arguments out of a `Core`.
pub fn generalized(
    types: &[Type],
    inputs: usize,
    function: impl Fn(&Core<'_>) -> Result<(), Box<pyo3::PyErr>> + Send + Sync + 'static,
) -> Loop {
    Loop { types: types.to_vec(), inputs, kernel: Kernel::Generalized(Box::new(function)) }
}

/// The arguments of one call of the function: slices with the elements of the core dimensions, next to each other.
pub struct Core<'a> {
    pointers: &'a [*mut c_char],
    arguments: &'a [Argument],
    inputs: usize,
    /// A bit for each output of which a slice has been given away.
    taken: Cell<u32>,
}

impl Core<'_> {
    /// The elements of an input.
    pub fn slice<T: Element>(&self, index: usize) -> &[T] {
        self.check::<T>(index, index < self.inputs);
        unsafe { std::slice::from_raw_parts(self.start(index), self.arguments[index].length) }
    }

    /// The elements of an output, which can be taken once.
    #[allow(clippy::mut_from_ref)]
    pub fn slice_mut<T: Element>(&self, index: usize) -> &mut [T] {
        self.check::<T>(index, index >= self.inputs && self.taken.get() & (1 << index) == 0);
        self.taken.set(self.taken.get() | 1 << index);
        unsafe { std::slice::from_raw_parts_mut(self.start(index), self.arguments[index].length) }
    }

    /// An input without core dimensions.
    pub fn number<T: Element>(&self, index: usize) -> T {
        self.slice(index)[0]
    }

    /// The lengths of an argument's core dimensions.
    pub fn shape<const N: usize>(&self, index: usize) -> [usize; N] {
        std::array::from_fn(|axis| self.arguments[index].shape[axis])
    }

    /// Stores what the function returns, in the outputs without core dimensions.
    pub fn give<R: Outcome>(&self, outcome: R) -> Result<(), Failure> {
        let values = outcome.outcome().map_err(failure::of)?;
        let outputs = (self.inputs..self.arguments.len()).filter(|index| self.arguments[*index].shape.is_empty());
        let pointers: Vec<_> = outputs.map(|index| self.pointers[index]).collect();
        let types = R::Values::types();
        assert!(types.len() == pointers.len(), "the function returns {} values", types.len());
        unsafe { values.store(R::Values::pointers(&pointers), 0) };
        Ok(())
    }

    fn check<T: Element>(&self, index: usize, is_right: bool) {
        assert!(is_right && self.arguments[index].kind == T::TYPE, "argument {index} is something else");
    }

    /// Where a slice starts, also one without elements.
    fn start<T>(&self, index: usize) -> *mut T {
        match self.arguments[index].length {
            0 => std::ptr::NonNull::dangling().as_ptr(),
            _ => self.pointers[index].cast(),
        }
    }
}

/// One argument of a call by NumPy.
struct Argument {
    start: *mut c_char,
    /// From one call of the function to the next, in bytes.
    step: isize,
    kind: Type,
    shape: Vec<usize>,
    strides: Vec<isize>,
    /// The number of elements of one call.
    length: usize,
    is_direct: bool,
}

struct Arguments(Vec<Argument>);
// The threads of one call work on different elements.
unsafe impl Sync for Arguments {}

/// `PyUFuncGenericFunction` for a signature.
///
/// # Safety
/// As NumPy calls it, with an `Entry` as the data. NumPy aligns the elements, and copies where an output overlaps another
/// argument.
pub(super) unsafe extern "C" fn core_loop(
    arguments: *mut *mut c_char,
    dimensions: *const isize,
    steps: *const isize,
    data: *mut c_void,
) {
    let entry = unsafe { &*data.cast::<Entry>() };
    let Kernel::Generalized(function) = &entry.made.kernel else { return };
    let count = unsafe { *dimensions } as usize;
    let mut core_steps = unsafe { steps.add(entry.cores.len()) };
    let mut all = Vec::with_capacity(entry.cores.len());
    for (index, core) in entry.cores.iter().enumerate() {
        let shape: Vec<usize> = core.iter().map(|axis| unsafe { *dimensions.add(1 + axis) } as usize).collect();
        let strides = unsafe { std::slice::from_raw_parts(core_steps, core.len()) }.to_vec();
        core_steps = unsafe { core_steps.add(core.len()) };
        let kind = entry.made.types[index];
        let (start, step) = unsafe { (*arguments.add(index), *steps.add(index)) };
        let length = shape.iter().product();
        // A `bool` of Rust is 0 or 1.
        let is_direct = is_contiguous(&shape, &strides, kind.size) && (kind.number != BOOL || shape.is_empty());
        all.push(Argument { start, step, kind, shape, strides, length, is_direct });
    }
    let parallel = entry.parallel && all[entry.made.inputs..].iter().all(|output| is_separate(output, count));
    let all = Arguments(all);
    let result = run(count, parallel, &|start, length| calls(&all, entry.made.inputs, &**function, start, length));
    clear_float_errors();
    if let Err(failure) = result {
        raise(failure);
    }
}

/// Calls the function for the outer indices from `start` on.
fn calls(all: &Arguments, inputs: usize, function: &CoreKernel, start: usize, length: usize) -> Result<(), Failure> {
    let all = &all.0;
    let rooms: Vec<Option<Vec<u128>>> =
        all.iter().map(|argument| (!argument.is_direct).then(|| vec![0; argument.length])).collect();
    let mut rooms = rooms;
    let mut pointers = vec![std::ptr::null_mut(); all.len()];
    for outer in start..start + length {
        for (index, argument) in all.iter().enumerate() {
            let at = argument.start.wrapping_offset(argument.step.wrapping_mul(outer as isize));
            pointers[index] = match &mut rooms[index] {
                None => at,
                Some(room) => {
                    let copy = room.as_mut_ptr().cast();
                    if index < inputs {
                        each_row(argument, &mut |offset, step, first, count| unsafe {
                            let to = copy_at(copy, first, argument.kind);
                            let size = argument.kind.size;
                            copy_elements(at.wrapping_offset(offset), step, to, size as isize, size, count);
                        });
                        if argument.kind.number == BOOL {
                            for index in 0..argument.length {
                                unsafe { *copy.add(index) = c_char::from(*copy.add(index) != 0) };
                            }
                        }
                    }
                    copy
                }
            };
        }
        function(&Core { pointers: &pointers, arguments: all, inputs, taken: Cell::new(0) })?;
        for (index, argument) in all.iter().enumerate().skip(inputs).filter(|(_, argument)| !argument.is_direct) {
            let at = argument.start.wrapping_offset(argument.step.wrapping_mul(outer as isize));
            each_row(argument, &mut |offset, step, first, count| unsafe {
                let from = copy_at(pointers[index], first, argument.kind);
                let size = argument.kind.size;
                copy_elements(from, size as isize, at.wrapping_offset(offset), step, size, count);
            });
        }
    }
    Ok(())
}

fn copy_at(copy: *mut c_char, first: usize, kind: Type) -> *mut c_char {
    copy.wrapping_add(first * kind.size)
}

/// Calls `row` for each row of the last core dimension, with its offset in bytes, its step, the number of elements before
/// and its length.
fn each_row(argument: &Argument, row: &mut dyn FnMut(isize, isize, usize, usize)) {
    let Some((last, outer)) = argument.shape.split_last() else { return row(0, 0, 0, 1) };
    let rows: usize = outer.iter().product();
    for number in 0..rows {
        let (mut rest, mut offset) = (number, 0);
        for (size, stride) in outer.iter().zip(&argument.strides).rev() {
            offset += (rest % size) as isize * stride;
            rest /= size;
        }
        row(offset, argument.strides[outer.len()], number * last, *last);
    }
}

fn is_contiguous(shape: &[usize], strides: &[isize], size: usize) -> bool {
    let mut expected = size as isize;
    for (length, stride) in shape.iter().zip(strides).rev() {
        if *length != 1 && *stride != expected {
            return false;
        }
        expected *= *length as isize;
    }
    true
}

/// Whether no two calls write the same memory, as far as the strides show: one call's elements are all before the next
/// call's, or the calls' elements are all between two elements of one call.
fn is_separate(output: &Argument, count: usize) -> bool {
    let strides = output.shape.iter().zip(&output.strides).filter(|(length, _)| **length > 1);
    let extent: usize = strides.clone().map(|(length, stride)| (length - 1) * stride.unsigned_abs()).sum();
    let nearest = strides.map(|(_, stride)| stride.unsigned_abs()).min().unwrap_or(0);
    let step = output.step.unsigned_abs();
    count < 2
        || step >= extent + output.kind.size
        || (step >= output.kind.size && nearest >= step * (count - 1) + output.kind.size)
}

/// By argument, the places of its core dimensions among all dimensions of a signature, `(m,n),(n)->(m)`.
pub(super) fn layout(signature: &str) -> Option<Vec<Vec<usize>>> {
    let mut known: Vec<&str> = Vec::new();
    let mut arguments = Vec::new();
    for part in signature.split('(').skip(1) {
        let names = part.split_once(')')?.0.split(',').map(str::trim).filter(|name| !name.is_empty());
        let core = names.map(|name| {
            known.iter().position(|other| *other == name).unwrap_or_else(|| {
                known.push(name);
                known.len() - 1
            })
        });
        arguments.push(core.collect());
    }
    Some(arguments)
}
