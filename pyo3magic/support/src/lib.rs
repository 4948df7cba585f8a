//! C functions that a session looks up in each module. A crate of its own, so that it is compiled once and not with each cell.

// On 32-bit ARM, libgcc has other functions for stacks; sessions there are remote, and set no handlers.
#[cfg(all(any(target_os = "linux", target_os = "macos"), not(target_arch = "arm")))]
mod crash;
#[cfg(all(any(target_os = "linux", target_os = "macos"), not(target_arch = "arm")))]
mod stacks;
#[cfg(all(any(target_os = "linux", target_os = "macos"), not(target_arch = "arm")))]
mod system;
pub mod ufunc;

pub mod arrays;

use std::ffi::{c_char, CStr};
use std::io::Write;
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use pyo3::panic::PanicException;
use pyo3::{PyTypeInfo, Python};

/// The latest panics, for the exceptions that PyO3 makes of them; a bounded number, the newest at the end.
static PANICS: Mutex<Vec<Panic>> = Mutex::new(Vec::new());
const PANICS_KEPT: usize = 64;
/// How long an exception may take to tell of a panic before the panic is written to standard error.
const PATIENCE: Duration = Duration::from_millis(500);
/// The process that watches panics; a forked one has none of its threads.
static WATCHED: AtomicU32 = AtomicU32::new(0);
/// The process in which a thread writes what no exception tells.
static WRITER: AtomicU32 = AtomicU32::new(0);
static NAMES: Mutex<Vec<Name>> = Mutex::new(Vec::new());

/// What the user calls a source file, and how many lines of it stand above what the user counts as line 1.
struct Name {
    file: String,
    label: String,
    lines_above: u32,
}

impl Name {
    /// A place in this file, `/path/src/lib.rs:3:5`, as the user counts.
    fn place(&self, at: &str) -> Option<String> {
        let mut parts = at.rsplitn(3, ':');
        let (_, line, file) = (parts.next()?, parts.next()?.parse::<u32>().ok()?, parts.next()?);
        let line = line.saturating_sub(self.lines_above);
        file.replace('\\', "/").ends_with(&self.file).then(|| format!("{}, line {line}", self.label))
    }
}

/// A panic, in any thread: one in a thread pool is raised again in the thread that waits for the pool.
struct Panic {
    thread: ThreadId,
    at: Instant,
    /// The text that its exception will have.
    text: String,
    /// Its place, and with RUST_BACKTRACE the frames of the cell on lines of their own.
    place: String,
    /// What standard error is to show; empty once it has been written.
    report: String,
}

/// Writes out what `print!` still holds back, and the panics of which no exception has told.
#[no_mangle]
pub extern "C" fn pyo3magic_flush() {
    let _ = std::io::stdout().flush();
    write_panics(|_| true);
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

/// Notes each panic from now on. An exception tells of it (`pyo3magic_panic_place`), else standard error does.
#[no_mangle]
pub extern "C" fn pyo3magic_watch_panics() {
    if WATCHED.swap(std::process::id(), Relaxed) != 0 {
        return;
    }
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let (place, named) = info.location().map(place_of).unwrap_or_default();
        // There may be a hook like this one, of modules that have another pyo3 and know their own files.
        if !named && place.starts_with("src/") {
            return previous(info);
        }
        note_panic(info, place);
    }));
}

fn note_panic(info: &PanicHookInfo<'_>, place: String) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let wish = std::env::var_os("RUST_BACKTRACE").filter(|value| value != "0");
    let whole = wish.as_ref().is_some_and(|value| value == "full");
    let frames = wish.map(|_| std::backtrace::Backtrace::force_capture().to_string()).unwrap_or_default();
    let frames = if whole { frames } else { own_frames(&frames) };
    let (thread, at) = (std::thread::current(), Instant::now());
    let name = thread.name().unwrap_or("<unnamed>");
    let shown = text.unwrap_or("Box<dyn Any>");
    let report = format!("\nthread '{name}' panicked in {place}:\n{shown}\n{frames}");
    let place = if whole { place } else { format!("{place}\n{frames}").trim_end().to_owned() };
    let mut panic = Panic {
        thread: thread.id(),
        at,
        // What PyO3 says where a panic has no text.
        text: text.unwrap_or("panic from Rust code").to_owned(),
        place,
        report,
    };
    // A second panic while the first one unwinds ends the process.
    write_panics(|earlier| earlier.thread == panic.thread);
    let ends_the_process = cfg!(panic = "abort") || shown.starts_with("panic in a ");
    if whole || ends_the_process || WATCHED.load(Relaxed) != std::process::id() {
        eprint!("{}", std::mem::take(&mut panic.report));
    }
    let mut panics = lock(&PANICS);
    if panics.len() == PANICS_KEPT {
        let oldest = panics.remove(0);
        eprint!("{}", oldest.report);
    }
    panics.push(panic);
    drop(panics);
    if WRITER.swap(std::process::id(), Relaxed) != std::process::id() {
        let _ = std::thread::Builder::new().spawn(write_late_panics);
    }
}

/// Writes panics that nobody has told of in time, until there are none.
fn write_late_panics() {
    loop {
        std::thread::sleep(PATIENCE / 5);
        write_panics(|panic| panic.at.elapsed() > PATIENCE);
        let panics = lock(&PANICS);
        if panics.iter().all(|panic| panic.report.is_empty()) {
            WRITER.store(0, Relaxed);
            return;
        }
    }
}

fn write_panics(which: impl Fn(&Panic) -> bool) {
    for panic in lock(&PANICS).iter_mut().filter(|panic| which(panic)) {
        eprint!("{}", std::mem::take(&mut panic.report));
    }
}

/// Whether a function is one of this crate's that call the cell's functions, and not one that handles panics.
fn is_wrapper(name: &str) -> bool {
    ["pyo3magic_support::arrays", "pyo3magic_support::ufunc"].iter().any(|part| name.contains(part))
}

/// The frames of a backtrace between the panic and PyO3, with the places in cells as the user counts.
fn own_frames(backtrace: &str) -> String {
    let names = lock(&NAMES);
    let mut frames = Vec::new();
    let mut lines = backtrace.lines().map(str::trim_start).peekable();
    while let Some(line) = lines.next() {
        let Some((_, function)) = line.split_once(": ").filter(|(number, _)| number.parse::<u32>().is_ok()) else {
            continue;
        };
        let at = lines.next_if(|next| next.starts_with("at ")).map(|next| next["at ".len()..].to_owned());
        let is_hook = function.contains("pyo3magic_support::") && !is_wrapper(function);
        if is_hook || ["rust_begin_unwind", "panicking::"].iter().any(|part| function.contains(part)) {
            frames.clear();
        } else {
            frames.push((function.to_owned(), at));
        }
    }
    let is_std =
        |name: &str| ["core::", "std::", "alloc::"].iter().any(|part| name.trim_start_matches('<').starts_with(part));
    let is_caller = |name: &str| {
        name.trim_start_matches('<').starts_with("pyo3::")
            || is_wrapper(name)
            || ["__pyfunction_", "__pymethod_", "__pyo3magic_", "__rust_begin_short_backtrace"]
                .iter()
                .any(|part| name.contains(part))
    };
    let own = frames.iter().skip_while(|(name, _)| is_std(name)).take_while(|(name, _)| !is_caller(name));
    let mut text = String::new();
    for (number, (function, at)) in own.enumerate() {
        let mut function = function.clone();
        let mut place = at.clone();
        for name in names.iter() {
            let stem = name.file.trim_start_matches("src/").trim_end_matches(".rs");
            let prefix = format!("{}::", if stem == "lib" { "cell" } else { stem });
            // Every crate may have a src/lib.rs; this one's functions have its name.
            if function.contains(&prefix) {
                function = function.replace(&prefix, "");
                place = at.as_deref().and_then(|at| name.place(at)).or(place);
            }
        }
        text += &format!("{number:4}: {function}\n");
        if let Some(place) = place {
            text += &format!("             at {place}\n");
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("stack backtrace, without Python's frames (RUST_BACKTRACE=full shows all):\n{text}")
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

/// Gives the place of the latest panic with a text, once, as UTF-8, so that its exception tells of it; returns the
/// length, 0 where there was none.
///
/// # Safety
/// `text` is a C string, and `buffer` has room for `capacity` bytes.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_panic_place(text: *const c_char, buffer: *mut u8, capacity: usize) -> usize {
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    let mut panics = lock(&PANICS);
    // A C string ends at the first NUL, a panic's text need not.
    let is_it = |panic: &Panic| panic.text.as_bytes().split(|byte| *byte == 0).next() == Some(text);
    let Some(at) = panics.iter().rposition(is_it) else { return 0 };
    let place = panics.remove(at).place;
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
