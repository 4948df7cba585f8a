"""Ask cargo and rustc for their versions, and turn their failures into errors with advice."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import ToolchainError
from pyo3magic.process import ask

from .toolchain import MINIMUM_RUSTC, Toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.process import Finished

__all__ = ["examine", "is_proxy"]

_TIMEOUT = 30.0
_EXE = ".exe" if os.name == "nt" else ""
_BROKEN = "Try it in a terminal; `rustup toolchain list` shows what is installed, and https://rustup.rs installs Rust."


def examine(
    cargo: Path, rustc: Path, directory: Path, environ: Mapping[str, str], variables: tuple[tuple[str, str], ...]
) -> Toolchain:
    """Ask cargo and rustc for their versions and folders.

    Args:
        cargo: path of cargo.
        rustc: path of rustc.
        directory: the folder to start them in, which determines rustup's choice of toolchain.
        environ: the environment to start them with.
        variables: the variables in ``environ`` that select this toolchain.

    Raises:
        ToolchainError: cargo or rustc is too old, or does not work.
    """
    quiet = {"RUSTUP_AUTO_INSTALL": "0", **environ, "RUST_BACKTRACE": "0"}  # probing must not start a download
    text = _say([rustc, "-vV"], directory, quiet)
    facts = dict(re.findall(r"^([\w-]+): (.+)$", text, re.MULTILINE))
    release = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:-(\w+).*)?", facts.get("release", ""))
    host = facts.get("host", "")
    if not text.startswith("rustc ") or release is None or not re.fullmatch(r"[\w.-]{3,80}", host):
        raise _nonsense(rustc, "-vV", text)
    version = (int(release[1]), int(release[2]), int(release[3]))
    if version < MINIMUM_RUSTC:
        needed = "{}.{}".format(*MINIMUM_RUSTC)
        message = f"rustc {facts['release']} was found ({rustc}), but edition 2024 and PyO3 need {needed} or newer."
        old = "Run `rustup update stable`" if is_proxy(rustc) else "Install a newer Rust from https://rustup.rs"
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


def is_proxy(program: Path) -> bool:
    """Return whether a program is rustup under another name: a symbolic link, a hard link or (on Windows) a copy."""
    real = program.resolve()
    if real.stem.startswith("rustup"):
        return True
    rustup = program.with_name(f"rustup{_EXE}")
    return rustup.exists() and (rustup.samefile(program) or rustup.stat().st_size == program.stat().st_size)


def _say(command: list[Path | str], directory: Path, environ: Mapping[str, str]) -> str:
    shown = " ".join(map(str, command))
    try:
        answer = ask(command, environ=environ, directory=directory, timeout=_TIMEOUT)
    except TimeoutError as error:
        raise ToolchainError(f"`{shown}` did not end: {error}.", advice=_BROKEN) from None
    except OSError as error:
        raise ToolchainError(f"`{shown}` cannot be started: {error.strerror or error}.", advice=_BROKEN) from None
    if answer.status:
        raise _refusal(shown, answer)
    return answer.stdout.strip()


def _refusal(shown: str, answer: Finished) -> ToolchainError:
    """Return the error for a program that failed, with the first line of its output and advice."""
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error:")), lines[0] if lines else "")
    said = said.removeprefix("error: ")
    message = f"`{shown}` ended with code {answer.status}" + (f": {said:.300}" if said else ".")
    advice = _BROKEN
    if missing := re.search(r"toolchain '([\w.-]+)' is not installed", said):
        advice = (
            f"Run `rustup toolchain install {missing[1]}`, or choose another toolchain: RUSTUP_TOOLCHAIN, a "
            "rust-toolchain.toml or `rustup override` selects this one."
        )
    elif "no default is configured" in said or "no default toolchain" in said:
        advice = "Run `rustup default stable`, which also downloads it."
    return ToolchainError(message, advice=advice, details=answer.stderr)


def _nonsense(program: Path, option: str, printed: str) -> ToolchainError:
    message = f"{program} does not work: `{program.name} {option}` printed {printed!r:.120}."
    return ToolchainError(message, advice=_BROKEN)
