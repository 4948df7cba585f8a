//! Writes a report when a signal such as SIGSEGV ends the process, for the next session of the notebook to read.
//!
//! The handlers only make calls that are allowed in a signal handler (signal-safety(7)), besides `dladdr` and
//! `_Unwind_Backtrace`, which take no lock that the crashed thread could hold half-way. Afterwards the handlers that
//! were there before run, so that the output of Python's faulthandler and core dumps are as they were.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::mem::zeroed;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering::SeqCst};

use crate::system::{SigAction, SigInfo, CREATE, F_DUPFD_CLOEXEC, SA_NODEFER, SA_ONSTACK, SA_SIGINFO, SIGBUS};

const SIGILL: c_int = 4;
const SIGABRT: c_int = 6;
const SIGFPE: c_int = 8;
const SIGSEGV: c_int = 11;
const SIGNALS: [c_int; 5] = [SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE];
/// The report's descriptor, far above those that programs count on.
const LOWEST_DESCRIPTOR: c_int = 100;
/// Frames that the report names, and frames that it counts.
const NAMED: usize = 256;
const COUNTED: usize = 1 << 20;

#[repr(C)]
struct Symbol {
    file: *const c_char,
    base: *mut c_void,
    name: *const c_char,
    address: *mut c_void,
}

extern "C" {
    fn sigaction(signal: c_int, new: *const SigAction, old: *mut SigAction) -> c_int;
    fn raise(signal: c_int) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn mkdir(path: *const c_char, mode: c_int) -> c_int;
    fn write(descriptor: c_int, data: *const u8, size: usize) -> isize;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn fcntl(descriptor: c_int, command: c_int, ...) -> c_int;
    fn close(descriptor: c_int) -> c_int;
    fn getpid() -> c_int;
    fn pause() -> c_int;
    fn pthread_self() -> usize;
    fn dladdr(address: *const c_void, symbol: *mut Symbol) -> c_int;
    fn _Unwind_Backtrace(visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int, state: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(frame: *mut c_void, exact: *mut c_int) -> usize;
    fn _Unwind_GetCFA(frame: *mut c_void) -> usize;
}

/// What the handlers need, allocated before anything goes wrong.
struct Shared(UnsafeCell<Option<Plan>>);
// Written before the handlers are set, and changed only by the one thread that has `BUSY`.
unsafe impl Sync for Shared {}
static SHARED: Shared = Shared(UnsafeCell::new(None));

struct Plan {
    /// The report's folder and the folder above, which are made if they are missing.
    folders: [CString; 2],
    /// The report's path, with room for the process id at the end.
    path: Vec<u8>,
    prefix: usize,
    descriptor: c_int,
    previous: [SigAction; SIGNALS.len()],
}

/// The thread that writes a report, 0 for none.
static BUSY: AtomicUsize = AtomicUsize::new(0);
static IS_SET: AtomicBool = AtomicBool::new(false);
/// Text about the loaded modules for the report, and the text before it, which a handler may still read.
static DETAILS: [AtomicPtr<c_char>; 2] = [AtomicPtr::new(null_mut()), AtomicPtr::new(null_mut())];
/// The signal for which faulthandler writes Python's stack to the report, 0 for none.
static DUMP: AtomicI32 = AtomicI32::new(0);
/// The number of the notebook's cell that runs, 0 if unknown.
static CELL: AtomicI32 = AtomicI32::new(0);

/// Sets the handlers. A report is a file in `folder`, made when it is needed; its name is `name` and the process id.
///
/// Signals that have a handler are left alone, except where these handlers are faulthandler's (`replace`): programs
/// such as a Java machine make use of the signals and go on.
///
/// Returns the file descriptor that will be the report's, -1 without one.
///
/// # Safety
/// `folder` and `name` are C strings.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_watch_crashes(folder: *const c_char, name: *const c_char, replace: c_int) -> c_int {
    if IS_SET.swap(true, SeqCst) {
        return -1;
    }
    let (folder, name) = unsafe { (CStr::from_ptr(folder), CStr::from_ptr(name)) };
    let mut path = [folder.to_bytes(), b"/", name.to_bytes()].concat();
    let prefix = path.len();
    path.resize(prefix + 24, 0);
    let opened = unsafe { open(b"/dev/null\0".as_ptr().cast(), CREATE, 0o600) };
    let descriptor = unsafe { fcntl(opened, F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR) };
    if opened < 0 || descriptor < 0 {
        return -1;
    }
    unsafe { close(opened) };
    let above = folder.to_bytes().iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let above = CString::new(&folder.to_bytes()[..above]).unwrap_or_default();
    let plan = Plan { folders: [above, folder.to_owned()], path, prefix, descriptor, previous: unsafe { zeroed() } };
    let plan = unsafe { &mut *SHARED.0.get() }.insert(plan);
    let mut own: SigAction = unsafe { zeroed() };
    own.handler = on_signal as *const () as usize;
    own.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (signal, previous) in SIGNALS.into_iter().zip(&mut plan.previous) {
        unsafe { sigaction(signal, null(), previous) };
        if previous.handler == 0 || replace != 0 {
            unsafe { sigaction(signal, &own, null_mut()) };
        }
    }
    descriptor
}

/// Sets what a report says about the modules that are loaded.
///
/// # Safety
/// `details` is a C string.
#[no_mangle]
pub unsafe extern "C" fn pyo3magic_crash_details(details: *const c_char) {
    let new = unsafe { CStr::from_ptr(details) }.to_owned().into_raw();
    let old = DETAILS[1].swap(DETAILS[0].swap(new, SeqCst), SeqCst);
    if !old.is_null() {
        drop(unsafe { CString::from_raw(old) });
    }
}

/// Sets the signal for which faulthandler writes Python's stack to the report.
#[no_mangle]
pub extern "C" fn pyo3magic_crash_signal(signal: c_int) {
    DUMP.store(signal, SeqCst);
}

/// Sets the number of the notebook's cell that runs.
#[no_mangle]
pub extern "C" fn pyo3magic_crash_cell(number: c_int) {
    CELL.store(number, SeqCst);
}

extern "C" fn on_signal(signal: c_int, info: *mut SigInfo, _context: *mut c_void) {
    let (Some(plan), info) = (unsafe { (*SHARED.0.get()).as_mut() }, unsafe { &*info }) else { return };
    let (thread, is_sent) = (unsafe { pthread_self() }, info.code <= 0);
    // A signal that another process sends is no crash, as long as nothing else has gone wrong.
    if !is_sent || info.sender() == unsafe { getpid() } {
        match BUSY.compare_exchange(0, thread, SeqCst, SeqCst) {
            Ok(_) => {
                write_report(plan, signal, info);
                BUSY.store(0, SeqCst);
            }
            // A crash of the handler itself.
            Err(busy) if busy == thread => {}
            Err(_) => loop {
                unsafe { pause() };
            },
        }
    }
    for (watched, previous) in SIGNALS.iter().zip(&plan.previous) {
        if *watched == signal {
            unsafe { sigaction(signal, previous, null_mut()) };
        }
    }
    // What has gone wrong goes wrong again when the handler returns; `abort` and `raise` do not come again.
    if is_sent {
        unsafe { raise(signal) };
    }
}

fn write_report(plan: &mut Plan, signal: c_int, info: &SigInfo) {
    let pid = unsafe { getpid() };
    let mut digits = [0; 20];
    let digits = decimal(pid as usize, &mut digits);
    plan.path[plan.prefix..plan.prefix + digits.len()].copy_from_slice(digits);
    plan.path[plan.prefix + digits.len()] = 0;
    // There is room for one more descriptor, however many are open.
    unsafe { close(plan.descriptor) };
    for folder in &plan.folders {
        unsafe { mkdir(folder.as_ptr(), 0o700) };
    }
    let opened = unsafe { open(plan.path.as_ptr().cast(), CREATE, 0o600) };
    if opened < 0 {
        return;
    }
    if opened != plan.descriptor {
        unsafe { dup2(opened, plan.descriptor) };
    }
    let report = Report { descriptor: plan.descriptor };
    let address = if info.code > 0 { info.address as usize } else { 0 };
    report.line(b"signal", &[signal as usize, address, CELL.load(SeqCst) as usize, pid as usize]);
    let details = DETAILS[0].load(SeqCst);
    if !details.is_null() {
        report.text(unsafe { CStr::from_ptr(details) }.to_bytes());
        report.text(b"\n");
    }
    let mut walk = Walk { report: &report, count: 0 };
    unsafe { _Unwind_Backtrace(visit, std::ptr::addr_of_mut!(walk).cast()) };
    report.line(b"frames", &[walk.count]);
    let dump = DUMP.load(SeqCst);
    let mut handler: SigAction = unsafe { zeroed() };
    // While Python ends, faulthandler takes its handlers away, and the signal would end the process at once.
    if dump != 0 && unsafe { sigaction(dump, null(), &mut handler) } == 0 && handler.handler > 1 {
        unsafe { raise(dump) };
    }
}

struct Walk<'a> {
    report: &'a Report,
    count: usize,
}

extern "C" fn visit(frame: *mut c_void, state: *mut c_void) -> c_int {
    let walk = unsafe { &mut *state.cast::<Walk>() };
    let mut exact = 0;
    let pointer = unsafe { _Unwind_GetIPInfo(frame, &mut exact) };
    if pointer == 0 || walk.count == COUNTED {
        return 5; // _URC_END_OF_STACK
    }
    walk.count += 1;
    if walk.count <= NAMED {
        let mut symbol = Symbol { file: null(), base: null_mut(), name: null(), address: null_mut() };
        // The return address may already be in the next function.
        let place = if exact == 0 { pointer - 1 } else { pointer };
        unsafe { dladdr(place as *const c_void, &mut symbol) };
        let cfa = unsafe { _Unwind_GetCFA(frame) };
        walk.report.numbers(b"frame", &[exact as usize, place, symbol.base as usize, cfa]);
        for text in [symbol.file, symbol.name] {
            walk.report.text(b"\t");
            if !text.is_null() {
                walk.report.text(unsafe { CStr::from_ptr(text) }.to_bytes());
            }
        }
        walk.report.text(b"\n");
    }
    0
}

struct Report {
    descriptor: c_int,
}

impl Report {
    fn line(&self, name: &[u8], numbers: &[usize]) {
        self.numbers(name, numbers);
        self.text(b"\n");
    }

    fn numbers(&self, name: &[u8], numbers: &[usize]) {
        self.text(name);
        for number in numbers {
            self.text(b" ");
            self.text(decimal(*number, &mut [0; 20]));
        }
    }

    fn text(&self, mut text: &[u8]) {
        while !text.is_empty() {
            let size = unsafe { write(self.descriptor, text.as_ptr(), text.len()) };
            if size <= 0 {
                return;
            }
            text = &text[size as usize..];
        }
    }
}

/// A number's digits; formatting by the standard library is not meant for signal handlers.
fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}
