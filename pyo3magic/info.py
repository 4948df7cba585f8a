"""Reports what a build would use, what is missing, and how to install it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .environment.cargo_config import cargo_config_files
from .environment.interpreter import Interpreter
from .environment.target_requirements import find_linker, linker_advice
from .environment.toolchain_search import find_toolchain
from .environment.variables import build_environment
from .errors import PyO3MagicError
from .store import Store
from .store.locking import has_locks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Finding", "Report", "examine"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        name: the thing that was examined.
        value: the finding.
        advice: what to do about it; empty when all is well.
    """

    name: str
    value: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of `examine`."""

    findings: tuple[Finding, ...]

    @property
    def is_ready(self) -> bool:
        """Whether a cell can be built."""
        return not any(finding.advice for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The report for ``--json``."""
        return {"ready": self.is_ready, "findings": [asdict(finding) for finding in self.findings]}

    def to_text(self) -> str:
        """The report as a table of two columns."""
        width = max(len(finding.name) for finding in self.findings)
        lines = []
        for finding in self.findings:
            mark = "✗" if finding.advice else "✓"
            lines.append(f"{mark} {finding.name.ljust(width)}  {finding.value}")
            lines += [f"  {' ' * width}  {line}" for line in finding.advice.splitlines()]
        return "\n".join(lines)


def examine(
    store: Path,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    cells: Iterable[tuple[str, str]] = (),
) -> Report:
    """Examine everything that a build needs; problems are findings with advice, not exceptions.

    Args:
        store: the store's folder.
        directory: the working directory; the process's own by default.
        environ: the environment; the process's own by default.
        settings: the settings to show.
        cells: name of each cell that uses others, and a sentence about the versions that it uses.
    """
    environ = dict(os.environ if environ is None else environ)
    directory = directory or Path.cwd()
    findings = [
        Finding("pyo3magic", __version__),
        Finding("Python", f"{Interpreter.current().name} ({sys.executable})"),
    ]
    opened, problem = _open(store)
    findings += _toolchain(directory, environ, opened)
    findings.append(problem or _free_space(store))
    if opened is not None:
        findings += _store_notes(opened)
    if opened is not None:
        findings.append(_warmth(opened, environ))
    relevant = build_environment(environ)
    if relevant.variables:
        findings.append(Finding("variables", ", ".join(f"{name}={value}" for name, value in relevant.variables)))
    findings += [Finding("note", note) for note in relevant.notes]
    configs = cargo_config_files(directory, environ)
    if configs:
        findings.append(Finding("cargo config", ", ".join(str(path) for path in configs)))
    if settings:
        findings.append(Finding("settings", ", ".join(f"{name}={value!r}" for name, value in sorted(settings.items()))))
    findings += [Finding(name, text) for name, text in cells]
    return Report(tuple(findings))


def _open(folder: Path) -> tuple[Store | None, Finding | None]:
    try:
        return Store(folder), None
    except PyO3MagicError as error:
        return None, Finding("store", error.message, error.advice)


def _toolchain(directory: Path, environ: Mapping[str, str], store: Store | None) -> list[Finding]:
    try:
        cache = store.place("toolchains") if store is not None else None
        toolchain = find_toolchain(directory=directory, environ=environ, cache=cache)
    except PyO3MagicError as error:
        return [Finding("Rust", error.message, error.advice)]
    linker = find_linker(toolchain, toolchain.host, environ)
    return [
        Finding("cargo", f"{toolchain.cargo_version} ({toolchain.cargo})"),
        Finding("rustc", f"{'.'.join(map(str, toolchain.version))} for {toolchain.host} ({toolchain.rustc})"),
        Finding("linker", str(linker)) if linker else Finding("linker", "not found", linker_advice()),
    ]


def _store_notes(store: Store) -> list[Finding]:
    """Report what is special about the store's file system, and the layers below the user's own store."""
    notes = [Finding("layer", f"{layer.folder} (read-only)") for layer in store.layers]
    if not has_locks(store.folder):
        text = "the store's file system has no file locks; files that name their owner replace them"
        notes.append(Finding("locks", text))
    return notes


def _free_space(folder: Path) -> Finding:
    free = 0
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
    text = f"{folder} ({free / 1e9:.1f} GB free)"
    if free < 10**9:
        return Finding("store", text, "A build needs about 200 MB. Free some space, or set PYO3MAGIC_STORE.")
    return Finding("store", text)


def _warmth(store: Store, environ: Mapping[str, str]) -> Finding:
    from .compile.warm_up import is_warm

    if is_warm(store, environ):
        return Finding("pyo3", "compiled for this Python; cells build in a fraction of a second")
    return Finding("pyo3", "not compiled yet for this Python: the first cell takes some 10 to 30 s")
