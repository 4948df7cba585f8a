"""``%%rust --bin``: build a cell with ``fn main`` and run it."""

from __future__ import annotations

import dataclasses
import signal
import time
from typing import TYPE_CHECKING

from pyo3magic.errors import Interrupted, ProgramFailed, ToolchainError
from pyo3magic.process import stream

from .build_program import compile_program, make_package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pyo3magic.crate.file_names import Names
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.context import Context

    from .program_output import Shows
    from .task import Task

__all__ = ["Run", "describe_status", "run_binary", "run_program"]

_PANICKED = 101
"""The exit status of a Rust program whose main thread panicked, and of a test program whose tests failed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """A program that ended by itself.

    Attributes:
        status: its exit status; negative for the number of the signal that ended it.
        seconds: how long it ran.
        note: a remark on what was not shown of its output.
    """

    status: int
    seconds: float
    note: str


def run_binary(
    task: Task,
    arguments: Sequence[str],
    *,
    output: Callable[[Names], Shows],
    built: Callable[[Sequence[Diagnostic]], None],
) -> str:
    """Build a cell's program and run it in the notebook's working directory.

    Args:
        task: the cell.
        arguments: the program's arguments.
        output: makes what takes its output.
        built: is told the compiler's warnings, before the program starts.

    Returns:
        A line on how it ended.

    Raises:
        PyO3MagicError: of the kind that fits; ProgramFailed when it ended with another status than 0.
    """
    context = task.context
    package = make_package(task, tests=False)
    with context.store.workspace() as workspace:
        program = compile_program(package, workspace, tests=False)
        built(program.diagnostics)
        environ = {**context.environ, **package.variables}
        run = run_program([program.file, *arguments], context, environ, output(package.names), what="The program")
    if run.status != 0:
        raise ProgramFailed(f"The program {describe_status(run.status)} after {run.seconds:.2f} s.", advice=run.note)
    line = f"exit status 0; built in {program.seconds:.2f} s, ran for {run.seconds:.2f} s"
    return "\n".join(filter(None, (run.note, line)))


def run_program(
    command: Sequence[str | Path],
    context: Context,
    environ: Mapping[str, str],
    output: Shows,
    *,
    what: str,
    heard: Callable[[int, bytes], None] = lambda *_: None,
) -> Run:
    """Run a program with its standard input closed until it ends.

    Args:
        command: the program and its arguments.
        context: its working directory is the notebook's.
        environ: its environment.
        output: takes what it writes.
        what: what it is called in messages.
        heard: is given what it writes, too, before anything is left out.

    Raises:
        Interrupted: the notebook was interrupted; nothing the program started is left.
        ProgramFailed: it wrote more than can be kept.
        ToolchainError: it cannot be started.
    """
    started = time.perf_counter()
    note = ""

    def take(index: int, data: bytes) -> None:
        heard(index, data)
        output.take(index, data)

    try:
        try:
            status = stream(
                command,
                cwd=context.directory,
                environ=environ,
                on_output=take,
                on_idle=output.idle,
                guarded=True,
            )
        finally:
            note = output.finish()
    except KeyboardInterrupt:
        seconds = time.perf_counter() - started
        raise Interrupted(f"{what} was interrupted after {seconds:.1f} s and ended.", advice=note) from None
    except OSError as error:
        raise ToolchainError(f"{what} cannot be started: {error.strerror or error}.") from error
    return Run(status, time.perf_counter() - started, note)


def describe_status(status: int) -> str:
    """How a program ended, as the rest of a sentence."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"was ended by {name}"
    if status == _PANICKED:
        return f"panicked (exit status {status})"
    return f"ended with exit status {status}"
