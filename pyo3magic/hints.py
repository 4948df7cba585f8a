"""From what cargo and rustc said to what to do next.

Two tables, read from the top: failures outside the cell's code (`explain_cargo_failure`) and compiler errors in it that
have one usual cause (`hint_for`). What PyO3 changed and when: its CHANGELOG and migration guide, up to 0.30.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import ansi
from .errors import BuildError, DependencyError, ManifestError, PyO3MagicError, StoreError, ToolchainError

if TYPE_CHECKING:
    from .diagnostics import Diagnostic

__all__ = ["explain_cargo_failure", "hint_for"]


@dataclass(frozen=True, slots=True)
class _Rule:
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
_RULES = (
    _Rule(StoreError, r"No space left on device", "The disk is full: cargo could not write its files.", _STORE_ADVICE),
    _Rule(
        StoreError,
        r"ld terminated with signal 7 \[Bus error\]",
        "The linker died of a bus error, which is how a full disk shows itself to it.",
        _STORE_ADVICE,
    ),
    _Rule(
        StoreError,
        r"(?P<reason>Permission denied|Operation not permitted|Read-only file system) \(os error \d+\)"
        r'(?: at path "(?P<path>[^"]+)")?',
        "cargo may not write where it has to: {reason} {path}.",
        "Allow it to write there, or set PYO3MAGIC_STORE (for cargo's own files: CARGO_HOME) to another folder.",
    ),
    _Rule(
        BuildError,
        r"\(signal: 9, SIGKILL",
        "The compiler or a build script was killed (signal 9): most likely the machine ran out of memory.",
        "Free some memory (other kernels?), or build with fewer processes: %env CARGO_BUILD_JOBS=1.",
    ),
    _Rule(
        DependencyError,
        r"failed to download `(?P<name>[^` ]+)[^`]*`(?s:.*)--offline was specified",
        "`{name}` was never downloaded to this machine, and `--offline` forbids to do it now.",
        "Run the cell once without `--offline`.",
    ),
    _Rule(
        DependencyError,
        r"no matching package named `(?P<name>[^`]+)`(?s:.*)you're using offline mode",
        "`{name}` was never downloaded to this machine, and `--offline` forbids to do it now.",
        "Run the cell once without `--offline`.",
    ),
    _Rule(
        DependencyError,
        r"\[\d+\] [^\n(]*\((?P<reason>[^\n]*(?:resolve host|[Cc]onnect|[Tt]im)[^\n]*)\)",
        "cargo could not reach the registry: {reason}.",
        _NETWORK_ADVICE,
    ),
    _Rule(
        DependencyError,
        r"(?P<reason>failed to resolve address for [^\n;]+|spurious network error[^\n]*)",
        "cargo could not download a dependency: {reason}.",
        _NETWORK_ADVICE,
    ),
    _Rule(
        DependencyError,
        r"no matching package found\nsearched package name: `(?P<name>[^`]+)`\nperhaps you meant: +(?P<near>[^\n]+)",
        "There is no crate `{name}`, but there is {near}.",
        "Write the name as it is spelt on crates.io: `-d {near}`.",
    ),
    _Rule(
        DependencyError,
        r"no matching package named `(?P<name>[^`]+)` found",
        "There is no crate `{name}` on crates.io.",
        "Look for the right spelling with `!cargo search {name}`. A crate that is not published is given as a table in "
        "the cell's front matter: `{name} = {{ git = ... }}` or `{{ path = ... }}`.",
    ),
    _Rule(
        DependencyError,
        r"failed to select a version for the requirement `(?P<name>[^` ]+) = \"(?P<req>[^\"]+)\"`[^\n]*\n"
        r"candidate versions found which didn't match: (?P<near>[^\n]+)",
        "No version of `{name}` matches {req}.",
        "There are {near} Write `-d {name}` for the newest.",
    ),
    _Rule(
        DependencyError,
        r"depends on `(?P<name>[^`]+)` with feature `(?P<feature>[^`]+)` but `[^`]+` does not have that feature\.\n?"
        r"(?: package `[^`]+` does have feature `(?P<near>[^`]+)`)?",
        "`{name}` has no feature `{feature}`.",
        "The nearest it has: `-d {name}+{near}`.|Its features are listed by `!cargo info {name}`.",
    ),
    _Rule(
        DependencyError,
        r"failed to parse lock file",
        "The cell's lock file is damaged, or was written by a newer cargo.",
        "Clear the store (`%pyo3_cache`) and run the cell again.",
    ),
    _Rule(
        DependencyError,
        r"checksum for `(?P<name>[^`]+)` changed between lock files",
        "The registry now has something else as {name} than when the cell's dependencies were resolved.",
        "If that is right (another registry or mirror), clear the store (`%pyo3_cache`) and run the cell again.",
    ),
    _Rule(
        DependencyError,
        r"cannot (?:create|update) the lock file|lock file [^\n]* needs to be updated",
        "The cell's dependencies changed, and its lock file no longer fits them.",
        "Run the cell with `--force` to resolve them again.",
    ),
    _Rule(
        DependencyError,
        r"failed to (?:unpack package|verify the checksum of) `(?P<name>[^ `]+) v(?P<version>[^ `]+)",
        "The downloaded file of `{name}` {version} is damaged.",
        "Delete {name}-{version}.crate under registry/cache in cargo's home folder, and run the cell again.",
    ),
    _Rule(
        DependencyError,
        r"failed to load source for dependency `(?P<name>[^`]+)`(?s:.*?)failed to read `(?P<path>[^`]+)`",
        "The dependency `{name}` is not where its `path` says: {path} cannot be read.",
        "Correct the path; a relative one starts at the notebook's folder.",
    ),
    _Rule(
        ManifestError,
        r"failed to parse the version requirement `(?P<req>[^`]*)` for dependency `(?P<name>[^`]+)`",
        "`{req}` is not a version requirement (dependency `{name}`).",
        'Write `-d {name}`, `-d {name}@1.2`, or in the front matter `{name} = "1.2"`.',
    ),
    _Rule(
        ManifestError,
        r"error: (?P<reason>[^\n]+)\n +--> \S*Cargo\.toml",
        "The cell's manifest is wrong: {reason}.",
        "Correct the front matter between the `---` lines: it is TOML, as in a Cargo.toml.",
    ),
    _Rule(
        ToolchainError,
        r"rustc (?P<have>\S+) is not supported by the following package[^\n]*\n"
        r" +(?P<name>[^@\s]+)@(?P<version>\S+) requires rustc (?P<want>\S+)",
        "`{name}` {version} needs rustc {want}; this is {have}.",
        "Update Rust (`rustup update stable`), or ask for an older version: `-d {name}@...`.",
    ),
    _Rule(
        ToolchainError,
        r"toolchain '(?P<name>[^']+)' is not installed",
        "The Rust toolchain `{name}` is asked for (RUSTUP_TOOLCHAIN or a rust-toolchain file) but not installed.",
        "Install it with `rustup toolchain install {name}`, or ask for another one.",
    ),
    _Rule(
        ToolchainError,
        r"the `(?P<name>[^`]+)` target may not be installed",
        "Rust's standard library for {name} is not installed.",
        "Install it with `rustup target add {name}`.",
    ),
    _Rule(
        ToolchainError,
        r"linker `(?P<name>[^`]+)` not found",
        "The linker `{name}` is not installed; rustc cannot make a module without one.",
        "Install a C toolchain (Debian, Ubuntu: `apt install gcc libc6-dev`; Fedora: `dnf install gcc`; macOS: "
        "`xcode-select --install`); when cross-compiling, the target's, or set CARGO_TARGET_<TRIPLE>_LINKER.",
    ),
)

# What a build script's own words say is missing, and what to install for it.
_MISSING_TOOLS = (
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
_DETAILS = "Everything cargo said is in the error's `details`."


def explain_cargo_failure(stderr: str) -> PyO3MagicError:
    """Return what a cargo run that failed outside the cell's code should raise.

    Args:
        stderr: everything cargo and the programs it started said; kept as the error's ``details``.
    """
    text = ansi.strip(stderr)
    for rule in _RULES:
        if match := re.search(rule.pattern, text):
            groups = {name: value or "" for name, value in match.groupdict().items()}
            advice, _, otherwise = rule.advice.partition("|")
            advice = otherwise if otherwise and not groups["near"] else advice
            message = rule.message.format(**groups).replace(" .", ".").replace(": .", ".")
            return rule.kind(message, advice=advice.format(**groups), details=stderr)
    for explain in (_links_conflict, _link_failure, _build_script, _dependency):
        if error := explain(text, stderr):
            return error
    first = re.search(r"^error(?:\[E\d+\])?: (.+)$", text, re.MULTILINE)
    return BuildError(f"cargo failed: {first[1] if first else 'it did not say why'}.", advice=_DETAILS, details=stderr)


_DEFAULT_FROM = 25
"""The oldest pyo3 0.x that a cell takes without asking (`crate.PYO3_RANGE`)."""


def _links_conflict(text: str, stderr: str) -> PyO3MagicError | None:
    """Two PyO3 in one graph: cargo allows one, by pyo3-ffi's ``links`` key (cargo reference, "Resolver")."""
    if not re.search(r"links to the native library `python3?`", text):
        return None
    wants: dict[str, str] = {}
    for requirement, name, version, path in re.findall(
        r"dependency `pyo3 = \"([^\"]+)\"`(?: \([^)]*\))? of package `(\S+) v([^\s`]+)( \([^`]*\))?`", text
    ):
        wants["the cell" if path else f"{name} {version}"] = requirement
    told = "; ".join(f"{name} wants pyo3 {requirement}" for name, requirement in wants.items())
    others = [name for name in wants if name != "the cell"]
    crates = " and ".join(f"`{name.split()[0]}`" for name in others) or "the other crate"
    older = next((minor for name in others if (minor := _minor(wants[name])) < _DEFAULT_FROM), None)
    if "the cell" in wants and older is not None:
        advice = f"`--pyo3 0.{older}`, with no other pyo3 in the front matter, takes the PyO3 that suits {crates}."
    elif "the cell" in wants:
        advice = (
            f"Take away the cell's own requirement (`--pyo3`, or `pyo3` in the front matter): cargo then takes the "
            f"PyO3 that suits {crates}. Or ask for a version of {crates} made for pyo3 {wants['the cell']}: "
            "`-d NAME@VERSION`."
        )
    else:
        advice = f"Ask for versions of {crates} made for the same pyo3: `-d NAME@VERSION`."
    return DependencyError(
        f"A module can contain only one PyO3: {told or 'two are asked for'}.", advice=advice, details=stderr
    )


def _minor(requirement: str) -> int:
    match = re.search(r"0\.(\d+)", requirement)
    return int(match[1]) if match else _DEFAULT_FROM


def _link_failure(text: str, stderr: str) -> PyO3MagicError | None:
    if not re.search(r"linking with `[^`]+` failed", text):
        return None
    libraries = dict.fromkeys(
        re.findall(r"(?:unable to find library|cannot find|library not found for) -l(\S+?):?(?:\s|$)", text)
    )
    if libraries:
        names = ", ".join(libraries)
        message = f"The module could not be linked: the library {names} is not installed."
        first = next(iter(libraries))
        advice = f"Install its development package, which has lib{first}.so; RUSTFLAGS='-L FOLDER' names a folder."
        return BuildError(message, advice=advice, details=stderr)
    symbols = dict.fromkeys(re.findall(r"undefined (?:symbol: |reference to [`'])([^\s`']+)", text))
    said = f"nothing defines {', '.join(list(symbols)[:5])}" if symbols else "the linker's words are in `details`"
    advice = (
        "Name the library that defines it: `#[link(name = ...)]`, or a crate that links it." if symbols else _DETAILS
    )
    return BuildError(f"The module could not be linked: {said}.", advice=advice, details=stderr)


def _build_script(text: str, stderr: str) -> PyO3MagicError | None:
    match = re.search(r"failed to run custom build command for `(\S+) v([^\s`]+)[^`]*`(.*)", text, re.DOTALL)
    if not match:
        return None
    said = match[3].partition("--- stderr\n")[2] or match[3].partition("Caused by:\n")[2]
    said = re.split(r"\n\s*stack backtrace:|\n\s*note: |\nwarning: build failed|\nerror: ", said)[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not re.match(r"thread '.*' (?:\(\d+\) )?panicked at ", line)]
    advice = next((advice for pattern, advice in _MISSING_TOOLS if re.search(pattern, match[3])), _DETAILS)
    message = f"The build script of `{match[1]}` {match[2]} failed:\n" + "\n".join(f"    {line}" for line in lines[:8])
    return BuildError(message, advice=advice, details=stderr)


def _dependency(text: str, stderr: str) -> PyO3MagicError | None:
    match = re.search(r"could not compile `([^`]+)`", text)
    error = re.search(r"^error(?:\[E\d+\])?: (?!could not compile)(.+)(?:\n *--> (\S+))?", text, re.MULTILINE)
    if not match or not error:
        return None
    where = f" ({error[2].split('/registry/src/')[-1].partition('/')[2] or error[2]})" if error[2] else ""
    return BuildError(
        f"The crate `{match[1]}` does not compile: {error[1]}{where}.",
        advice=f"If it is a dependency, try another version (`-d {match[1]}@VERSION`) or features, or `rustup update`.",
        details=stderr,
    )


@dataclass(frozen=True, slots=True)
class _Idiom:
    """PyO3 as older tutorials write it: how it is written today, and the last version that takes it as it stands."""

    pattern: str
    today: str
    last: str = ""


_NEWEST_PYTHON = {"0.18": "3.11", "0.21": "3.12", "0.24": "3.13"}
_NAMED = r"(?:named|type|trait|function|import|struct) `(?:pyo3::(?:\w+::)*)?"
_IDIOMS = (
    _Idiom(
        r"for reference `&(?:pyo3::types::)?PyModule`|`&(?:pyo3::types::)?PyModule: ",
        "a module is taken as `m: &Bound<'_, PyModule>` since pyo3 0.21",
        "0.21",
    ),
    _Idiom(
        r"`(?:Option<)?&(?:pyo3::(?:types::)?)?(?P<n>Py[A-Z]\w*)>?` cannot be used as a Python function argument",
        "`&{n}` is written `&Bound<'_, {n}>` since pyo3 0.21",
        "0.21",
    ),
    _Idiom(
        r"`&(?:pyo3::(?:types::)?)?(?P<n>Py[A-Z]\w*)` cannot be converted to a Python object"
        r"|expected `&(?:pyo3::)?(?P<m>Py[A-Z]\w*)`, found `(?:Bound|pyo3::Bound|&Py)<",
        "`&{n}` is written `Bound<'py, {n}>` since pyo3 0.21 (borrowed: `&Bound<'py, {n}>`)",
        "0.21",
    ),
    _Idiom(
        r"unexpected argument of type `(?:pyo3::)?Python<(?s:.*)as_ref\(",
        "`.as_ref(py)` is `.bind(py)` since pyo3 0.21",
        "0.21",
    ),
    _Idiom(_NAMED + "into_ref`", "`.into_ref(py)` is `.into_bound(py)` since pyo3 0.21", "0.21"),
    _Idiom(_NAMED + "PyCell`", "`&PyCell<T>` is written `&Bound<'_, T>` since pyo3 0.21", "0.21"),
    _Idiom(
        _NAMED + "acquire_gil`", "write `Python::attach(|py| ...)`, or take `py: Python<'_>` as an argument", "0.18"
    ),
    _Idiom(_NAMED + "with_gil`", "`Python::with_gil` is `Python::attach` since pyo3 0.26", "0.27"),
    _Idiom(_NAMED + "allow_threads`", "`py.allow_threads` is `py.detach` since pyo3 0.26", "0.27"),
    _Idiom(
        r"`prepare_freethreaded_python`",
        "it is `Python::initialize()` since pyo3 0.26; a module needs no such call",
        "0.27",
    ),
    _Idiom(r"`GILOnceCell` is private|" + _NAMED + "GILOnceCell`", "use `pyo3::sync::PyOnceLock` instead", "0.27"),
    _Idiom(_NAMED + "PyObject`", "`PyObject` is written `Py<PyAny>` since pyo3 0.26", "0.27"),
    _Idiom(
        _NAMED + "(?P<n>IntoPy|ToPyObject)(?:`|<)",
        "`{n}` is replaced by `IntoPyObject` since pyo3 0.23, often `#[derive(IntoPyObject)]`",
        "0.24",
    ),
    _Idiom(
        _NAMED + "(?P<n>into_py|to_object)`",
        "`.{n}(py)` is `.into_pyobject(py)?`, or `.into_py_any(py)?` with `use pyo3::IntoPyObjectExt;`",
        "0.24",
    ),
    _Idiom(
        r"method `extract_bound` is not a member|trait takes 2 lifetime arguments(?s:.*)FromPyObject",
        "write `impl<'a, 'py> FromPyObject<'a, 'py>` with `type Error = PyErr;` and "
        "`fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self>` since pyo3 0.27",
        "0.26",
    ),
    _Idiom(_NAMED + r"(?P<n>\w+)_bound`", "`{n}_bound` is `{n}` since pyo3 0.23", "0.24"),
    _Idiom(
        _NAMED + r"(?P<n>Downcast\w*Error)`",
        "downcast errors are `CastError` and `CastIntoError` since pyo3 0.27",
        "0.28",
    ),
    _Idiom(_NAMED + r"downcast(?P<n>\w*)`", "`.downcast{n}` is `.cast{n}` since pyo3 0.27", "0.28"),
    _Idiom(_NAMED + "is_true`", "`.is_true()` is `.is_truthy()` since pyo3 0.21"),
    _Idiom(
        r"expected `&CStr`, found `&str`",
        'put a `c` before the text, as in `c"1 + 1"`: PyO3 takes C strings since 0.23',
    ),
    _Idiom(
        r"(?:`(?P<n>[\w:]+)` cannot be used as a Python function argument|trait bound `(?:for<'a> )?(?P<m>[\w:]+): "
        r"FromPyObject<)(?s:.*)FromPyObject<'\w+, '\w+>` is not implemented for `[\w:]+`\s+--> src/lib\.rs",
        "a class is taken by value only if it says so since pyo3 0.30: `#[pyclass(from_py_object)]` with "
        "`#[derive(Clone)]`; or take `&{n}` (`--pyo3 0.29` takes any `Clone` class)",
    ),
    _Idiom(
        r"cannot find `(?P<n>[A-Z]\w+)` in `exceptions`",
        '`exceptions::{n}` is `pyo3::exceptions::Py{n}`, raised with `Py{n}::new_err("...")`',
    ),
    _Idiom(r"takes 2 generic arguments(?s:.*)PyErr::new", 'write `PyValueError::new_err("...")`'),
    _Idiom(r"attribute `args`", "`#[args(...)]` is `#[pyo3(signature = (x, y=1))]` since pyo3 0.18"),
    _Idiom(r"attribute `text_signature`", 'write `#[pyo3(text_signature = "...")]`, on `#[new]` for a class'),
    _Idiom(r"attribute `pyproto`", "special methods go into `#[pymethods]` since pyo3 0.16"),
    _Idiom(r"attribute `(?:pymodinit|pyfn)`", "write `#[pyfunction]`s and leave the module out: the cell makes one"),
    _Idiom(
        r"attribute `(?:pyfunction|pyclass|pymethods|pymodule)`",
        "inside a `mod` the names of PyO3 must be brought in: `use pyo3::prelude::*;`",
    ),
    _Idiom(r"`#!\[feature\]` may not be used", "take the line away, or build with a nightly toolchain"),
    _Idiom(r"derive macro `(?P<n>Serialize|Deserialize)`", "`use serde::{n};`, with `%%rust -d serde+derive`"),
)
_CRATE = re.compile(
    r"unlinked crate `([a-z]\w*)`|cannot find module or crate `([a-z]\w*)`|can't find crate for `([a-z]\w*)`"
)
_EXPORTED = re.compile(r"in the code that exports the cell's items to Python: `(\w+)`")


def hint_for(diagnostic: Diagnostic) -> str | None:
    """Return one line on what to do about an error in the cell, None when the compiler's own words are all there is."""
    if not diagnostic.is_error:
        return None
    rendered = ansi.strip(diagnostic.rendered)
    text = "\n".join([diagnostic.message, *(span.label or "" for span in diagnostic.spans), rendered])
    if diagnostic.code in {"E0432", "E0433", "E0463"} and not _EXPORTED.search(rendered):
        if target := re.search(r"the `([^`]+)` target may not be installed", text):
            return f"install Rust's standard library for it: `rustup target add {target[1]}`"
        if (crate := _CRATE.search(text)) and "similar name" not in text:
            name = next(filter(None, crate.groups()))
            return f"add it: `%%rust -d {name}` (if `{name}` is a cell, run that one first, with `-m {name}`)"
    for idiom in _IDIOMS:
        if match := re.search(idiom.pattern, text):
            name = next(filter(None, match.groups()), "")
            return idiom.today.replace("{n}", name) + _taken_by(idiom.last)
    if diagnostic.code == "E0277" and (exported := _EXPORTED.search(rendered)):
        return f"if Python need not see `{exported[1]}`, take away its `pub` or its PyO3 attribute"
    return None


def _taken_by(last: str) -> str:
    if not last:
        return ""
    python = f", for Python up to {_NEWEST_PYTHON[last]}" if last in _NEWEST_PYTHON else ""
    return f" (`--pyo3 {last}` takes it as it stands{python})"
