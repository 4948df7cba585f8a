"""Table of cargo's failures outside the cell's code: patterns of its output, messages and advice."""

from __future__ import annotations

from dataclasses import dataclass

from pyo3magic.errors import BuildError, DependencyError, ManifestError, PyO3MagicError, StoreError, ToolchainError

__all__ = ["DETAILS", "MISSING_TOOLS", "NOEXEC_ADVICE", "RULES", "SHORTAGES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A failure of cargo.

    Attributes:
        kind: the error to raise.
        pattern: regular expression for cargo's output.
        message: the error's message, a format string for the pattern's groups.
        advice: the error's advice, likewise; the text after ``|`` is for an empty group ``near``.
    """

    kind: type[PyO3MagicError]
    pattern: str
    message: str
    advice: str


_STORE_ADVICE = "Free some space (`%pyo3_cache` shows and clears the store), or set PYO3MAGIC_STORE to another folder."
NOEXEC_ADVICE = "Set PYO3MAGIC_STORE to a folder on another file system, or mount this one without `noexec`."
MEMORY_ADVICE = "Free some memory (other kernels?), or build with fewer processes: %env CARGO_BUILD_JOBS=1."
_NETWORK_ADVICE = (
    "Check the network and the proxy (HTTPS_PROXY, or `[http] proxy` in cargo's config.toml). "
    "`--offline` uses only crates that were downloaded before."
)
SHORTAGES = (
    Rule(
        StoreError,
        r"No space left on device|os error 28",
        "The disk is full: cargo could not write its files.",
        _STORE_ADVICE,
    ),
    Rule(
        StoreError,
        r"[Dd]isk quota exceeded|os error 122",
        "The disk quota is used up: cargo could not write its files.",
        _STORE_ADVICE,
    ),
    Rule(
        StoreError,
        r"ld terminated with signal 7 \[Bus error\]",
        "The linker died of a bus error, which usually means that the disk is full.",
        _STORE_ADVICE,
    ),
    Rule(
        StoreError,
        r"/build-script-[^`]*` \(never executed\)\s+Caused by:\s+Permission denied|"
        r"/targets/[^\n]*failed to map segment from shared object",
        "Programs and libraries in the store cannot be run: the store is on a file system that is mounted `noexec`.",
        NOEXEC_ADVICE,
    ),
    Rule(
        StoreError,
        r"(?P<reason>(?:Permission denied|Operation not permitted) (?=\(os error)|Read-only file system)"
        r"(?: ?\(os error \d+\))?"
        r'(?: at path "(?P<path>[^"]+)")?',
        "cargo cannot write its files: {reason} {path}.",
        "Make the folder writable, or set PYO3MAGIC_STORE (for cargo's own files: CARGO_HOME) to another folder.",
    ),
    Rule(
        BuildError,
        r"\(signal: 9, SIGKILL",
        "{what} was killed (signal 9): most likely the machine ran out of memory.",
        MEMORY_ADVICE,
    ),
    Rule(
        BuildError,
        r"memory allocation of \d+ bytes failed|LLVM ERROR: out of memory|[Cc]annot allocate memory|os error 12\b|"
        r"virtual memory exhausted|std::bad_alloc|failed to map segment from shared object",
        "{what} ran out of memory, or reached a memory limit (`ulimit -v`).",
        MEMORY_ADVICE,
    ),
    Rule(
        BuildError,
        r"Resource temporarily unavailable|os error 11\b|code: 11, kind: WouldBlock|vfork: |fork: retry",
        "{what} could not start another process or thread: a limit on their number is reached (`ulimit -u`).",
        "End other programs of yours, or build with fewer processes: %env CARGO_BUILD_JOBS=1.",
    ),
    Rule(
        BuildError,
        r"Too many open files|os error 24\b",
        "{what} could not open another file: the limit is reached (`ulimit -n`).",
        "Close other programs of yours, or raise the limit before starting Jupyter.",
    ),
    Rule(
        BuildError,
        r"\(signal: (?P<number>\d+), (?P<name>SIG[A-Z0-9]+)",
        "{what} was ended by signal {number} ({name}).",
        "Run the cell again. A memory limit (`ulimit -v`) can be the cause; the error's `details` have all output.",
    ),
)
"""What the machine lacks: space, memory, processes. `{what}` is the program that failed."""

RULES = (
    *SHORTAGES,
    Rule(
        DependencyError,
        r"failed to download `(?P<name>[^` ]+)[^`]*`(?s:.*)--offline was specified",
        "`{name}` has never been downloaded to this machine, and `--offline` prevents downloading it.",
        "Run the cell once without `--offline`.",
    ),
    Rule(
        DependencyError,
        r"no matching package named `(?P<name>[^`]+)`(?s:.*)you're using offline mode",
        "`{name}` has never been downloaded to this machine, and `--offline` prevents downloading it.",
        "Run the cell once without `--offline`.",
    ),
    Rule(
        DependencyError,
        r"\[\d+\] [^\n(]*\((?P<reason>[^\n]*(?:resolve host|[Cc]onnect|[Tt]im)[^\n]*)\)",
        "cargo could not reach the registry: {reason}.",
        _NETWORK_ADVICE,
    ),
    Rule(
        DependencyError,
        r"(?P<reason>failed to resolve address for [^\n;]+|spurious network error[^\n]*)",
        "cargo could not download a dependency: {reason}.",
        _NETWORK_ADVICE,
    ),
    Rule(
        DependencyError,
        r"no matching package found\nsearched package name: `(?P<name>[^`]+)`\nperhaps you meant: +(?P<near>[^\n]+)",
        "There is no crate `{name}`, but there is {near}.",
        "Use the spelling on crates.io: `-d {near}`.",
    ),
    Rule(
        DependencyError,
        r"no matching package named `(?P<name>[^`]+)` found",
        "There is no crate `{name}` on crates.io.",
        "Look for the right spelling with `!cargo search {name}`. For a crate that is not published, write a table in "
        "the cell's front matter: `{name} = {{ git = ... }}` or `{{ path = ... }}`.",
    ),
    Rule(
        DependencyError,
        r"failed to select a version for the requirement `(?P<name>[^` ]+) = \"(?P<req>[^\"]+)\"`[^\n]*\n"
        r"candidate versions found which didn't match: (?P<near>[^\n]+)",
        "No version of `{name}` matches {req}.",
        "Available versions: {near} Write `-d {name}` for the newest.",
    ),
    Rule(
        DependencyError,
        r"depends on `(?P<name>[^`]+)` with feature `(?P<feature>[^`]+)` but `[^`]+` does not have that feature\.\n?"
        r"(?: package `[^`]+` does have feature `(?P<near>[^`]+)`)?",
        "`{name}` has no feature `{feature}`.",
        "The closest match is `-d {name}+{near}`.|`!cargo info {name}` lists its features.",
    ),
    Rule(
        DependencyError,
        r"failed to parse lock file",
        "The cell's lock file is damaged, or was written by a newer cargo.",
        "Clear the store (`%pyo3_cache`) and run the cell again.",
    ),
    Rule(
        DependencyError,
        r"checksum for `(?P<name>[^`]+)` changed between lock files",
        "The registry's checksum for {name} has changed since the cell's dependencies were resolved.",
        "If you expect that (another registry or mirror), clear the store (`%pyo3_cache`) and run the cell again.",
    ),
    Rule(
        DependencyError,
        r"cannot (?:create|update) the lock file|lock file [^\n]* needs to be updated",
        "The cell's dependencies changed, and its lock file no longer matches them.",
        "Run the cell with `--force` to resolve them again.",
    ),
    Rule(
        DependencyError,
        r"failed to (?:unpack package|verify the checksum of) `(?P<name>[^ `]+) v(?P<version>[^ `]+)",
        "The downloaded file of `{name}` {version} is damaged.",
        "Delete {name}-{version}.crate under registry/cache in cargo's home folder, and run the cell again.",
    ),
    Rule(
        DependencyError,
        r"failed to load source for dependency `(?P<name>[^`]+)`(?s:.*?)failed to read `(?P<path>[^`]+)`",
        "The dependency `{name}` is not where its `path` says: {path} cannot be read.",
        "Correct the path; a relative one starts at the notebook's folder.",
    ),
    Rule(
        ManifestError,
        r"failed to parse the version requirement `(?P<req>[^`]*)` for dependency `(?P<name>[^`]+)`",
        "`{req}` is not a version requirement (dependency `{name}`).",
        'Write `-d {name}`, `-d {name}@1.2`, or in the front matter `{name} = "1.2"`.',
    ),
    Rule(
        ManifestError,
        r"error: (?P<reason>[^\n]+)\n +--> \S*Cargo\.toml",
        "The cell's manifest is wrong: {reason}.",
        "Correct the front matter between the `---` lines: it is TOML, as in a Cargo.toml.",
    ),
    Rule(
        ToolchainError,
        r"rustc (?P<have>\S+) is not supported by the following package[^\n]*\n"
        r" +(?P<name>[^@\s]+)@(?P<version>\S+) requires rustc (?P<want>\S+)",
        "`{name}` {version} needs rustc {want}; this is {have}.",
        "Update Rust (`rustup update stable`), or request an older version: `-d {name}@...`.",
    ),
    Rule(
        ToolchainError,
        r"toolchain '(?P<name>[^']+)' is not installed",
        "The Rust toolchain `{name}` is selected (RUSTUP_TOOLCHAIN or a rust-toolchain file) but not installed.",
        "Install it with `rustup toolchain install {name}`, or select another toolchain.",
    ),
    Rule(
        ToolchainError,
        r"the `(?P<name>[^`]+)` target may not be installed",
        "Rust's standard library for {name} is not installed.",
        "Install it with `rustup target add {name}`.",
    ),
    Rule(
        ToolchainError,
        r"linker `(?P<name>[^`]+)` not found",
        "The linker `{name}` is not installed; rustc cannot make a module without one.",
        "Install a C toolchain (Debian, Ubuntu: `apt install gcc libc6-dev`; Fedora: `dnf install gcc`; macOS: "
        "`xcode-select --install`). To cross-compile, install the target's linker or set CARGO_TARGET_<TRIPLE>_LINKER.",
    ),
)
# Patterns of a build script's output that show what is missing, and advice on what to install.
MISSING_TOOLS = (
    (r"failed to find tool \"(?P<name>[^\"]+)\"", "It needs a C compiler: install gcc or clang, or set CC."),
    (
        r"command could not be found|Could not run `[^`]*pkg-config",
        "It needs pkg-config: `apt install pkg-config` or similar.",
    ),
    (r"is `cmake` not installed", "It needs CMake: `apt install cmake` or similar."),
    (r"Unable to find libclang", "It needs libclang: `apt install libclang-dev`, or set LIBCLANG_PATH."),
    (r"[Oo]pen[Ss][Ss][Ll]", "It needs OpenSSL's headers: `apt install libssl-dev`, `dnf install openssl-devel`."),
    (r"`(?P<name>[^`]+)\.pc' ?|system library `(?P<lib>[^`]+)`", "It needs a system library's development package."),
)
DETAILS = "cargo's full output is in the error's `details`."
