"""``%%rust --profile-build``: show where the time of a build goes.

cargo's ``--timings`` gives the time of each crate (cargo book, 'Reporting build timings'); the compiler's
``time-passes`` gives its steps for the cell (unstable book).
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.compile.build_crate import compile_error, plan_folder
from pyo3magic.compile.cargo import failure_text, json_lines, run_cargo, target_folder
from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure

from .compile_variants import compile_variant, make_subject
from .task import diagnose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.diagnostics import Diagnostic

    from .compile_variants import Subject
    from .task import Task

__all__ = ["Timings", "Unit", "profile_build", "read_passes", "read_units", "show_timings"]

_REPORT = re.compile(r"Timing report saved to (.+\.html)")
_UNITS = "const UNIT_DATA = "
_PASS = re.compile(r"^time: (\{.*\})", re.MULTILINE)
_SHOWN = 25
_STEPS: Mapping[str, tuple[str, ...]] = {
    "reading the source and expanding macros": ("parse_crate", "macro_expand_crate", "resolve_crate"),
    "checking types, borrows and lints": (
        "misc_checking_1",
        "type_check_crate",
        "MIR_borrow_checking",
        "misc_checking_3",
    ),
    "making machine code": ("codegen_crate", "finish_ongoing_codegen"),
    "linking": ("link",),
}
"""Steps of the compiler, each with the names of its passes in order."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A compiled crate or build script, or the run of a build script.

    Attributes:
        name: the crate's name, version and target.
        start: seconds since the start of the build.
        seconds: its duration.
    """

    name: str
    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timings:
    """The durations of a build's parts.

    Attributes:
        crates: everything that cargo ran, slowest first.
        steps: the compiler's steps for the cell in order, each with its seconds.
        total: the compiler's seconds for the cell.
        diagnostics: the compiler's warnings.
        is_whole: whether all dependencies were compiled again.
    """

    crates: tuple[Unit, ...]
    steps: tuple[tuple[str, float], ...]
    total: float
    diagnostics: tuple[Diagnostic, ...]
    is_whole: bool


def profile_build(task: Task, *, anew: bool) -> Timings:
    """Build a cell's module and measure the build; nothing is imported.

    Args:
        task: the cell.
        anew: compile all dependencies again, in a folder that is removed afterwards.

    Raises:
        PyO3MagicError: the cell cannot be built.
    """
    subject = make_subject(task)
    crates = _with_cargo(subject, anew=anew)
    with task.context.store.workspace() as workspace:
        done = compile_variant(
            subject,
            workspace,
            emit="dep-info,link",
            more=["-Ztime-passes", "-Ztime-passes-format=json"],
            variables={"RUSTC_BOOTSTRAP": "1"},
        )
    steps, total = read_passes(done.stderr)
    return Timings(crates, steps, total, done.diagnostics, anew)


def read_units(page: str) -> tuple[Unit, ...]:
    """Read the units in cargo's HTML report, slowest first."""
    at = page.find(_UNITS)
    if at < 0:
        return ()
    units: list[dict[str, Any]] = json.JSONDecoder().raw_decode(page, at + len(_UNITS))[0]
    found = [
        Unit(_name(unit), float(unit["start"]), float(unit["duration"]))
        for unit in units
        if unit["duration"] > 0  # cargo also lists units that were up to date
    ]
    return tuple(sorted(found, key=lambda item: -item.seconds))


def _name(unit: Mapping[str, Any]) -> str:
    return f"{unit['name']} {unit['version']}{unit.get('target') or ''}"


def read_passes(text: str) -> tuple[tuple[tuple[str, float], ...], float]:
    """Read the compiler's steps and total time from its output with ``-Ztime-passes-format=json``."""
    passes: dict[str, float] = {}
    for match in _PASS.finditer(text):
        with contextlib.suppress(ValueError, KeyError):
            item = json.loads(match[1])
            passes[item["pass"]] = passes.get(item["pass"], 0.0) + float(item["time"])
    steps = [(step, sum(passes.get(name, 0.0) for name in names)) for step, names in _STEPS.items()]
    total = passes.get("total", sum(seconds for _, seconds in steps))
    rest = total - sum(seconds for _, seconds in steps)
    return (*steps, ("everything else", max(rest, 0.0))), total


def show_timings(timings: Timings) -> tuple[str, str]:
    """Return the times as text and as HTML."""
    heads = [f"The cell: {timings.total:.2f} s in the compiler"]
    rows = [[(name, seconds) for name, seconds in timings.steps]]
    compiled = [(item.name, item.seconds) for item in timings.crates]
    span = max((item.start + item.seconds for item in timings.crates), default=0.0)
    rest = len(compiled) - _SHOWN
    what = "everything compiled again" if timings.is_whole else "everything not compiled before"
    heads.append(f"cargo, {what}: {_counted(len(compiled))} in {span:.2f} s, several at a time")
    rows.append(compiled[:_SHOWN] + ([(f"{rest} more", sum(s for _, s in compiled[_SHOWN:]))] if rest > 0 else []))
    text, parts = [], []
    for head, row in zip(heads, rows, strict=True):
        width = max((len(name) for name, _ in row), default=0)
        longest = max((seconds for _, seconds in row), default=0.0) or 1.0
        text += [head, *(f"  {name.ljust(width)} {seconds:7.3f} s" for name, seconds in row)]
        cells = "".join(
            f'<tr><td style="text-align: left">{html.escape(name)}</td><td>{seconds:.3f} s</td>'
            f'<td style="text-align: left"><progress value="{seconds:.4f}" max="{longest:.4f}"></progress></td></tr>'
            for name, seconds in row
        )
        parts.append(f"<div><b>{html.escape(head)}</b><table>{cells}</table></div>")
    if not timings.is_whole:
        text.append("With --profile-build --force, all dependencies are compiled again and measured.")
        parts.append(f"<small>{html.escape(text[-1])}</small>")
    return "\n".join(text), "".join(parts)


def _counted(number: int) -> str:
    return "one crate or build script" if number == 1 else f"{number} crates and build scripts"


def _with_cargo(subject: Subject, *, anew: bool) -> tuple[Unit, ...]:
    context, crate = subject.context, subject.crate
    folder = plan_folder(context, crate, subject.profile) / "crate"
    with contextlib.ExitStack() as stack:
        announce = stack.enter_context(target_folder(context))
        target = stack.enter_context(context.store.workspace()) if anew else context.target_folder
        crate.write(folder)
        arguments: list[str | Path] = ["build", "--lib", "--locked", "--timings", "--target-dir", target]
        arguments += ["--manifest-path", folder / "Cargo.toml", "--message-format", "json-diagnostic-rendered-ansi"]
        arguments += [*subject.profile.arguments(context), *(["--offline"] if context.offline else [])]
        environ = subject.profile.environment(context.environ)
        finished = run_cargo(context, arguments, environ=environ, announce=announce)
        if finished.status != 0:
            messages = list(json_lines(finished.stdout))
            said = (item["message"] for item in messages if item.get("reason") == "compiler-message")
            diagnostics = diagnose(said, crate, subject.names)
            if any(item.is_error and item.spans for item in diagnostics):
                raise compile_error(diagnostics)
            raise explain_cargo_failure(failure_text(finished, messages))
        report = _REPORT.search(finished.stderr)
        return read_units(Path(report[1]).read_text(encoding="utf-8")) if report else ()
