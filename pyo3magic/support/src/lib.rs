//! C functions that a session looks up in each module. A crate of its own, so that it is compiled once and not with each cell.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::{c_char, CStr};
use std::io::Write;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::panic::PanicException;
use pyo3::{PyTypeInfo, Python};

/// Where the latest panic was, in any thread: one in a thread pool is raised again in the thread that waits for it.
static LAST: Mutex<String> = Mutex::new(String::new());
static NAMES: Mutex<Vec<Name>> = Mutex::new(Vec::new());
static WATCHED: AtomicBool = AtomicBool::new(false);

/// What the user calls a source file, and how many lines of it stand above what the user counts as line 1.
struct Name {
    file: String,
    label: String,
    lines_above: u32,
}

/// Writes out what `print!` still holds back.
#[no_mangle]
pub extern "C" fn pyo3magic_flush() {
    let _ = std::io::stdout().flush();
}

/// Lets panics in a source file be told as places in what the user calls `label`.
///
/// # Safety
/// `file` and `label` are C strings.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_name_source(file: *const c_char, label: *const c_char, lines_above: u32) {
    let text = |pointer| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned();
    let (file, label) = (text(file), text(label));
    let mut names = lock(&NAMES);
    names.retain(|name| name.file != file);
    names.push(Name { file, label, lines_above });
}

/// Writes and remembers the place of each panic from now on.
#[no_mangle]
pub extern "C" fn pyo3magic_watch_panics() {
    if WATCHED.swap(true, Relaxed) {
        return;
    }
    // As the standard library's own hook, but for the names of source files.
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let place = info.location().map(place_of).unwrap_or_default();
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("Box<dyn Any>");
        let trace = Backtrace::capture();
        let trace = if trace.status() == BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
        eprintln!("\nthread '{name}' panicked in {place}:\n{text}{trace}");
        *lock(&LAST) = place;
    }));
}

fn place_of(place: &Location<'_>) -> String {
    let file = place.file().replace('\\', "/");
    let names = lock(&NAMES);
    let name = names.iter().find(|name| name.file == file);
    let (label, above) = name.map_or((file.as_str(), 0), |name| (&name.label, name.lines_above));
    format!("{label}, line {}, column {}", place.line().saturating_sub(above), place.column())
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the place of the latest panic, once, as UTF-8; returns its length, 0 where there was none.
///
/// # Safety
/// `buffer` has room for `capacity` bytes.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_panic_place(buffer: *mut u8, capacity: usize) -> usize {
    let place = std::mem::take(&mut *lock(&LAST));
    let length = place.len().min(capacity);
    unsafe { std::ptr::copy_nonoverlapping(place.as_ptr(), buffer, length) };
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
