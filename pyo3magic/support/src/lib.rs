//! C functions that a session looks up in each module. A crate of its own, so that it is compiled once and not with each cell.

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
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let (place, named) = info.location().map(place_of).unwrap_or_default();
        // Rust's own hook has backtraces, from which it leaves out what is its own. Before that there may be a hook
        // like this one, of modules that have another pyo3 and know their own files.
        if named && std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("<unnamed>");
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            eprintln!("\nthread '{name}' panicked in {place}:\n{}", text.unwrap_or("Box<dyn Any>"));
        } else {
            previous(info);
        }
        *lock(&LAST) = place;
    }));
}

/// A place as the user counts, and whether the user has a name for its file.
fn place_of(place: &Location<'_>) -> (String, bool) {
    let file = place.file().replace('\\', "/");
    let names = lock(&NAMES);
    let name = names.iter().find(|name| name.file == file);
    let (label, above) = name.map_or((file.as_str(), 0), |name| (&name.label, name.lines_above));
    let line = place.line().saturating_sub(above);
    (format!("{label}, line {line}, column {}", place.column()), name.is_some())
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

/// Bytes that relays have taken and not yet passed on, and one for each relay that is about to take some.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// Bytes that relays have passed on so far.
static PASSED: AtomicUsize = AtomicUsize::new(0);

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
    let (mut from_file, mut to) = unsafe { (File::from_raw_fd(from), File::from_raw_fd(to)) };
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        loop {
            // What waits in the pipe is counted before it is gone from there, so that it can always be seen somewhere.
            wait_readable(from);
            HELD.fetch_add(1, SeqCst);
            let size = from_file.read(&mut buffer).unwrap_or(0);
            HELD.fetch_add(size, SeqCst);
            HELD.fetch_sub(1, SeqCst);
            if size == 0 || sender.send(buffer[..size].to_vec()).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for data in receiver {
            let _ = to.write_all(&data);
            PASSED.fetch_add(data.len(), SeqCst);
            HELD.fetch_sub(data.len(), SeqCst);
        }
    });
}

/// Waits until a file descriptor can be read from, or its other end is closed (poll(2); the standard library has no such call).
#[cfg(unix)]
fn wait_readable(descriptor: i32) {
    #[cfg(target_os = "macos")]
    type Count = std::ffi::c_uint;
    #[cfg(not(target_os = "macos"))]
    type Count = std::ffi::c_ulong;

    #[repr(C)]
    struct PollFd {
        fd: i32,
        events: i16,
        revents: i16,
    }
    extern "C" {
        fn poll(fds: *mut PollFd, count: Count, timeout: i32) -> i32;
    }
    const READABLE: i16 = 1;

    let mut entry = PollFd { fd: descriptor, events: READABLE, revents: 0 };
    // A signal ends the waiting early; then reading waits.
    unsafe { poll(&mut entry, 1, -1) };
}

/// Bytes that the relays still hold.
#[no_mangle]
pub extern "C" fn pyo3magic_held() -> usize {
    HELD.load(SeqCst)
}

/// Bytes that the relays have passed on.
#[no_mangle]
pub extern "C" fn pyo3magic_passed() -> usize {
    PASSED.load(SeqCst)
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
