"""Do what ``%%rust`` was asked for besides a module, and show it in the notebook."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pyo3magic.programs.run import perform

from .display import is_notebook, show_diagnostics, show_note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyo3magic.cell import Options
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.build_options import BuildOptions
    from pyo3magic.programs.request import Request
    from pyo3magic.session import Session

__all__ = ["perform_and_show", "show_data"]


def perform_and_show(
    shell: Any,
    session: Session,
    options: Options,
    body: str,
    request: Request,
    build: BuildOptions,
    *,
    label: str,
    close: Callable[[], None],
    quiet: bool,
) -> None:
    """Call `perform` and show the compiler's warnings, what the program writes, and what there is to say at the end.

    Args:
        shell: IPython's shell.
        session: the kernel's session.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        request: what to do.
        build: what is asked of the build.
        label: what the user calls the cell, ``In[3]``.
        close: takes away what shows the build, before anything else is shown.
        quiet: show neither warnings nor remarks.

    Raises:
        PyO3MagicError: of the kind that fits.
    """

    def built(diagnostics: Sequence[Diagnostic]) -> None:
        close()
        if not quiet:
            show_diagnostics(shell, diagnostics, label)

    answer = perform(session, options, body, request, build, label=label, built=built)
    if answer.text:
        show_data(shell, answer.text, answer.html)
    if answer.note and not quiet:
        show_note(shell, answer.note)


def show_data(shell: Any, text: str, html: str, *, mime: str = "text/html") -> None:
    """Show text, and something better where a notebook can."""
    if not is_notebook(shell):
        sys.stdout.write(text.rstrip("\n") + "\n")
        return
    from IPython.display import display

    display({"text/plain": text, mime: html}, raw=True)
