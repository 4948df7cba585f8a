//! The loop that NumPy calls for an elementwise ufunc: gives the kernel elements that are next to each other.

use std::os::raw::{c_char, c_void};

use super::create::{clear_float_errors, Entry};
use super::failure::{caught, raise, Failure};
use super::run::run;
use super::{Kernel, PackedKernel};

/// Elements that are copied at once where an argument's are not next to each other; they stay in the fastest cache.
const STAGED: usize = 256;
/// Arguments that a loop has at most: ten inputs and ten outputs.
const MOST: usize = 20;

/// One argument of a call: where its elements are.
#[derive(Clone, Copy)]
struct Stream {
    start: *mut c_char,
    step: isize,
    size: usize,
    /// Whether the kernel may be given the elements where they are.
    is_direct: bool,
}

impl Stream {
    /// The address of an element.
    fn at(self, index: usize) -> *mut c_char {
        self.start.wrapping_offset(self.step.wrapping_mul(index as isize))
    }

    /// The first address of `count` elements, and the first behind them.
    fn range(self, count: usize) -> (usize, usize) {
        let (first, last) = (self.start as usize, self.at(count - 1) as usize);
        (first.min(last), first.max(last) + self.size)
    }
}

/// The arguments of one call, of which `inputs` are inputs.
struct Streams<'a> {
    all: &'a [Stream],
    inputs: usize,
}
// The threads of one call work on different elements.
unsafe impl Sync for Streams<'_> {}

/// `PyUFuncGenericFunction` (NumPy C API, "UFunc API").
///
/// # Safety
/// As NumPy calls it, with an `Entry` as the data. NumPy aligns the elements.
pub(super) unsafe extern "C" fn packed_loop(
    arguments: *mut *mut c_char,
    dimensions: *const isize,
    steps: *const isize,
    data: *mut c_void,
) {
    let entry = unsafe { &*data.cast::<Entry>() };
    let Kernel::Elementwise(kernel) = &entry.made.kernel else { return };
    let (types, count) = (&entry.made.types, unsafe { *dimensions } as usize);
    let (arguments, steps) =
        unsafe { (std::slice::from_raw_parts(arguments, types.len()), std::slice::from_raw_parts(steps, types.len())) };
    let result = match count {
        0 => Ok(()),
        1 => caught(|| kernel(arguments, 1)),
        _ => {
            let empty = Stream { start: std::ptr::null_mut(), step: 0, size: 0, is_direct: false };
            let mut streams = [empty; MOST];
            for (index, kind) in types.iter().enumerate() {
                streams[index] = Stream {
                    start: arguments[index],
                    step: steps[index],
                    size: kind.size,
                    is_direct: steps[index] == kind.size as isize,
                };
            }
            run_streams(&mut streams[..types.len()], entry, &**kernel, count)
        }
    };
    clear_float_errors();
    if let Err(failure) = result {
        raise(failure);
    }
}

fn run_streams(streams: &mut [Stream], entry: &Entry, kernel: &PackedKernel, count: usize) -> Result<(), Failure> {
    let inputs = entry.made.inputs;
    let is_independent = detach_inputs(streams, inputs, count);
    let all_direct = streams.iter().all(|stream| stream.is_direct);
    let streams = Streams { all: streams, inputs };
    let whole = &streams;
    if !is_independent {
        return run(count, false, &|start, length| call_each(whole, kernel, start, length));
    }
    if all_direct {
        return run(count, entry.parallel, &|start, length| call_direct(whole, kernel, start, length));
    }
    run(count, entry.parallel, &|start, length| {
        let staged = whole.all.iter().filter(|stream| !stream.is_direct).count();
        let mut room = Vec::<u128>::with_capacity(staged * STAGED.min(length));
        let end = start + length;
        (start..end).step_by(STAGED).try_for_each(|at| call_staged(whole, kernel, at, STAGED.min(end - at), &mut room))
    })
}

/// Returns whether the elements can be worked on in any order; an input that is an output, too, has to be copied then.
///
/// NumPy copies where an output overlaps an input in another way than element by element, except in `reduce` and
/// `accumulate`: there each result is an input of the next call.
fn detach_inputs(streams: &mut [Stream], inputs: usize, count: usize) -> bool {
    for output in inputs..streams.len() {
        let to = streams[output];
        if to.step.unsigned_abs() < to.size {
            return false;
        }
        let (first, end) = to.range(count);
        for other in (0..streams.len()).filter(|other| *other != output) {
            let from = streams[other];
            let (begin, last) = from.range(count);
            if end <= begin || last <= first {
                continue;
            }
            if other >= inputs || from.start != to.start || from.step != to.step {
                return false;
            }
            streams[other].is_direct = false;
        }
    }
    true
}

fn call_direct(streams: &Streams<'_>, kernel: &PackedKernel, start: usize, length: usize) -> Result<(), Failure> {
    let mut pointers = [std::ptr::null_mut(); MOST];
    for (pointer, stream) in pointers.iter_mut().zip(streams.all) {
        *pointer = stream.at(start);
    }
    kernel(&pointers[..streams.all.len()], length)
}

/// Calls the kernel for one element after the other.
fn call_each(streams: &Streams<'_>, kernel: &PackedKernel, start: usize, length: usize) -> Result<(), Failure> {
    let mut pointers = [std::ptr::null_mut(); MOST];
    let pointers = &mut pointers[..streams.all.len()];
    for (pointer, stream) in pointers.iter_mut().zip(streams.all) {
        *pointer = stream.at(start);
    }
    for _ in 0..length {
        kernel(pointers, 1)?;
        for (pointer, stream) in pointers.iter_mut().zip(streams.all) {
            *pointer = pointer.wrapping_offset(stream.step);
        }
    }
    Ok(())
}

/// Calls the kernel with copies of what it cannot be given directly.
fn call_staged(
    streams: &Streams<'_>,
    kernel: &PackedKernel,
    start: usize,
    length: usize,
    room: &mut Vec<u128>,
) -> Result<(), Failure> {
    let mut pointers = [std::ptr::null_mut(); MOST];
    let mut free = room.as_mut_ptr().cast::<c_char>();
    for (index, stream) in streams.all.iter().enumerate() {
        pointers[index] = stream.at(start);
        if !stream.is_direct {
            let copy = free;
            // Safety: `room` has 16 bytes, the largest size, for each element of each staged argument.
            free = unsafe { free.add(16 * length) };
            if index < streams.inputs {
                unsafe { copy_elements(pointers[index], stream.step, copy, stream.size as isize, stream.size, length) };
            }
            pointers[index] = copy;
        }
    }
    kernel(&pointers[..streams.all.len()], length)?;
    for (stream, copy) in streams.all.iter().zip(pointers).skip(streams.inputs) {
        if !stream.is_direct {
            unsafe { copy_elements(copy, stream.size as isize, stream.at(start), stream.step, stream.size, length) };
        }
    }
    Ok(())
}

/// Copies `count` elements of `size` bytes, each `step` bytes after the one before.
///
/// # Safety
/// All elements can be read and written, and those that are written overlap no others.
pub(super) unsafe fn copy_elements(
    from: *const c_char,
    from_step: isize,
    to: *mut c_char,
    to_step: isize,
    size: usize,
    count: usize,
) {
    unsafe fn copy<T: Copy>(from: *const c_char, from_step: isize, to: *mut c_char, to_step: isize, count: usize) {
        for index in 0..count as isize {
            unsafe {
                let value = from.wrapping_offset(index * from_step).cast::<T>().read_unaligned();
                to.wrapping_offset(index * to_step).cast::<T>().write_unaligned(value);
            }
        }
    }
    unsafe {
        match size {
            1 => copy::<u8>(from, from_step, to, to_step, count),
            2 => copy::<u16>(from, from_step, to, to_step, count),
            4 => copy::<u32>(from, from_step, to, to_step, count),
            8 => copy::<u64>(from, from_step, to, to_step, count),
            _ => copy::<[u64; 2]>(from, from_step, to, to_step, count),
        }
    }
}
