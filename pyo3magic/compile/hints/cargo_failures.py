"""Turn the output of a failed cargo run into an error with advice."""

from __future__ import annotations

import re
import signal
from pathlib import PurePath
from typing import TYPE_CHECKING

from pyo3magic.diagnostics import ansi
from pyo3magic.errors import BuildError, DependencyError

from .cargo_rules import DETAILS, MISSING_TOOLS, RULES, SHORTAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyo3magic.errors import PyO3MagicError

    from .cargo_rules import Rule

__all__ = ["explain_cargo_failure", "explain_shortage"]

_DEFAULT_FROM = 25
"""The oldest pyo3 0.x that a cell accepts by default (`crate.pyo3_requirement.PYO3_RANGE`)."""


def explain_cargo_failure(stderr: str) -> PyO3MagicError:
    """Return the error for a cargo run that failed outside the cell's code.

    Args:
        stderr: the output of cargo and its child processes; kept as the error's ``details``.
    """
    text = ansi.strip(stderr)
    if error := _by_rule(RULES, text, stderr):
        return error
    for explain in (_links_conflict, _link_failure, _build_script, _dependency):
        if error := explain(text, stderr):
            return error
    first = re.search(r"^error(?:\[E\d+\])?: (.+)$", text, re.MULTILINE)
    return BuildError(f"cargo failed: {first[1] if first else 'it did not say why'}.", advice=DETAILS, details=stderr)


def explain_shortage(status: int, stderr: str) -> PyO3MagicError | None:
    """Return the error for a compiler that failed because the machine lacks something; None for other failures.

    Args:
        status: the exit status; negative for the number of the signal that ended the compiler.
        stderr: the compiler's output; kept as the error's ``details``.
    """
    ended = f"\n(signal: {-status}, {signal.Signals(-status).name})" if status < 0 else ""
    return _by_rule(SHORTAGES, ansi.strip(stderr) + ended, stderr)


def _by_rule(rules: Sequence[Rule], text: str, details: str) -> PyO3MagicError | None:
    for rule in rules:
        if match := re.search(rule.pattern, text):
            groups = {name: (value or "").strip() for name, value in match.groupdict().items()} | {
                "what": _failed(text)
            }
            advice, _, otherwise = rule.advice.partition("|")
            advice = otherwise if otherwise and not groups["near"] else advice
            message = rule.message.format(**groups).replace(" .", ".").replace(": .", ".")
            return rule.kind(message, advice=advice.format(**groups), details=details)
    return None


def _failed(text: str) -> str:
    """Return the program that failed: cargo names it before the signal that ended it."""
    match = re.search(r"process didn't exit successfully: `(?:\S+=\S+ )*([^` ]+)", text)
    name = PurePath(match[1]).name if match else ""
    if name.startswith("build-script"):
        return "A build script"
    if re.search(r"linking with `[^`]+` failed|collect2", text):
        return "The linker"
    return name if name in {"rustc", "rustdoc", "clippy-driver"} else "The compiler"


def _links_conflict(text: str, stderr: str) -> PyO3MagicError | None:
    """Explain two PyO3s in one graph; pyo3-ffi's ``links`` key allows only one (cargo reference, "Resolver")."""
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
        advice = f"`--pyo3 0.{older}`, without another pyo3 in the front matter, selects a PyO3 that suits {crates}."
    elif "the cell" in wants:
        advice = (
            f"Remove the cell's own requirement (`--pyo3`, or `pyo3` in the front matter): cargo then selects a "
            f"PyO3 that suits {crates}. Or request a version of {crates} made for pyo3 {wants['the cell']}: "
            "`-d NAME@VERSION`."
        )
    else:
        advice = f"Request versions of {crates} made for the same pyo3: `-d NAME@VERSION`."
    return DependencyError(
        f"A module can contain only one PyO3: {told or 'two are required'}.", advice=advice, details=stderr
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
        advice = f"Install its development package, which has lib{first}.so, or set RUSTFLAGS='-L FOLDER'."
        return BuildError(message, advice=advice, details=stderr)
    symbols = dict.fromkeys(re.findall(r"undefined (?:symbol: |reference to [`'])([^\s`']+)", text))
    said = f"nothing defines {', '.join(list(symbols)[:5])}" if symbols else "the linker's output is in `details`"
    advice = (
        "Name the library that defines it: `#[link(name = ...)]`, or a crate that links it." if symbols else DETAILS
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
    advice = next((advice for pattern, advice in MISSING_TOOLS if re.search(pattern, match[3])), DETAILS)
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
