"""Run, test or inspect a cell instead of importing it, as its options request."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from pyo3magic.crate.file_names import errors_of
from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.environment.context import gather

from .program_output import Output
from .task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyo3magic.cell import Options
    from pyo3magic.crate.file_names import Names
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.session import Session

    from .request import Request

__all__ = ["Answer", "perform"]

_STEM_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Answer:
    """The result to show.

    Attributes:
        note: a note for the user.
        text: text to show, if any.
        html: the same for a notebook.
    """

    note: str = ""
    text: str = ""
    html: str = ""


def perform(
    session: Session,
    options: Options,
    body: str,
    request: Request,
    build: BuildOptions = DEFAULTS,
    *,
    label: str,
    built: Callable[[Sequence[Diagnostic]], None],
) -> Answer:
    """Carry out a request for a cell.

    Args:
        session: the session, with the store, the cells that this cell may use, and a folder for a program's output.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        request: what to do.
        build: the build options; ``python`` and ``target`` are ignored.
        label: the cell's label, ``In[3]``.
        built: called once with the compiler's warnings, before anything is run.

    Raises:
        PyO3MagicError: the request failed.
    """
    context = gather(session.store, dataclasses.replace(build, python="", target=""))
    task = Task(context, options, body, label, session.named)
    stem = "output-" + "".join(filter(str.isalnum, label))[-_STEM_LENGTH:]
    files = (session.folder / f"{stem}-{number}.txt" for number in count())

    def output(names: Names) -> Output:
        return Output(next(file for file in files if not file.exists()), names)

    with errors_of(options, label):
        return _perform(task, request, output, built)


def _perform(
    task: Task, request: Request, output: Callable[[Names], Output], built: Callable[[Sequence[Diagnostic]], None]
) -> Answer:
    if request.action == "bin":
        from .binary import run_binary

        return Answer(run_binary(task, request.arguments, output=output, built=built))
    if request.action == "test":
        from .cell_tests import run_tests

        return Answer(run_tests(task, request, output=output, built=built))
    if request.action == "emit":
        from .emit import emit, show

        emission = emit(task, request.kind, request.function)
        built(emission.diagnostics)
        return Answer(emission.note, *show(emission))
    from .timings import profile_build, show_timings

    timings = profile_build(task, anew=request.force)
    built(timings.diagnostics)
    return Answer("", *show_timings(timings))
