//! C functions that a session looks up in each module. A crate of its own, so that it is compiled once and not with each cell.

use std::io::Write;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use pyo3::panic::PanicException;
use pyo3::{PyTypeInfo, Python};

/// Place of the latest panic in any thread: one in a thread pool is raised again in the thread that waits for it.
static LAST: AtomicPtr<Location<'static>> = AtomicPtr::new(ptr::null_mut());
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Writes out what `print!` still holds back.
#[no_mangle]
pub extern "C" fn pyo3magic_flush() {
    let _ = std::io::stdout().flush();
}

/// Remembers the place of each panic from now on.
#[no_mangle]
pub extern "C" fn pyo3magic_watch_panics() {
    if WATCHED.swap(true, Relaxed) {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(place) = info.location() {
            // File names of panics are static data of the module, which Python never unloads.
            LAST.store(ptr::from_ref(place).cast::<Location<'static>>().cast_mut(), Relaxed);
        }
        previous(info)
    }));
}

/// Gives the place of the latest panic, once; returns the length of the file's name, 0 where there was none.
///
/// # Safety
/// `buffer` has room for `capacity` bytes, and `line` and `column` can be written.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_last_panic(
    buffer: *mut u8,
    capacity: usize,
    line: *mut u32,
    column: *mut u32,
) -> usize {
    let Some(place) = (unsafe { LAST.swap(ptr::null_mut(), Relaxed).as_ref() }) else {
        return 0;
    };
    let file = place.file();
    let length = file.len().min(capacity);
    unsafe {
        ptr::copy_nonoverlapping(file.as_ptr(), buffer, length);
        *line = place.line();
        *column = place.column();
    }
    length
}

/// Bytes that a relay has taken and not yet passed on.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Passes everything from one file descriptor to another, and holds as much as it must in between.
///
/// ipykernel reads what is written to standard output in a Python thread. A function that prints more than a pipe holds
/// while it keeps the interpreter lock would wait for that thread, and that thread for the lock, for ever.
#[cfg(unix)]
#[no_mangle]
pub extern "C" fn pyo3magic_relay(from: i32, to: i32) {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::FromRawFd;

    let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
    // The descriptors were made for this relay, and are its own from now on.
    let (mut from, mut to) = unsafe { (File::from_raw_fd(from), File::from_raw_fd(to)) };
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(size) = from.read(&mut buffer) {
            HELD.fetch_add(size, SeqCst);
            if size == 0 || sender.send(buffer[..size].to_vec()).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for data in receiver {
            let _ = to.write_all(&data);
            HELD.fetch_sub(data.len(), SeqCst);
        }
    });
}

/// Bytes that the relays still hold.
#[no_mangle]
pub extern "C" fn pyo3magic_held() -> usize {
    HELD.load(SeqCst)
}

/// The class that PyO3 raises for a panic in this module, as a new reference.
///
/// # Safety
/// The calling thread is attached to the interpreter.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_panic_type() -> *mut pyo3::ffi::PyObject {
    let class = PanicException::type_object_raw(unsafe { Python::assume_attached() }).cast();
    unsafe { pyo3::ffi::Py_INCREF(class) };
    class
}
