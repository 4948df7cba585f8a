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
    """The result of a program that ended by itself.

    Attributes:
        status: its exit status; for a signal, the signal's number, negative.
        seconds: how long it ran.
        note: a note about output that was not shown.
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
        output: makes the receiver of the program's output.
        built: called with the compiler's warnings before the program starts.

    Returns:
        A line that says how the program ended.

    Raises:
        ProgramFailed: the program ended with a status other than 0.
        PyO3MagicError: the program cannot be built or started, or was interrupted.
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
        context: the context, with the notebook's working directory.
        environ: its environment.
        output: receives its output.
        what: its name in messages.
        heard: also receives its output, in full.

    Raises:
        Interrupted: the notebook was interrupted; all processes of the program have ended.
        ProgramFailed: it wrote more than the limit.
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
    """Return how a program ended, as the rest of a sentence."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"was ended by {name}"
    if status == _PANICKED:
        return f"panicked (exit status {status})"
    return f"ended with exit status {status}"
