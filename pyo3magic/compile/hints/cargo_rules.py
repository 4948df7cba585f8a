"""Failures of cargo outside the cell's code, as a table: what it says, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from pyo3magic.errors import BuildError, DependencyError, ManifestError, PyO3MagicError, StoreError, ToolchainError

__all__ = ["DETAILS", "MISSING_TOOLS", "RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A failure: `message` and `advice` are filled in from `pattern`'s groups."""

    kind: type[PyO3MagicError]
    pattern: str
    message: str
    advice: str


_STORE_ADVICE = "Free some space (`%pyo3_cache` shows and clears the store), or set PYO3MAGIC_STORE to another folder."
_NETWORK_ADVICE = (
    "Check the network and the proxy (HTTPS_PROXY, or `[http] proxy` in cargo's config.toml). "
    "`--offline` uses only crates that were downloaded before."
)
RULES = (
    Rule(StoreError, r"No space left on device", "The disk is full: cargo could not write its files.", _STORE_ADVICE),
    Rule(
        StoreError,
        r"ld terminated with signal 7 \[Bus error\]",
        "The linker died of a bus error, which is how a full disk shows itself to it.",
        _STORE_ADVICE,
    ),
    Rule(
        StoreError,
        r"(?P<reason>Permission denied|Operation not permitted|Read-only file system) \(os error \d+\)"
        r'(?: at path "(?P<path>[^"]+)")?',
        "cargo may not write where it has to: {reason} {path}.",
        "Allow it to write there, or set PYO3MAGIC_STORE (for cargo's own files: CARGO_HOME) to another folder.",
    ),
    Rule(
        BuildError,
        r"\(signal: 9, SIGKILL",
        "The compiler or a build script was killed (signal 9): most likely the machine ran out of memory.",
        "Free some memory (other kernels?), or build with fewer processes: %env CARGO_BUILD_JOBS=1.",
    ),
    Rule(
        DependencyError,
        r"failed to download `(?P<name>[^` ]+)[^`]*`(?s:.*)--offline was specified",
        "`{name}` was never downloaded to this machine, and `--offline` forbids to do it now.",
        "Run the cell once without `--offline`.",
    ),
    Rule(
        DependencyError,
        r"no matching package named `(?P<name>[^`]+)`(?s:.*)you're using offline mode",
        "`{name}` was never downloaded to this machine, and `--offline` forbids to do it now.",
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
        "Write the name as it is spelt on crates.io: `-d {near}`.",
    ),
    Rule(
        DependencyError,
        r"no matching package named `(?P<name>[^`]+)` found",
        "There is no crate `{name}` on crates.io.",
        "Look for the right spelling with `!cargo search {name}`. A crate that is not published is given as a table in "
        "the cell's front matter: `{name} = {{ git = ... }}` or `{{ path = ... }}`.",
    ),
    Rule(
        DependencyError,
        r"failed to select a version for the requirement `(?P<name>[^` ]+) = \"(?P<req>[^\"]+)\"`[^\n]*\n"
        r"candidate versions found which didn't match: (?P<near>[^\n]+)",
        "No version of `{name}` matches {req}.",
        "There are {near} Write `-d {name}` for the newest.",
    ),
    Rule(
        DependencyError,
        r"depends on `(?P<name>[^`]+)` with feature `(?P<feature>[^`]+)` but `[^`]+` does not have that feature\.\n?"
        r"(?: package `[^`]+` does have feature `(?P<near>[^`]+)`)?",
        "`{name}` has no feature `{feature}`.",
        "The nearest it has: `-d {name}+{near}`.|Its features are listed by `!cargo info {name}`.",
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
        "The registry now has something else as {name} than when the cell's dependencies were resolved.",
        "If that is right (another registry or mirror), clear the store (`%pyo3_cache`) and run the cell again.",
    ),
    Rule(
        DependencyError,
        r"cannot (?:create|update) the lock file|lock file [^\n]* needs to be updated",
        "The cell's dependencies changed, and its lock file no longer fits them.",
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
        "Update Rust (`rustup update stable`), or ask for an older version: `-d {name}@...`.",
    ),
    Rule(
        ToolchainError,
        r"toolchain '(?P<name>[^']+)' is not installed",
        "The Rust toolchain `{name}` is asked for (RUSTUP_TOOLCHAIN or a rust-toolchain file) but not installed.",
        "Install it with `rustup toolchain install {name}`, or ask for another one.",
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
        "`xcode-select --install`); when cross-compiling, the target's, or set CARGO_TARGET_<TRIPLE>_LINKER.",
    ),
)
# What a build script's own words say is missing, and what to install for it.
MISSING_TOOLS = (
    (r"failed to find tool \"(?P<name>[^\"]+)\"", "It needs a C compiler: install gcc or clang, or set CC."),
    (
        r"command could not be found|Could not run `[^`]*pkg-config",
        "It needs pkg-config: `apt install pkg-config` or the like.",
    ),
    (r"is `cmake` not installed", "It needs CMake: `apt install cmake` or the like."),
    (r"Unable to find libclang", "It needs libclang: `apt install libclang-dev`, or set LIBCLANG_PATH."),
    (r"[Oo]pen[Ss][Ss][Ll]", "It needs OpenSSL's headers: `apt install libssl-dev`, `dnf install openssl-devel`."),
    (r"`(?P<name>[^`]+)\.pc' ?|system library `(?P<lib>[^`]+)`", "It needs a system library's development package."),
)
DETAILS = "Everything cargo said is in the error's `details`."
