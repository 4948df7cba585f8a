//! What signal handlers need of C's headers (signal.h, fcntl.h); the standard library does not offer them.

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(target_os = "macos")]
pub use macos::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{c_int, c_void};

    pub const SIGBUS: c_int = 7;
    pub const SA_SIGINFO: c_int = 4;
    pub const SA_ONSTACK: c_int = 0x0800_0000;
    pub const SA_NODEFER: c_int = 0x4000_0000;
    pub const CREATE: c_int = 1 | 0o100 | 0o2000 | 0o200_0000;
    pub const F_DUPFD_CLOEXEC: c_int = 1030;
    pub const DISABLED: c_int = 2;

    #[repr(C)]
    pub struct SigAction {
        pub handler: usize,
        pub mask: [u64; 16],
        pub flags: c_int,
        pub restorer: usize,
    }

    #[repr(C)]
    pub struct SigInfo {
        pub signal: c_int,
        pub errno: c_int,
        pub code: c_int,
        pub address: *mut c_void,
    }

    #[repr(C)]
    pub struct Stack {
        pub start: *mut c_void,
        pub flags: c_int,
        pub size: usize,
    }

    impl SigInfo {
        /// The process that sent the signal, where `code` says that one did.
        pub fn sender(&self) -> c_int {
            self.address as usize as c_int
        }
    }
}

#[cfg(target_os = "macos")]
mod macos {
    use std::ffi::{c_int, c_void};

    pub const SIGBUS: c_int = 10;
    pub const SA_SIGINFO: c_int = 0x40;
    pub const SA_ONSTACK: c_int = 1;
    pub const SA_NODEFER: c_int = 0x10;
    pub const CREATE: c_int = 1 | 0x200 | 8 | 0x0100_0000;
    pub const F_DUPFD_CLOEXEC: c_int = 67;
    pub const DISABLED: c_int = 4;

    #[repr(C)]
    pub struct SigAction {
        pub handler: usize,
        pub mask: u32,
        pub flags: c_int,
    }

    #[repr(C)]
    pub struct SigInfo {
        pub signal: c_int,
        pub errno: c_int,
        pub code: c_int,
        pub process: c_int,
        pub user: u32,
        pub status: c_int,
        pub address: *mut c_void,
    }

    #[repr(C)]
    pub struct Stack {
        pub start: *mut c_void,
        pub size: usize,
        pub flags: c_int,
    }

    impl SigInfo {
        /// The process that sent the signal, where `code` says that one did.
        pub fn sender(&self) -> c_int {
            self.process
        }
    }
}
