"""The magics that look at one cell: ``%rust_fmt``, ``%rust_clippy``, ``%rust_errors``, ``%rust_fix`` and others."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from pyo3magic.errors import CellError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyo3magic.crate.existing_rust import Brought
    from pyo3magic.programs.task import Task
    from pyo3magic.session import Session
    from pyo3magic.settings import PyO3Magic

__all__ = ["ToolMagics"]

_RUST = re.compile(r"\s*%%rust(?:[ \t]+(?P<line>[^\n]*))?\n(?P<body>.*)", re.DOTALL)
_FILE = re.compile(r"^[ \t]*%%?rust[ \t]+(?P<line>[^\n]*--file[ \t=][^\n]*)", re.MULTILINE)
_NUMBER = re.compile(r"(?:In\s*\[)?(\d+)\]?")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a magic is about.

    Attributes:
        line: what stands after ``%%rust`` on its first line.
        body: the text below that line; None where it names a file.
        label: what the user calls the cell.
        after: what stands after ``--`` on the magic's own line.
    """

    line: str
    body: str | None
    label: str
    after: tuple[str, ...] = ()


@magics_class
class ToolMagics(Magics):
    """The magics that look at one cell: the one they stand above, or else the last ``%%rust`` cell.

    Args:
        shell: IPython's shell.
        session: gives the kernel's session.
        settings: the settings.
    """

    def __init__(self, shell: Any, session: Callable[[], Session], settings: PyO3Magic) -> None:
        super().__init__(shell)
        self.shell: Any = shell
        self._session = session
        self._settings = settings

    @no_var_expand
    @line_cell_magic("rust_expand")  # type: ignore[arg-type]
    def expand(self, line: str, cell: str | None = None) -> None:
        """Show what the macros made of a cell: write it above the %%rust line, or give its number."""
        from pyo3magic.programs.tools import expand

        from .show_program import show_data

        chosen = self._choose(line, cell)
        label, text = self._do(chosen, lambda task: (task.label, expand(task)))
        folded = (
            f"<details open><summary>{html.escape(label)}, expanded: {text.count(chr(10))} lines</summary>"
            f'<pre style="white-space: pre; overflow: auto; max-height: 40em">{html.escape(text)}</pre></details>'
        )
        show_data(self.shell, text, folded)

    @no_var_expand
    @line_cell_magic("rust_fmt")  # type: ignore[arg-type]
    def fmt(self, line: str, cell: str | None = None) -> None:
        """Format a cell in place: write it above the %%rust line; it goes away with that."""
        from pyo3magic.programs.tools import format_cell

        chosen = self._choose(line, cell)
        if chosen.body is None:
            raise OptionError(
                "%rust_fmt formats cells, not files.", advice="In a terminal, or after a `!`: rustfmt PATH."
            )
        text = self._do(chosen, format_cell)
        self.shell.set_next_input(f"%%rust {chosen.line}".rstrip() + "\n" + text.strip("\n"), replace=True)

    @no_var_expand
    @line_cell_magic("rust_clippy")  # type: ignore[arg-type]
    def clippy(self, line: str, cell: str | None = None) -> None:
        """Lint a cell: write it above the %%rust line; lint levels after -- as in `-- -W clippy::pedantic`."""
        from pyo3magic.programs.tools import lint

        from .display import show_diagnostics, show_note

        chosen = self._choose(line, cell)
        label, found = self._do(chosen, lambda task: (task.label, lint(task, chosen.after)))
        show_diagnostics(self.shell, found, label)
        if not found:
            show_note(self.shell, "clippy has nothing to say.")

    @line_magic("rust_explain")  # type: ignore[arg-type]
    def explain(self, line: str) -> None:
        """Show the compiler's explanation of an error: `%rust_explain E0382`."""
        from pyo3magic.programs.tools import explain

        from .show_program import show_data

        text = self._do(_Chosen("", "", ""), lambda task: explain(task.context, line))
        show_data(self.shell, text, text, mime="text/markdown")

    @line_magic("rust_errors")  # type: ignore[arg-type]
    def errors(self, line: str) -> None:  # noqa: ARG002 - IPython passes it
        """Show all compiler messages of the last cell that had any; under the cell itself, many are folded."""
        from .display import show_latest_diagnostics

        show_latest_diagnostics(self.shell)

    @line_magic("rust_fix")  # type: ignore[arg-type]
    def fix(self, line: str) -> None:  # noqa: ARG002 - IPython passes it
        """Put the last cell that had compiler messages into the next input, with the compiler's suggestions applied."""
        from pyo3magic.diagnostics import applied

        from .display import latest_diagnostics, show_note

        items, label = latest_diagnostics(self.shell) or ((), "")
        suggestions = [suggestion for item in items for suggestion in item.suggestions]
        if not suggestions:
            where = f"In {label}, the" if label else "The"
            show_note(
                self.shell, f"{where} compiler has no suggestion that can be applied without a decision of yours."
            )
            return
        history = self.shell.history_manager.input_hist_raw
        number = _NUMBER.fullmatch(label)
        if number is None or int(number[1]) >= len(history):
            raise CellError(f"{label} is not a cell.", advice="Change the file by hand; %rust_errors shows what to do.")
        text, done = applied(history[int(number[1])].lstrip("\n"), suggestions)
        if not done:
            raise CellError(
                f"The suggestions of the compiler do not fit the text of {label}.",
                advice="Run that cell again, then %rust_fix.",
            )
        self.shell.set_next_input(text.strip("\n"), replace=True)
        left = f"; {len(suggestions) - len(done)} more after the next run" if len(done) < len(suggestions) else ""
        show_note(self.shell, f"{label} with: {'; '.join(item.message for item in done)}{left}. Run it.")

    def _do(self, chosen: _Chosen, action: Callable[[Task], Any]) -> Any:
        """Do something with a cell, with progress and with errors that are shown like the cell's own."""
        from pyo3magic.crate.file_names import errors_of
        from pyo3magic.environment.context import gather
        from pyo3magic.programs.task import Task

        from .display import Progress
        from .error_display import errors_shown, errors_without_traceback

        with errors_without_traceback():
            brought = _brought(chosen)
        label = brought.label
        progress = Progress(self.shell, delay=self._settings.progress_delay)
        with errors_shown(self.shell, label, interrupted="It was interrupted; nothing has changed."), progress:
            context = gather(self._session().store, self._settings.build_options(report=progress.report))
            with errors_of(brought.options, label):
                return action(Task(context, brought.options, brought.body, label, self._session().named))

    def _choose(self, line: str, cell: str | None) -> _Chosen:
        """The cell below the magic, with or without a ``%%rust`` line of its own, or one that was run before."""
        from .magic_line import split_line

        line, after = split_line(line)
        label = f"In[{max(self.shell.displayhook.prompt_count, 1)}]"
        if cell is not None:
            # One line further down than without the magic above it.
            return _rust(cell, label, after, above="\n") or _Chosen(line, cell, label, after)
        if "--file" in line.replace("=", " ").split():
            return _Chosen(line, None, label, after)
        history = self.shell.history_manager.input_hist_raw
        wanted = _NUMBER.fullmatch(line.strip())
        if line.strip() and (wanted is None or int(wanted[1]) >= len(history)):
            raise OptionError(
                f"{line.strip()!r} is not the number of a cell of this session.",
                advice="Write for example 3 for the cell In[3], nothing for the last %%rust cell, or --file PATH.",
            )
        for number in [int(wanted[1])] if wanted else range(len(history) - 1, 0, -1):
            if found := _rust(history[number], f"In[{number}]", after):
                return found
        raise CellError(
            f"In[{wanted[1]}] is not a %%rust cell." if wanted else "No %%rust cell has been run in this session.",
            advice="Write the magic with two percent signs above the cell's %%rust line, and run that.",
        )


def _rust(text: str, label: str, after: tuple[str, ...], *, above: str = "") -> _Chosen | None:
    """The ``%%rust`` cell that a text is, or the last file that it builds with ``%rust --file``."""
    if cell := _RUST.match(text):
        return _Chosen(cell["line"] or "", above + cell["body"], label, after)
    files = _FILE.findall(text)
    return _Chosen(files[-1], None, label, after) if files else None


def _brought(chosen: _Chosen) -> Brought:
    """Options, text and name of the cell, or of the file that it names."""
    from pyo3magic.crate.existing_rust import bring

    from .magic_line import parse_line, split_line
    from .rust_magic import RustMagics, make_options

    parsed = parse_line(RustMagics.rust, split_line(chosen.line)[0])
    return bring(make_options(parsed), chosen.body, label=chosen.label, file=parsed.file)
