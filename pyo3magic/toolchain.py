"""Find cargo and rustc, or say how to get them.

rustup's proxies take 13 ms to start, so the real compiler behind them is looked up once and kept, together with
everything that could change the answer.
"""
# A hit of the cache must cost next to nothing, and os.path is several times faster than pathlib.
# ruff: noqa: PTH113, PTH118, PTH120, PTH123

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.cargo_config import cargo_home, home
from pyo3magic.errors import ToolchainError
from pyo3magic.process import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "MINIMUM_RUSTC",
    "Toolchain",
    "cached_toolchain",
    "find_linker",
    "find_toolchain",
    "install_advice",
    "install_toolchain",
    "is_proxy",
    "linker_advice",
    "target_libdir_exists",
]

MINIMUM_RUSTC = (1, 85, 0)
"""The first with edition 2024, and the oldest that pyo3 0.30 supports."""

_TIMEOUT = 30.0
_EXE = ".exe" if os.name == "nt" else ""
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A cargo and the rustc it starts.

    Attributes:
        cargo: cargo as found, perhaps rustup's proxy.
        rustc: the real compiler, never rustup's proxy.
        sysroot: where the compiler's own libraries are.
        host: the triple of this machine.
        version: rustc's version.
        version_text: what ``rustc -vV`` prints.
        commit_hash: the commit rustc was made from, or "unknown".
        cargo_version: what ``cargo -V`` prints.
        channel: stable, beta, nightly or dev.
        variables: what cargo and rustc need in their environment to be this toolchain.
    """

    cargo: Path
    rustc: Path
    sysroot: Path
    host: str
    version: tuple[int, int, int]
    version_text: str
    commit_hash: str
    cargo_version: str
    channel: str
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the compiler's output (hexadecimal)."""
        return _digest(self.version_text, self.cargo_version, os.fspath(self.sysroot))


@functools.lru_cache(maxsize=8)
def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def find_toolchain(*, directory: Path, environ: Mapping[str, str], cache: Path | None = None) -> Toolchain:
    """Find the toolchain that a cargo started in ``directory`` uses.

    A second call, also from another process, starts nothing: the answer is kept under ``cache``, under a key of
    everything that could change it, and checked against the files it names.

    Args:
        directory: where rustup looks for a ``rust-toolchain.toml`` or an override, upwards.
        environ: CARGO, RUSTC, PATH, CARGO_HOME, CONDA_PREFIX and rustup's variables are read from it.
        cache: a private folder, made if need be; nothing is kept without it.

    Raises:
        ToolchainError: cargo or rustc is missing, too old, or does not work; the advice says what to do.
    """
    directory = directory.absolute()
    cargo, variables = _find_cargo(environ)
    environ = {**environ, **dict(variables)}
    rustc = _find_rustc(cargo, environ)
    entry = cache / f"{_key(cargo, rustc, directory, environ)}.json" if cache is not None else None
    toolchain = _read_entry(entry) if entry else None
    if toolchain is None:
        toolchain = _examine(cargo, rustc, directory, environ, variables)
        if entry:
            _write_entry(entry, toolchain)
    return toolchain


def cached_toolchain(*, directory: Path, environ: Mapping[str, str], cache: Path) -> Toolchain | None:
    """Return what `find_toolchain` would, if it needs to start no process for it; None otherwise."""
    directory = directory.absolute()
    try:
        cargo, variables = _find_cargo(environ)
        environ = {**environ, **dict(variables)}
        return _read_entry(cache / f"{_key(cargo, _find_rustc(cargo, environ), directory, environ)}.json")
    except ToolchainError:
        return None


def _find_cargo(environ: Mapping[str, str]) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """Return the first cargo there is, and the variables it needs."""
    path = environ.get("PATH", "")
    if named := environ.get("CARGO"):
        if found := shutil.which(named, path=path):
            return Path(found), ()
        message = f"The variable CARGO names {named}, which is not an executable."
        raise ToolchainError(message, advice="Correct the variable, or remove it to use the cargo on PATH.")
    if found := shutil.which("cargo", path=path):
        return Path(found), ()
    folders = [cargo_home(environ) / "bin", home(environ) / ".cargo" / "bin"]
    for prefix in filter(None, (environ.get("CONDA_PREFIX"), sys.prefix)):
        folders += [Path(prefix, "bin"), Path(prefix, "Library", "bin")]
    for folder in folders:
        if found := shutil.which("cargo", path=os.fspath(folder)):
            return Path(found), ()
    installed = _install_folder()
    if found := shutil.which("cargo", path=os.fspath(installed / "cargo" / "bin")):
        return Path(found), _install_variables(installed)
    message = "cargo, which builds Rust cells, was not found: not on PATH, in CARGO_HOME, in ~/.cargo or in conda."
    raise ToolchainError(message, advice=install_advice(environ))


def _find_rustc(cargo: Path, environ: Mapping[str, str]) -> Path:
    """Return RUSTC, or the rustc beside cargo or on PATH; it may be rustup's proxy."""
    path = environ.get("PATH", "")
    named = environ.get("RUSTC")
    found = shutil.which(named, path=path) if named else None
    if named and not found:
        message = f"The variable RUSTC names {named}, which is not an executable."
        raise ToolchainError(message, advice="Correct the variable, or remove it to use cargo's own rustc.")
    found = found or shutil.which("rustc", path=os.fspath(cargo.parent)) or shutil.which("rustc", path=path)
    if not found:
        message = f"cargo was found ({cargo}), but no rustc, neither beside it nor on PATH."
        raise ToolchainError(message, advice=install_advice(environ))
    return Path(found).absolute()


def is_proxy(program: Path) -> bool:
    """Whether a program is rustup under another name: a symbolic link, a hard link or (on Windows) a copy."""
    real = program.resolve()
    if real.stem.startswith("rustup"):
        return True
    rustup = program.with_name(f"rustup{_EXE}")
    return rustup.exists() and (rustup.samefile(program) or rustup.stat().st_size == program.stat().st_size)


def _examine(
    cargo: Path, rustc: Path, directory: Path, environ: Mapping[str, str], variables: tuple[tuple[str, str], ...]
) -> Toolchain:
    quiet = {"RUSTUP_AUTO_INSTALL": "0", **environ, "RUST_BACKTRACE": "0"}  # looking must not start a download
    text = _say([rustc, "-vV"], directory, quiet)
    facts = dict(re.findall(r"^([\w-]+): (.+)$", text, re.MULTILINE))
    release = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:-(\w+).*)?", facts.get("release", ""))
    host = facts.get("host", "")
    if not text.startswith("rustc ") or release is None or not re.fullmatch(r"[\w.-]{3,80}", host):
        raise _nonsense(rustc, "-vV", text)
    version = (int(release[1]), int(release[2]), int(release[3]))
    if version < MINIMUM_RUSTC:
        message = f"rustc {facts['release']} was found ({rustc}), but edition 2024 and PyO3 0.30 need 1.85 or newer."
        old = "Run `rustup update stable`" if is_proxy(rustc) else "Install a newer one from https://rustup.rs"
        chosen = "; a rust-toolchain.toml, an override or RUSTUP_TOOLCHAIN may have chosen the old one."
        raise ToolchainError(message, advice=old + (chosen if is_proxy(rustc) else "."))
    printed = _say([rustc, "--print", "sysroot"], directory, quiet)
    sysroot = Path(printed)
    if not (sysroot / "lib").is_dir():
        raise _nonsense(rustc, "--print sysroot", printed)
    cargo_version = _say([cargo, "-V"], directory, quiet)
    if not cargo_version.startswith("cargo "):
        raise _nonsense(cargo, "-V", cargo_version)
    behind = sysroot / "bin" / f"rustc{_EXE}"
    return Toolchain(
        cargo=cargo.absolute(),
        rustc=behind if is_proxy(rustc) and behind.exists() else rustc,
        sysroot=sysroot,
        host=host,
        version=version,
        version_text=text,
        commit_hash=facts.get("commit-hash", "unknown"),
        cargo_version=cargo_version,
        channel=release[4] or "stable",
        variables=variables,
    )


def _say(command: list[Path | str], directory: Path, environ: Mapping[str, str]) -> str:
    shown = " ".join(map(str, command))
    try:
        answer = ask(command, environ=environ, directory=directory, timeout=_TIMEOUT)
    except TimeoutError as error:
        raise ToolchainError(f"`{shown}` did not end: {error}.", advice=_BROKEN) from None
    except OSError as error:
        raise ToolchainError(f"`{shown}` cannot be started: {error.strerror or error}.", advice=_BROKEN) from None
    if answer.returncode:
        raise _refusal(shown, answer)
    return answer.stdout.strip()


_BROKEN = "Try it in a terminal; `rustup toolchain list` shows what is installed, and https://rustup.rs installs Rust."


def _refusal(shown: str, answer: Answer) -> ToolchainError:
    """What rustup or rustc said when it did not do as asked, in one line, and what to do about it."""
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error:")), lines[0] if lines else "")
    said = said.removeprefix("error: ")
    message = f"`{shown}` ended with code {answer.returncode}" + (f": {said:.300}" if said else ".")
    advice = _BROKEN
    if missing := re.search(r"toolchain '([\w.-]+)' is not installed", said):
        advice = (
            f"Run `rustup toolchain install {missing[1]}`, or choose another: RUSTUP_TOOLCHAIN, a rust-toolchain.toml "
            "or `rustup override` asked for this one."
        )
    elif "no default is configured" in said or "no default toolchain" in said:
        advice = "Run `rustup default stable`, which also downloads it."
    return ToolchainError(message, advice=advice, details=answer.stderr)


def _nonsense(program: Path, option: str, printed: str) -> ToolchainError:
    message = f"{program} does not work: `{program.name} {option}` printed {printed!r:.120}."
    return ToolchainError(message, advice=_BROKEN)


def _key(cargo: Path, rustc: Path, directory: Path, environ: Mapping[str, str]) -> str:
    """Return a digest of everything that decides which toolchain rustup's proxies start."""
    rustup_home = os.path.join(directory, environ.get("RUSTUP_HOME") or home(environ) / ".rustup")
    settings = _text(f"{rustup_home}/settings.toml")
    parts: list[object] = [_SCHEMA, os.fspath(cargo), _stamp(cargo), os.fspath(rustc), _stamp(rustc), settings]
    parts += sorted(
        pair for pair in environ.items() if pair[0].startswith("RUSTUP_") or pair[0] in {"RUSTC", "CARGO", "CARGO_HOME"}
    )
    parts += [rustup_home, _stamp(f"{rustup_home}/toolchains"), _text("/etc/rustup/settings.toml")]
    if (settings or "").partition("[overrides]")[2].strip():
        parts.append(os.fspath(directory))
    parts += _toolchain_files(directory)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _toolchain_files(directory: Path) -> Iterator[tuple[str, str | None]]:
    folder, last = os.fspath(directory), ""
    while folder != last:
        for name in ("rust-toolchain", "rust-toolchain.toml"):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                yield path, _text(path)
        folder, last = os.path.dirname(folder), folder


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def _stamp(path: str | Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _witnesses(toolchain: Toolchain) -> dict[str, object]:
    """Return the state of the files that change when this toolchain is updated or removed."""
    manifest = "lib/rustlib/multirust-channel-manifest.toml"
    sysroot = os.fspath(toolchain.sysroot)
    files = (os.fspath(toolchain.rustc), f"{sysroot}/bin/cargo{_EXE}", f"{sysroot}/{manifest}")
    stamps = {path: _stamp(path) for path in files}
    return {path: stamp and list(stamp) for path, stamp in stamps.items()}


_read: dict[Path, tuple[object, object, Toolchain]] = {}


def _read_entry(entry: Path) -> Toolchain | None:
    """Return a kept answer that still holds; anything odd about it means there is none."""
    stamp = _stamp(entry)
    before = _read.get(entry)
    if before is not None and before[0] == stamp and before[1] == _witnesses(before[2]):
        return before[2]
    try:
        with open(entry, encoding="utf-8") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            kept = json.load(file)
        fields: dict[str, Any] = kept["toolchain"]
        toolchain = Toolchain(
            **{
                **fields,
                **{name: Path(fields[name]) for name in ("cargo", "rustc", "sysroot")},
                "version": (int(fields["version"][0]), int(fields["version"][1]), int(fields["version"][2])),
                "variables": tuple((str(name), str(value)) for name, value in fields["variables"]),
            }
        )
        texts = (
            toolchain.host,
            toolchain.version_text,
            toolchain.commit_hash,
            toolchain.cargo_version,
            toolchain.channel,
        )
        witnesses = _witnesses(toolchain)
        sound = all(isinstance(text, str) for text in texts) and witnesses[os.fspath(toolchain.rustc)] is not None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    if not sound or kept.get("witnesses") != witnesses:
        return None
    _read[entry] = (stamp, witnesses, toolchain)
    return toolchain


def _write_entry(entry: Path, toolchain: Toolchain) -> None:
    content = json.dumps({"toolchain": asdict(toolchain), "witnesses": _witnesses(toolchain)}, default=os.fspath)
    part = entry.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):  # only costs time, next time
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            part.replace(entry)
        finally:
            part.unlink(missing_ok=True)


def target_libdir_exists(toolchain: Toolchain, target: str) -> bool:
    """Whether the standard library of ``target`` is installed (``rustup target add`` installs it); starts nothing."""
    folder = toolchain.sysroot / "lib" / "rustlib" / target / "lib"
    return folder.is_dir() and any(folder.glob("libcore-*"))


def find_linker(toolchain: Toolchain, target: str, environ: Mapping[str, str]) -> Path | None:
    """Return the linker rustc would start for ``target``, as far as PATH and CARGO_TARGET_..._LINKER tell."""
    path = environ.get("PATH", "")
    configured = environ.get(f"CARGO_TARGET_{target.upper().replace('-', '_').replace('.', '_')}_LINKER")
    if configured:
        found = shutil.which(configured, path=path)
        return Path(found) if found else None
    names = ["cc", "clang", "gcc"]
    machine, _, system = target.replace("-unknown-", "-").replace("-pc-", "-").partition("-")
    if target.endswith("-windows-msvc"):
        names = ["link.exe", "lld-link"]
    elif "windows-gnu" in target:
        names = [f"{machine}-w64-mingw32-gcc", *(["gcc"] if target == toolchain.host else [])]
    elif target != toolchain.host:
        names = [f"{'arm' if machine.startswith('armv') else machine}-{system}-gcc"]
    return next((Path(found) for name in names if (found := shutil.which(name, path=path))), None)


def linker_advice(platform: str = sys.platform) -> str:
    """Return how to get a linker on a platform (``sys.platform``)."""
    if platform == "darwin":
        return "Run `xcode-select --install` for Apple's command line tools."
    if platform == "win32":
        return "Install 'Desktop development with C++' of the Visual Studio Build Tools."
    return (
        "Install gcc: `sudo apt install gcc libc6-dev`, `sudo dnf install gcc`, or `conda install -c conda-forge gcc`."
    )


def install_advice(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the ways to install Rust that apply here, one a line."""
    path = environ.get("PATH", "")
    lines = [
        "Install Rust 1.85 or newer in one of these ways:",
        "  %pyo3_info --install (in this notebook, for you only)",
    ]
    if platform == "win32":
        lines.append("  winget install Rustlang.Rustup, or rustup-init.exe from https://rustup.rs")
    else:
        lines.append("  rustup: the one-line command at https://rustup.rs")
    if environ.get("CONDA_PREFIX") or shutil.which("conda", path=path):
        lines.append("  conda install -c conda-forge rust")
    managers = {"brew": "brew install rust", "dnf": "sudo dnf install rust cargo", "apt-get": "sudo apt install rustup"}
    lines += [f"  {command}" for program, command in managers.items() if shutil.which(program, path=path)]
    return "\n".join(lines)


def _install_folder() -> Path:
    import platformdirs  # only when nothing else was found

    return Path(platformdirs.user_cache_dir("puccinialin"))


def _install_variables(folder: Path) -> tuple[tuple[str, str], ...]:
    return (("CARGO_HOME", str(folder / "cargo")), ("RUSTUP_HOME", str(folder / "rustup")))


def install_toolchain(location: Path | None = None) -> tuple[tuple[str, str], ...]:
    """Download rustup and a minimal Rust into ``location``, by default where ``find_toolchain`` looks for it.

    Returns:
        The variables that make this toolchain the one in use.

    Raises:
        ToolchainError: there is no network, no Rust for this machine, or no room.
    """
    import tempfile  # on request only, as is the next
    from subprocess import SubprocessError

    from puccinialin import setup_rust

    folder = location.absolute() if location is not None else _install_folder()
    # A real file, written line by line: the installer hands it to processes, and a notebook's stderr may not be one.
    with tempfile.TemporaryFile("w+", buffering=1, encoding="utf-8", errors="replace") as log:
        try:
            setup_rust(folder, file=log)
        except (Exception, SystemExit) as error:  # its HTTP client's errors have no base in common
            log.seek(0)
            lines = log.read().strip().splitlines()
            said = lines[-1] if lines and isinstance(error, (SystemExit, SubprocessError)) else f"{error}"
            message = f"Rust could not be installed into {folder}: {said or type(error).__name__}"
            advice = "Check the network and the disk, or install Rust by hand.\n" + install_advice(os.environ)
            raise ToolchainError(message, advice=advice, details="\n".join(lines)) from error
    return _install_variables(folder)
