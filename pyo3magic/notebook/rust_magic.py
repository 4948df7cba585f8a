"""``%%rust``: parses the options, calls the session, shows the result. No logic."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from pyo3magic.cell import Options, with_folder
from pyo3magic.session import Outcome
from pyo3magic.store import Artifact

from .error_display import errors_shown, errors_without_traceback
from .magic_line import parse_line, split_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pyo3magic.api import Build
    from pyo3magic.environment.build_options import Event
    from pyo3magic.programs.request import Request
    from pyo3magic.remote.deploy import Deployment
    from pyo3magic.session import Session
    from pyo3magic.settings import PyO3Magic

    from .display import Progress
    from .remote_magics import TargetMagics

__all__ = ["RustMagics", "make_options"]


@magics_class
class RustMagics(Magics):
    """The magic ``%%rust``.

    Args:
        shell: IPython's shell.
        session: returns the kernel's session.
        settings: the settings.
        targets: returns the magics of remote kernels, for ``--on``.
    """

    def __init__(
        self,
        shell: Any,
        session: Callable[[], Session],
        settings: PyO3Magic,
        targets: Callable[[], TargetMagics],
    ) -> None:
        super().__init__(shell)
        self.shell: Any = shell
        self._session = session
        self._settings = settings
        self._targets = targets
        self._written: dict[str, str] = {}

    @magic_arguments()
    @argument("-m", "--module", metavar="NAME", help="name under which the module is bound and can be imported")
    @argument(
        "-d", "--dep", metavar="SPEC", action="append", default=[], help="crate, as cargo add takes it; repeatable"
    )
    @argument("--debug", action="store_true", help="build with cargo's dev profile instead of optimised")
    @argument("--native", action="store_true", help="use every instruction of this machine's processor")
    @argument("--keep-gil", action="store_true", help="hold Python's lock (the GIL) while functions on arrays run")
    @argument("--features", metavar="F,...", default="", help="features of the cell's own package")
    @argument("--edition", metavar="E", help="Rust edition: 2015, 2018, 2021 or 2024")
    @argument("--pyo3", metavar="REQ", help="pyo3 version requirement, for example 0.28")
    @argument("--python", metavar="EXE", default="", help="build for this Python, which must have the kernel's ABI")
    @argument("--target", metavar="TRIPLE", default="", help="build for another machine and return the file")
    @argument(
        "--ufunc",
        metavar="SIGNATURE",
        nargs="?",
        const="",
        help="make NumPy ufuncs of the cell's functions; with a signature, '(n),(n)->()', generalized ones",
    )
    @argument("--parallel", action="store_true", help="with --ufunc: spread long loops over all cores")
    @argument("--test", metavar="FILTER", nargs="?", const="", help="run the cell's tests; arguments for them after --")
    @argument("--doc", action="store_true", help="with --test: run the examples in its documentation, too")
    @argument("--bin", action="store_true", help="run the cell's fn main; arguments for it after --")
    @argument("--emit", metavar="KIND [FUNCTION]", nargs="+", help="show asm, llvm-ir or mir of the cell's functions")
    @argument("--profile-build", action="store_true", help="show where the time of a build goes; nothing is imported")
    @argument(
        "--on", metavar="TARGET", default="", help="import the module in a remote kernel or cluster (%%pyo3_connect)"
    )
    @argument("--file", metavar="PATH", help="build this file of Rust instead of the cell's text")
    @argument("--crate", metavar="DIR", help="build the cargo project in this folder, as it is")
    @argument("--write", metavar="PATH", help="save the cell as this file, too")
    @argument(
        "--force", action="store_true", help="build through cargo even if the store has it; let --write replace a file"
    )
    @argument("--offline", action="store_true", help="never ask a registry")
    @argument("-v", "--verbose", action="store_true", help="say what was built, how long it took and where it is")
    @argument("-q", "--quiet", action="store_true", help="show neither progress nor warnings")
    @no_var_expand
    @line_cell_magic("rust")  # type: ignore[arg-type]
    def rust(self, line: str, cell: str | None = None) -> Build | None:
        """Build the cell's Rust as a PyO3 extension module and import what it exports."""
        arguments, request = _parsed(line)
        options, body, label, note = self._brought(arguments, cell)
        progress = _Progress(
            self.shell, delay=self._settings.progress_delay, quiet=arguments.quiet or arguments.verbose
        )
        with errors_without_traceback():
            build = self._settings.build_options(
                python=arguments.python,
                target=arguments.target,
                offline=arguments.offline,
                force=arguments.force,
                report=progress.report,
            )
        interrupted = "The build was interrupted; no name has changed."
        shown = errors_shown(self.shell, label, interrupted=interrupted)
        with shown, contextlib.closing(progress), _logged(verbose=arguments.verbose):
            if request is not None:
                from .show_program import perform_and_show

                perform_and_show(
                    self.shell,
                    self._session(),
                    options,
                    body,
                    request,
                    build,
                    label=label,
                    close=progress.close,
                    quiet=arguments.quiet,
                )
                return None
            made: Outcome | Artifact | Deployment
            if arguments.on:
                made = self._targets().deploy(arguments.on, options, body, build, label=label)
            elif arguments.target:
                made = self._session().build(options, body, build, label=label)
            else:
                made = self._session().run(options, body, build, label=label)
        if isinstance(made, Artifact):
            from pyo3magic.api import Build

            self._show(made, label, arguments, "")
            return Build(made, options, body)
        self._present(made, label, arguments, note)
        return None

    def _brought(self, arguments: argparse.Namespace, cell: str | None) -> tuple[Options, str, str, str]:
        """The options, text and label of the cell, file or cargo project to build, and a note for the user."""
        options = make_options(arguments)
        # IPython 9 counts on before it runs the cell, IPython 8 afterwards; the hook knows which.
        label = f"In[{max(self.shell.displayhook.prompt_count, 1)}]"
        elsewhere = arguments.file or arguments.crate
        if cell is not None and not (elsewhere or arguments.write):
            return with_folder(options, cell), cell, label, ""
        if elsewhere and cell is not None and not cell.strip():
            cell = None
        from pyo3magic.crate.existing_rust import bring

        with errors_without_traceback():
            brought = bring(
                options,
                cell,
                label=label,
                file=arguments.file,
                crate=arguments.crate,
                write=arguments.write,
                force=arguments.force,
                written=self._written,
            )
        return brought.options, brought.body, brought.label, brought.note

    def _present(self, made: Outcome | Deployment, label: str, arguments: argparse.Namespace, note: str) -> None:
        """Bind the module's names, and show its warnings and notes."""
        notes: tuple[str, ...]
        if isinstance(made, Outcome):
            self._bind(made)
            how = "from the store" if made.from_store else f"built in {made.artifact.seconds:.2f} s"
            names = ", ".join(made.module.names) or "nothing"
            self._show(made.artifact, label, arguments, f"{made.artifact.module}: {how}; exports {names}\n")
            notes = (note, *made.notes)
        else:
            if made.outcome is not None:
                self._bind(made.outcome)
            self._show(made.deployed[0].artifact, label, arguments, "")
            notes = (note, made.text)
        for text in notes:
            if text and not arguments.quiet:
                from .display import show_note

                show_note(self.shell, text)

    def _bind(self, outcome: Outcome) -> None:
        names = outcome.module.exports()
        if outcome.name is not None:
            names[outcome.name] = outcome.module.module
        self.shell.push(names)

    def _show(self, artifact: Artifact, label: str, arguments: argparse.Namespace, summary: str) -> None:
        if artifact.diagnostics and not arguments.quiet:
            from pyo3magic.diagnostics import Diagnostic

            from .display import show_diagnostics

            show_diagnostics(self.shell, (Diagnostic.from_dict(item) for item in artifact.diagnostics), label)
        if (artifact.notes and not arguments.quiet) or arguments.verbose:
            from .display import show_note

            for note in artifact.notes:
                show_note(self.shell, note)
            if arguments.verbose:
                show_note(self.shell, f"{summary}{artifact.file}")


class _Progress:
    """Shows a build's progress; the display is imported at the first event, since most cells are in the store."""

    def __init__(self, shell: Any, **options: Any) -> None:
        self._shown: Progress | None = None
        self._shell = shell
        self._options = {**options, "started": time.monotonic()}

    def report(self, event: Event) -> None:
        if self._shown is None:
            from .display import Progress

            self._shown = Progress(self._shell, **self._options)
        self._shown.report(event)

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()


def _logged(*, verbose: bool) -> contextlib.AbstractContextManager[object]:
    """A context that prints the log, for ``-v``."""
    if not verbose:
        return contextlib.nullcontext()
    from .display import Logged

    return Logged()


@functools.lru_cache(maxsize=64)
def _parsed(line: str) -> tuple[argparse.Namespace, Request | None]:
    """The line's options, and the request for something else than a module, if there is one. Cached by line."""
    after: tuple[str, ...] = ()
    if "--" in line.split():
        line, after = split_line(line)
    arguments = parse_line(RustMagics.rust, line)
    other = (arguments.bin, arguments.doc, arguments.profile_build, arguments.test is not None, arguments.emit)
    if not after and not any(other):
        return arguments, None
    from pyo3magic.programs.request import requested

    return arguments, requested(arguments, after)


def make_options(arguments: argparse.Namespace) -> Options:
    """The cell's options from a parsed ``%%rust`` line; `existing_rust.bring` reads ``--file`` and ``--crate``."""
    return Options(
        module=arguments.module,
        dependencies=tuple(arguments.dep),
        debug=arguments.debug,
        native=arguments.native,
        keep_gil=arguments.keep_gil,
        features=tuple(name for name in arguments.features.replace(",", " ").split() if name),
        edition=arguments.edition,
        pyo3=arguments.pyo3,
        ufunc=arguments.ufunc,
        parallel=arguments.parallel,
    )
