"""What cargo really said, recorded from runs, folders shortened; and what is to be made of it."""

from pyo3magic.errors import BuildError, DependencyError, ManifestError, StoreError, ToolchainError

SAMPLES = {
    "nocrate": r"""
    Updating crates.io index
error: no matching package named `serdee_jsn` found
location searched: crates.io index
required by package `cell v0.0.0 (CRATE)`
""",
    "underscore": r"""
    Updating crates.io index
error: no matching package found
searched package name: `serde-json`
perhaps you meant:      serde_json
location searched: crates.io index
required by package `cell v0.0.0 (CRATE)`
""",
    "noversion": r"""
    Updating crates.io index
error: failed to select a version for the requirement `serde = "^99"`
candidate versions found which didn't match: 1.0.229, 1.0.228, 1.0.227, ...
location searched: crates.io index
required by package `cell v0.0.0 (CRATE)`
if you are looking for the prerelease package it needs to be specified explicitly
    serde = { version = "1.0.172-alpha.0" }
""",
    "nofeature": r"""
    Updating crates.io index
error: failed to select a version for `serde`.
    ... required by package `cell v0.0.0 (CRATE)`
versions that meet the requirements `^1` are: 1.0.229, 1.0.228, 1.0.227, 1.0.226, 1.0.225

package `cell` depends on `serde` with feature `derivee` but `serde` does not have that feature.
 package `serde` does have feature `derive`

failed to select a version for `serde` which could resolve this conflict
""",
    "links": r"""
    Updating crates.io index
error: failed to select a version for `pyo3-ffi`.
    ... required by package `pyo3 v0.25.0`
    ... which satisfies dependency `pyo3 = "^0.25.0"` of package `numpy v0.25.0`
    ... which satisfies dependency `numpy = "^0.25"` of package `cell v0.0.0 (CRATE)`
versions that meet the requirements `=0.25.0` are: 0.25.0

package `pyo3-ffi` links to the native library `python`, but it conflicts with a previous package which links to `python` as well:
package `pyo3-ffi v0.30.1`
    ... which satisfies dependency `pyo3-ffi = "=0.30.1"` of package `pyo3 v0.30.1`
    ... which satisfies dependency `pyo3 = "^0.30"` of package `cell v0.0.0 (CRATE)`
Only one package in the dependency graph may specify the same links value. This helps ensure that only one copy of a native library is linked in the final binary. Try to adjust your dependencies so that only one package uses the `links = "python"` value. For more information, see https://doc.rust-lang.org/cargo/reference/resolver.html#links.

failed to select a version for `pyo3-ffi` which could resolve this conflict
""",
    "offline": r"""
error: no matching package named `regex` found
location searched: crates.io index
required by package `cell v0.0.0 (CRATE)`
As a reminder, you're using offline mode (--offline) which can sometimes cause surprising resolution failures, if this error is too confusing you may wish to retry without `--offline`.
""",
    "offline_indirect": r"""
error: no matching package named `autocfg` found
location searched: crates.io index
required by package `memoffset v0.9.0`
    ... which satisfies dependency `memoffset = "^0.9"` of package `pyo3 v0.25.0`
    ... which satisfies dependency `pyo3 = "^0.25"` of package `cell v0.0.0 (CRATE)`
As a reminder, you're using offline mode (--offline) which can sometimes cause surprising resolution failures, if this error is too confusing you may wish to retry without `--offline`.
""",
    "offline_download": r"""
     Locking 1 package to latest Rust 1.95.0 compatible version
error: failed to download `itoa v1.0.19`

Caused by:
  attempting to make an HTTP request, but --offline was specified
""",
    "nonet": r"""
    Updating crates.io index
error: failed to get `regex` as a dependency of package `cell v0.0.0 (CRATE)`

Caused by:
  download of config.json failed

Caused by:
  failed to download from `https://index.invalid/config.json`

Caused by:
  [7] Could not connect to server (Failed to connect to 127.0.0.1 port 9 after 0 ms: Could not connect to server)
""",
    "nodns": r"""
    Updating `x` index
error: failed to get `regex` as a dependency of package `cell v0.0.0 (CRATE)`

Caused by:
  failed to query replaced source registry `crates-io`

Caused by:
  download of config.json failed

Caused by:
  failed to download from `https://no-such-host.invalid/config.json`

Caused by:
  [6] Could not resolve hostname (Could not resolve host: no-such-host.invalid)
""",
    "badgit": r"""
    Updating git repository `https://github.com/PyO3/does-not-exist-repo-x`
error: failed to get `foo` as a dependency of package `cell v0.0.0 (CRATE)`

Caused by:
  failed to load source for dependency `foo`

Caused by:
  unable to update https://github.com/PyO3/does-not-exist-repo-x

Caused by:
  failed to clone into: HOME/git/db/does-not-exist-repo-x-078994011977e44c

Caused by:
  network failure seems to have happened
  if a proxy or similar is necessary `net.git-fetch-with-cli` may help here
  https://doc.rust-lang.org/cargo/reference/config.html#netgit-fetch-with-cli

Caused by:
  failed to resolve address for github.com: Name or service not known; class=Net (12)
""",
    "locked": r"""
    Updating crates.io index
error: cannot create the lock file CRATE/Cargo.lock because --locked was passed to prevent this
help: to generate the lock file without accessing the network, remove the --locked flag and use --offline instead.
""",
    "lock_junk": r"""
error: failed to parse lock file at: CRATE/Cargo.lock

Caused by:
  TOML parse error at line 1, column 5
    |
  1 | junk
    |     ^
  key with no value, expected `=`
""",
    "lock_newer": r"""
error: failed to parse lock file at: CRATE/Cargo.lock

Caused by:
  lock file version `99` was found, but this version of Cargo does not understand this lock file, perhaps Cargo needs to be updated?
""",
    "badtoml": r"""
error: string values must be quoted, expected literal string
 --> Cargo.toml:8:9
  |
8 | serde = 1 1
  |         ^^^
""",
    "badspec": r"""
error: failed to parse manifest at `CRATE/Cargo.toml`

Caused by:
  failed to parse the version requirement `1..2` for dependency `serde`

Caused by:
  unexpected character '.' while parsing minor version number
""",
    "missingpath": r"""
error: failed to get `foo` as a dependency of package `cell v0.0.0 (CRATE)`

Caused by:
  failed to load source for dependency `foo`

Caused by:
  unable to update CRATE/nope

Caused by:
  failed to read `CRATE/nope/Cargo.toml`

Caused by:
  No such file or directory (os error 2)
""",
    "damaged_download": r"""
error: failed to download `itoa v1.0.19`

Caused by:
  unable to get packages from source

Caused by:
  failed to unpack package `itoa v1.0.19`

Caused by:
  failed to iterate over archive

Caused by:
  unexpected end of file
""",
    "rustc_too_old": r"""
     Locking 1 package to latest Rust 1.95.0 compatible version
error: rustc 1.95.0 is not supported by the following package:
  dep@0.1.0 requires rustc 1.99
""",
    "no_toolchain": r"""
error: toolchain '1.2.3-x86_64-unknown-linux-gnu' is not installed
help: run `rustup toolchain install` to install it

Stack backtrace:
""",
    "target": r"""
   Compiling cell v0.0.0 (CRATE)
error[E0463]: can't find crate for `std`
  |
  = note: the `aarch64-unknown-linux-gnu` target may not be installed
  = help: consider downloading the target with `rustup target add aarch64-unknown-linux-gnu`

For more information about this error, try `rustc --explain E0463`.
error: could not compile `cell` (lib) due to 1 previous error
""",
    "nolinker": r"""
   Compiling cell v0.0.0 (CRATE)
error: linker `ccc-missing` not found
  |
  = note: No such file or directory (os error 2)

error: could not compile `cell` (lib) due to 1 previous error
""",
    "nocc": r"""
    Updating crates.io index
     Locking 1 package to latest Rust 1.95.0 compatible version
error: linker `cc` not found
  |
  = note: No such file or directory (os error 2)

error: could not compile `libc` (build script) due to 1 previous error
""",
    "undef": r"""
   Compiling cell v0.0.0 (CRATE)
error: linking with `cc` failed: exit status: 1
  |
  = note:  "cc" "-m64" "-shared" "-nodefaultlibs"
  = note: some arguments are omitted. use `--verbose` to show all linker arguments
  = note: rust-lld: error: undefined symbol: no_such_symbol_x
          >>> referenced by lib.rs:2 (src/lib.rs:2)
          >>>               CRATE/target/debug/deps/cell.cwl1dggp29euofxtipwkr0k9b.0xn6894.rcgu.o:(f)
          collect2: error: ld returned 1 exit status

error: could not compile `cell` (lib) due to 1 previous error
""",
    "nolib": r"""
   Compiling cell v0.0.0 (CRATE)
error: linking with `cc` failed: exit status: 1
  |
  = note:  "cc" "-m64" "-shared" "-nodefaultlibs"
  = note: some arguments are omitted. use `--verbose` to show all linker arguments
  = note: rust-lld: error: unable to find library -lnosuchlib
          collect2: error: ld returned 1 exit status

error: could not compile `cell` (lib) due to 1 previous error
""",
    "bspanic": r"""
     Locking 1 package to latest Rust 1.95.0 compatible version
   Compiling dep v0.1.0 (CRATE/dep)
error: failed to run custom build command for `dep v0.1.0 (CRATE/dep)`
note: To improve backtraces for build dependencies, set the CARGO_PROFILE_DEV_BUILD_OVERRIDE_DEBUG=true environment variable to enable debug information generation.

Caused by:
  process didn't exit successfully: `CRATE/target/debug/build/dep-7e18178b08639b8e/build-script-build` (exit status: 101)
  --- stdout

  --- stderr
  cannot find libfoo

  thread 'main' (6813) panicked at dep/build.rs:1:83:
  libfoo is needed
  stack backtrace:
  note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
""",
    "ccmissing": r"""
    Updating crates.io index
     Locking 3 packages to latest Rust 1.95.0 compatible versions
 Downloading crates ...
   Compiling cell v0.0.0 (CRATE)
warning: cell@0.0.0: Compiler family detection failed due to error: ToolNotFound: failed to find tool "nosuch-cc": No such file or directory (os error 2)
warning: cell@0.0.0: Compiler family detection failed due to error: ToolNotFound: failed to find tool "nosuch-cc": No such file or directory (os error 2)
error: failed to run custom build command for `cell v0.0.0 (CRATE)`
note: To improve backtraces for build dependencies, set the CARGO_PROFILE_DEV_BUILD_OVERRIDE_DEBUG=true environment variable to enable debug information generation.

Caused by:
  process didn't exit successfully: `CRATE/target/debug/build/cell-8ea95e7abac64f1c/build-script-build` (exit status: 1)
  --- stdout

  --- stderr

  error occurred in cc-rs: failed to find tool "nosuch-cc": No such file or directory (os error 2)
""",
    "openssl": r"""
    Updating crates.io index
     Locking 7 packages to latest Rust 1.95.0 compatible versions
 Downloading crates ...
warning: openssl-sys@0.9.118: Could not find directory of OpenSSL installation, and this `-sys` crate cannot proceed without this knowledge. If OpenSSL is installed and this crate had trouble finding it,  you can set the `OPENSSL_DIR` environment variable for the compilation process. See stderr section below for further information.
error: failed to run custom build command for `openssl-sys v0.9.118`
note: To improve backtraces for build dependencies, set the CARGO_PROFILE_DEV_BUILD_OVERRIDE_DEBUG=true environment variable to enable debug information generation.

Caused by:
  process didn't exit successfully: `CRATE/target/debug/build/openssl-sys-250b75030a98da4e/build-script-main` (exit status: 101)
  --- stdout

  Could not find openssl via pkg-config:

  pkg-config exited with status code 1
  > PKG_CONFIG_PATH=/nonexistent PKG_CONFIG_LIBDIR=/nonexistent PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 pkg-config --libs --cflags openssl

  pkg-config output:
    Package openssl was not found in the pkg-config search path.
    Perhaps you should add the directory containing `openssl.pc'
    to the PKG_CONFIG_PATH environment variable
    Package 'openssl', required by 'virtual:world', not found

  The system library `openssl` required by crate `openssl-sys` was not found.
  The file `openssl.pc` needs to be installed and the PKG_CONFIG_PATH environment variable must contain its parent directory.
  PKG_CONFIG_PATH contains the following:
      - /nonexistent

  HINT: you may need to install a package such as openssl, openssl-dev or openssl-devel.

  --- stderr

  Could not find directory of OpenSSL installation, and this `-sys` crate cannot
  proceed without this knowledge. If OpenSSL is installed and this crate had
  trouble finding it,  you can set the `OPENSSL_DIR` environment variable for the
  compilation process.

  Make sure you also have the development packages of openssl installed.
  For example, `libssl-dev` on Ubuntu or `openssl-devel` on Fedora.

  If you're in a situation where you think the directory *should* be found
  automatically, please open a bug at https://github.com/rust-openssl/rust-openssl
  and include information about your system as well as this message.

  $HOST = x86_64-unknown-linux-gnu
  $TARGET = x86_64-unknown-linux-gnu
  openssl-sys = 0.9.118

warning: build failed, waiting for other jobs to finish...
""",
    "pkgconfmissing": r"""
    Updating crates.io index
     Locking 7 packages to latest Rust 1.95.0 compatible versions
warning: openssl-sys@0.9.118: Could not find directory of OpenSSL installation, and this `-sys` crate cannot proceed without this knowledge. If OpenSSL is installed and this crate had trouble finding it,  you can set the `OPENSSL_DIR` environment variable for the compilation process. See stderr section below for further information.
error: failed to run custom build command for `openssl-sys v0.9.118`
note: To improve backtraces for build dependencies, set the CARGO_PROFILE_DEV_BUILD_OVERRIDE_DEBUG=true environment variable to enable debug information generation.

Caused by:
  process didn't exit successfully: `CRATE/target/debug/build/openssl-sys-250b75030a98da4e/build-script-main` (exit status: 101)
  --- stdout

  Could not find openssl via pkg-config:
  Could not run `PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 no-such-pkg-config --libs --cflags openssl`
  The pkg-config command could not be found.

  Most likely, you need to install a pkg-config package for your OS.
  Try `apt install pkg-config`, or `yum install pkg-config`, or `brew install pkgconf`
  or `pkg install pkg-config`, or `apk add pkgconfig` depending on your distribution.

  If you've already installed it, ensure the pkg-config command is one of the
  directories in the PATH environment variable.

  If you did not expect this build to link to a pre-installed system library,
  then check documentation of the openssl-sys crate for an option to
  build the library from source, or disable features or dependencies
  that require pkg-config.

  --- stderr

  Could not find directory of OpenSSL installation, and this `-sys` crate cannot
  proceed without this knowledge. If OpenSSL is installed and this crate had
  trouble finding it,  you can set the `OPENSSL_DIR` environment variable for the
  compilation process.

  Make sure you also have the development packages of openssl installed.
  For example, `libssl-dev` on Ubuntu or `openssl-devel` on Fedora.

  If you're in a situation where you think the directory *should* be found
  automatically, please open a bug at https://github.com/rust-openssl/rust-openssl
  and include information about your system as well as this message.

  $HOST = x86_64-unknown-linux-gnu
  $TARGET = x86_64-unknown-linux-gnu
  openssl-sys = 0.9.118

warning: build failed, waiting for other jobs to finish...
""",
    "depbroken": r"""
     Locking 1 package to latest Rust 1.95.0 compatible version
   Compiling dep v0.1.0 (CRATE/dep)
error[E0308]: mismatched types
 --> dep/src/lib.rs:1:19
  |
1 | pub fn f()->i32 { "x" }
  |             ---   ^^^ expected `i32`, found `&str`
  |             |
  |             expected `i32` because of return type

For more information about this error, try `rustc --explain E0308`.
error: could not compile `dep` (lib) due to 1 previous error
""",
    "oom": r"""
     Locking 1 package to latest Rust 1.95.0 compatible version
   Compiling dep v0.1.0 (CRATE/dep)
error: failed to run custom build command for `dep v0.1.0 (CRATE/dep)`
note: To improve backtraces for build dependencies, set the CARGO_PROFILE_DEV_BUILD_OVERRIDE_DEBUG=true environment variable to enable debug information generation.

Caused by:
  process didn't exit successfully: `CRATE/target/debug/build/dep-7e18178b08639b8e/build-script-build` (signal: 9, SIGKILL: kill)
""",
    "disk_full": r"""
   Compiling cell v0.0.0 (CRATE)
rustc-LLVM ERROR: IO failure on output stream: No space left on device
error: could not compile `cell` (lib)

Caused by:
  No space left on device (os error 28)

Caused by:
  failed to parse process output: `rustc --crate-name cell` (exit status: 101)
""",
    "disk_full_linker": r"""
   Compiling cell v0.0.0 (CRATE)
error: linking with `cc` failed: exit status: 1
  |
  = note:  "cc" "-m64" "-shared" "-nodefaultlibs"
  = note: some arguments are omitted. use `--verbose` to show all linker arguments
  = note: PLEASE submit a bug report to https://github.com/llvm/llvm-project/issues/ and include the crash backtrace and instructions to reproduce the bug.
          collect2: fatal error: ld terminated with signal 7 [Bus error]
          compilation terminated.

error: could not compile `cell` (lib) due to 1 previous error
""",
    "readonly": r"""
error: Read-only file system (os error 30) at path "CRATE/tip0bFW"
""",
    "perm": r"""
error: Operation not permitted (os error 1) at path "/sys/x5dqjd4"
""",
    "lock_checksum": r"""
    Updating crates.io index
error: checksum for `itoa v1.0.19` changed between lock files

this could be indicative of a few possible errors:

    * the lock file is corrupt
    * a replacement source in use (e.g., a mirror) returned a different checksum
    * the source itself may be corrupt in one way or another

unable to verify that `itoa v1.0.19` is the same as when the lockfile was generated
""",
}
EXPECTED = {
    "nocrate": (DependencyError, "no crate `serdee_jsn` on crates.io", "cargo search serdee_jsn"),
    "underscore": (DependencyError, "no crate `serde-json`, but there is serde_json", "`-d serde_json`"),
    "noversion": (DependencyError, "No version of `serde` matches ^99", "1.0.229, 1.0.228, 1.0.227, ..."),
    "nofeature": (DependencyError, "`serde` has no feature `derivee`", "`-d serde+derive`"),
    "links": (
        DependencyError,
        "numpy 0.25.0 wants pyo3 ^0.25.0; the cell wants pyo3 ^0.30",
        "Remove the cell's own",
    ),
    "offline": (DependencyError, "`regex` has never been downloaded", "without `--offline`"),
    "offline_indirect": (DependencyError, "`autocfg` has never been downloaded", "without `--offline`"),
    "offline_download": (DependencyError, "`itoa` has never been downloaded", "without `--offline`"),
    "nonet": (DependencyError, "could not reach the registry: Failed to connect to 127.0.0.1 port 9", "HTTPS_PROXY"),
    "nodns": (DependencyError, "Could not resolve host: no-such-host.invalid", "`--offline`"),
    "badgit": (DependencyError, "failed to resolve address for github.com", "HTTPS_PROXY"),
    "locked": (DependencyError, "its lock file no longer matches", "`--force`"),
    "lock_junk": (DependencyError, "lock file is damaged", "`%pyo3_cache`"),
    "lock_newer": (DependencyError, "written by a newer cargo", "`%pyo3_cache`"),
    "lock_checksum": (DependencyError, "checksum for itoa v1.0.19 has changed", "`%pyo3_cache`"),
    "badtoml": (ManifestError, "string values must be quoted", "front matter"),
    "badspec": (ManifestError, "`1..2` is not a version requirement (dependency `serde`)", "`-d serde@1.2`"),
    "missingpath": (DependencyError, "nope/Cargo.toml cannot be read", "Correct the path"),
    "damaged_download": (DependencyError, "file of `itoa` 1.0.19 is damaged", "itoa-1.0.19.crate"),
    "rustc_too_old": (ToolchainError, "`dep` 0.1.0 needs rustc 1.99; this is 1.95.0", "rustup update"),
    "no_toolchain": (ToolchainError, "`1.2.3-x86_64-unknown-linux-gnu`", "rustup toolchain install 1.2.3"),
    "target": (ToolchainError, "for aarch64-unknown-linux-gnu is not", "rustup target add aarch64-unknown-linux-gnu"),
    "nolinker": (ToolchainError, "linker `ccc-missing` is not installed", "apt install gcc"),
    "nocc": (ToolchainError, "linker `cc` is not installed", "CARGO_TARGET_<TRIPLE>_LINKER"),
    "undef": (BuildError, "nothing defines no_such_symbol_x", "#[link(name"),
    "nolib": (BuildError, "library nosuchlib is not installed", "libnosuchlib.so"),
    "bspanic": (BuildError, "script of `dep` 0.1.0 failed:\n    cannot find libfoo\n    libfoo is needed", "details"),
    "ccmissing": (BuildError, 'failed to find tool "nosuch-cc"', "C compiler"),
    "openssl": (BuildError, "Could not find directory of OpenSSL installation", "libssl-dev"),
    "pkgconfmissing": (BuildError, "Could not find directory of OpenSSL", "needs pkg-config"),
    "depbroken": (BuildError, "`dep` does not compile: mismatched types (src/lib.rs:1:19)", "`-d dep@VERSION`"),
    "oom": (BuildError, "ran out of memory", "CARGO_BUILD_JOBS=1"),
    "disk_full": (StoreError, "The disk is full", "PYO3MAGIC_STORE"),
    "disk_full_linker": (StoreError, "bus error", "PYO3MAGIC_STORE"),
    "readonly": (StoreError, "Read-only file system CRATE/tip0bFW", "PYO3MAGIC_STORE"),
    "perm": (StoreError, "Operation not permitted", "PYO3MAGIC_STORE"),
}
