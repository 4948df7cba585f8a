"""``%%rust`` and the ``%pyo3_…`` magics: parse their options, call the session, display. No logic."""

from __future__ import annotations

import contextlib
import os
import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments, parse_argstring, real_name

from .cell import Options
from .errors import CompileError, Interrupted, OptionError, PyO3MagicError
from .relay import Relay
from .session import Session
from .settings import PyO3Magic, parse_size
from .store import Store

if TYPE_CHECKING:
    import argparse
    import subprocess
    from collections.abc import Iterator

    from .api import Build
    from .session import Outcome
    from .store import Artifact
    from .targets.deploy import Deployment
    from .targets.magics import TargetMagics

__all__ = ["RustMagics", "errors_without_traceback", "parse_line", "parse_options"]


@magics_class
class RustMagics(Magics):
    """The magics of one IPython shell.

    Args:
        shell: IPython's shell.
    """

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.shell: Any = shell
        self.settings = PyO3Magic(parent=shell)
        self._session: Session | None = None
        self.relay = Relay() if hasattr(shell, "kernel") else None
        self._warm_up: subprocess.Popen[bytes] | None = None
        self._written: dict[str, str] = {}

    @property
    def session(self) -> Session:
        """What this kernel has built; its store is opened at the first use."""
        from pathlib import Path

        if self._session is None or str(self._session.store.folder) != self.settings.store:
            session = Session(Store(Path(self.settings.store)))
            session.relay = self.relay
            session.size_limit = parse_size(self.settings.size_limit)
            session.open()
            if self._session is not None:
                self._session.close()
            self._session = session
        return self._session

    @property
    def targets(self) -> TargetMagics:
        """The magics of remote kernels, which know them by name."""
        return cast("TargetMagics", self.shell.magics_manager.registry["TargetMagics"])

    @property
    def has_modules(self) -> bool:
        """Whether a cell has been run in this kernel."""
        return self._session is not None and bool(self._session.outcomes)

    def start_warm_up(self) -> None:
        """Compile pyo3 in the background when the store has none for this interpreter and toolchain."""
        if self.settings.warm_up and self._session is not None:
            from .warm import start_in_background

            self._warm_up = start_in_background(self._session.store, os.environ)

    def close(self) -> None:
        """Leave nothing behind but the store."""
        if self._warm_up is not None and self._warm_up.poll() is None:
            self._warm_up.terminate()
        if self._session is not None:
            self._session.close()

    @magic_arguments()
    @argument("-m", "--module", metavar="NAME", help="name under which the module is bound and can be imported")
    @argument(
        "-d", "--dep", metavar="SPEC", action="append", default=[], help="crate, as cargo add takes it; repeatable"
    )
    @argument("--debug", action="store_true", help="build with cargo's dev profile instead of optimised")
    @argument("--native", action="store_true", help="use every instruction of this machine's processor")
    @argument("--features", metavar="F,...", default="", help="features of the cell's own package")
    @argument("--edition", metavar="E", help="Rust edition: 2015, 2018, 2021 or 2024")
    @argument("--pyo3", metavar="REQ", help="pyo3 version requirement, for example 0.28")
    @argument("--python", metavar="EXE", default="", help="build for this Python, which must have the kernel's ABI")
    @argument("--target", metavar="TRIPLE", default="", help="build for another machine and return the file")
    @argument("--test", metavar="FILTER", nargs="?", const="", help="run the cell's tests; arguments for them after --")
    @argument("--doc", action="store_true", help="with --test: run the examples in its documentation, too")
    @argument("--bin", action="store_true", help="run the cell's fn main; arguments for it after --")
    @argument("--emit", metavar="KIND [FUNCTION]", nargs="+", help="show asm, llvm-ir or mir of the cell's functions")
    @argument("--profile-build", action="store_true", help="show where the time of a build goes; nothing is imported")
    @argument("--on", metavar="TARGET", default="", help="import it in a remote kernel or cluster: %%%%pyo3_connect")
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
        from .display import Progress
        from .programs.request import requested, split_line

        line, after = split_line(line)
        arguments = parse_line(self.rust, line)
        request = requested(arguments, after)
        options, body, label, note = self._brought(arguments, cell)
        progress = Progress(self.shell, delay=self.settings.progress_delay, quiet=arguments.quiet)
        surroundings: dict[str, Any] = {
            "python": arguments.python,
            "force": arguments.force,
            "offline": arguments.offline or self.settings.offline,
            "edition": self.settings.edition,
            "pyo3": self.settings.pyo3,
            "report": progress.report,
        }
        with self._errors_shown(label), progress:
            if request is not None:
                from .programs.show import perform_and_show

                shown = {"label": label, "progress": progress, "quiet": arguments.quiet}
                perform_and_show(self.shell, self.session, options, body, request, **shown, **surroundings)
                return None
            made: Outcome | Artifact | Deployment
            if arguments.on:
                made = self.targets.deploy(arguments.on, options, body, label=label, **surroundings)
            elif arguments.target:
                made = self.session.build(options, body, target=arguments.target, label=label, **surroundings)
            else:
                made = self.session.run(options, body, label=label, **surroundings)
        return self._present(made, label, arguments, note)

    def _brought(self, arguments: argparse.Namespace, cell: str | None) -> tuple[Options, str, str, str]:
        """Options, text and label of what is to be built, and a remark: the cell itself, a file or a cargo project."""
        options = _options(arguments)
        # IPython 9 counts on before it runs the cell, IPython 8 afterwards; the hook knows which.
        label = f"In[{max(self.shell.displayhook.prompt_count, 1)}]"
        if cell is not None and not (arguments.file or arguments.crate or arguments.write):
            return options, cell, label, ""
        from .existing import bring

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

    @contextlib.contextmanager
    def _errors_shown(self, label: str) -> Iterator[None]:
        try:
            yield
        except CompileError as error:
            from .display import prepare_error

            prepare_error(self.shell, error, label)
            raise error.with_traceback(None) from None
        except PyO3MagicError as error:
            raise error.with_traceback(None) from None
        except KeyboardInterrupt:
            raise Interrupted("The build was interrupted; no name has changed.") from None

    def _present(
        self, made: Outcome | Artifact | Deployment, label: str, arguments: argparse.Namespace, note: str
    ) -> Build | None:
        """Bind what was made, and show what there is to say about it."""
        from .session import Outcome
        from .store import Artifact

        notes: tuple[str, ...]
        if isinstance(made, Artifact):
            from .api import Build

            self._show(made, label, arguments, "")
            return Build(made)
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
        return None

    def _bind(self, outcome: Outcome) -> None:
        names = outcome.module.exports()
        if outcome.name is not None:
            names[outcome.name] = outcome.module.module
        self.shell.push(names)

    def _show(self, artifact: Artifact, label: str, arguments: argparse.Namespace, summary: str) -> None:
        if artifact.diagnostics and not arguments.quiet:
            from .diagnostics import Diagnostic
            from .display import show_diagnostics

            show_diagnostics(self.shell, (Diagnostic.from_dict(item) for item in artifact.diagnostics), label)
        if (artifact.notes and not arguments.quiet) or arguments.verbose:
            from .display import show_note

            for note in artifact.notes:
                show_note(self.shell, note)
            if arguments.verbose:
                show_note(self.shell, f"{summary}{artifact.file}")

    @magic_arguments("pyo3_info")
    @argument("--json", action="store_true", help="return the findings as data")
    @argument("--install", action="store_true", help="install Rust for this user, through rustup (asks the network)")
    @line_magic("pyo3_info")  # type: ignore[arg-type]
    def info(self, line: str) -> Any:
        """Say what would be used, what is missing, and how to get it."""
        from pathlib import Path

        from .display import Shown
        from .info import examine

        arguments = parse_line(self.info, line)
        with errors_without_traceback():
            if arguments.install:
                from .toolchain import install_toolchain

                install_toolchain()
            cells = self._session.versions.uses() if self._session is not None else ()
            report = examine(Path(self.settings.store), settings=self.settings.values(), cells=cells)
        return report.to_dict() if arguments.json else Shown(report.to_text())

    @magic_arguments("pyo3_cache")
    @argument("--prune", nargs="?", const="", metavar="SIZE", help="remove the least recently used down to SIZE")
    @argument("--clear", action="store_true", help="remove everything that no running kernel uses")
    @argument("--update", action="store_true", help="choose versions of dependencies anew at the next builds")
    @argument("--json", action="store_true", help="return the answer as data")
    @line_magic("pyo3_cache")  # type: ignore[arg-type]
    def cache(self, line: str) -> Any:
        """Show what the store holds; prune it or clear it."""
        from .display import Shown
        from .upkeep import tend

        arguments = parse_line(self.cache, line)
        with errors_without_traceback():
            limit = None if arguments.prune is None else parse_size(arguments.prune or self.settings.size_limit)
            text, data = tend(self.session.store, clear_all=arguments.clear, update=arguments.update, limit=limit)
        return data if arguments.json else Shown(text)


@contextlib.contextmanager
def errors_without_traceback() -> Iterator[None]:
    """Let errors of this package go on as if they had been raised by the user's own line."""
    try:
        yield
    except PyO3MagicError as error:
        raise error.with_traceback(None) from None


def parse_options(line: str) -> Options:
    """What the ``%%rust`` line of a cell says about its build.

    Raises:
        OptionError: an option is unknown or malformed.
    """
    return _options(parse_line(RustMagics.rust, line))


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        module=arguments.module,
        dependencies=tuple(arguments.dep),
        debug=arguments.debug,
        native=arguments.native,
        features=tuple(name for name in arguments.features.replace(",", " ").split() if name),
        edition=arguments.edition,
        pyo3=arguments.pyo3,
    )


def parse_line(magic: Any, line: str) -> argparse.Namespace:
    """Parse a magic's line; what is wrong with it becomes an OptionError."""
    parser: MagicArgumentParser = magic.parser
    name = real_name(magic)
    try:
        parsed: argparse.Namespace = parse_argstring(magic, line)
    except (UsageError, ValueError) as error:
        known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
        with contextlib.suppress(ValueError):
            for word in shlex.split(line):
                option = word.split("=", 1)[0]
                if option.startswith("-") and option not in known:
                    close = get_close_matches(option, known, n=1)
                    hint = f"Did you mean {close[0]}? " if close else ""
                    if option == "--release":
                        hint = "Cells are optimised already, unless --debug is given. "
                    raise OptionError(
                        f"There is no option {option!r}.", advice=f"{hint}%{name}? lists the options."
                    ) from None
        raise OptionError(f"{str(error).strip().rstrip('.')}.", advice=f"%{name}? lists the options.") from None
    return parsed
