//! Stacks for signal handlers: without one, nobody learns that a thread's own stack has overflowed.

use std::ffi::c_int;
use std::mem::zeroed;
use std::ptr::{null, null_mut};

use crate::system::{Stack, DISABLED};

/// Enough for the unwinder and for faulthandler, which share it.
const STACK_SIZE: usize = 1 << 17;

extern "C" {
    fn sigaltstack(new: *const Stack, old: *mut Stack) -> c_int;
}

/// Gives this thread a stack of its own for signal handlers, without which nobody learns that its stack has overflowed.
#[no_mangle]
pub extern "C" fn pyo3magic_guard_thread() {
    let _ = OWN_STACK.try_with(|_| ());
}

thread_local! {
    static OWN_STACK: OwnStack = OwnStack::new();
}

/// A thread's stack for signal handlers, until the thread ends.
struct OwnStack {
    previous: Stack,
    memory: Vec<u8>,
}

impl OwnStack {
    fn new() -> Self {
        let mut own = Self { previous: unsafe { zeroed() }, memory: Vec::new() };
        unsafe { sigaltstack(null(), &mut own.previous) };
        if own.previous.flags & DISABLED != 0 || own.previous.size < STACK_SIZE {
            own.memory = vec![0; STACK_SIZE];
            let mut new: Stack = unsafe { zeroed() };
            new.start = own.memory.as_mut_ptr().cast();
            new.size = STACK_SIZE;
            unsafe { sigaltstack(&new, null_mut()) };
        }
        own
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        let mut present: Stack = unsafe { zeroed() };
        unsafe { sigaltstack(null(), &mut present) };
        if !self.memory.is_empty() && present.start == self.memory.as_mut_ptr().cast() {
            unsafe { sigaltstack(&self.previous, null_mut()) };
        }
    }
}

/// Starts the threads of the standard library that is linked into this module, each with a stack for signal handlers.
///
/// The standard library does so itself in programs whose `main` is Rust's, but not in libraries. The linker prefers this
/// definition, which no other library sees.
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod threads {
    use std::ffi::{c_char, c_int, c_void};

    type Start = extern "C" fn(*mut c_void) -> *mut c_void;
    type Create = extern "C" fn(*mut usize, *const c_void, Start, *mut c_void) -> c_int;

    extern "C" {
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }

    #[cfg(target_arch = "x86_64")]
    std::arch::global_asm!(
        ".globl pthread_create",
        ".hidden pthread_create",
        ".type pthread_create, @function",
        "pthread_create: jmp {}",
        sym create
    );
    #[cfg(target_arch = "aarch64")]
    std::arch::global_asm!(
        ".globl pthread_create",
        ".hidden pthread_create",
        ".type pthread_create, %function",
        "pthread_create: b {}",
        sym create
    );

    extern "C" fn create(thread: *mut usize, attributes: *const c_void, start: Start, argument: *mut c_void) -> c_int {
        // Without a handle, the search begins at the program, as usual.
        let found = unsafe { dlsym(std::ptr::null_mut(), c"pthread_create".as_ptr()) };
        if found.is_null() {
            return 11; // EAGAIN
        }
        let real = unsafe { std::mem::transmute::<*mut c_void, Create>(found) };
        let given = Box::into_raw(Box::new((start, argument)));
        let status = real(thread, attributes, begin, given.cast());
        if status != 0 {
            drop(unsafe { Box::from_raw(given) });
        }
        status
    }

    extern "C" fn begin(given: *mut c_void) -> *mut c_void {
        let (start, argument) = *unsafe { Box::from_raw(given.cast::<(Start, *mut c_void)>()) };
        super::pyo3magic_guard_thread();
        start(argument)
    }
}
