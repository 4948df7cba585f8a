"""Compile a cell as its module would be, but to look at it: for assembly, expanded macros, lints, times.

rustc is started the way cargo started it for the cell's module, against the same compiled crates: nothing is built
twice, and nothing that a build depends on changes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.compile.build_crate import compile_error, recorded_invocation, write_sources
from pyo3magic.compile.build_environment import with_cargo_environment
from pyo3magic.compile.cargo import json_lines
from pyo3magic.compile.dylibs import is_supported, linked_line, prepare, used_cells
from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure
from pyo3magic.compile.prepare import make_crate, parse_source
from pyo3magic.compile.profile import Profile
from pyo3magic.crate.library_source import library_source
from pyo3magic.crate.lock import locked_version
from pyo3magic.environment.build_options import Event
from pyo3magic.errors import BuildError, ToolchainError
from pyo3magic.process import run

from .task import diagnose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.cell import Cell
    from pyo3magic.cell.syntax import Syntax
    from pyo3magic.compile.rustc_line import Invocation
    from pyo3magic.crate import Crate
    from pyo3magic.crate.file_names import Names
    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.context import Context

    from .task import Task

__all__ = ["Compilation", "Subject", "compile_variant", "make_subject", "without_exports"]

_SOURCE = "src/lib.rs"


@dataclass(frozen=True, slots=True)
class Subject:
    """A cell that is to be looked at.

    Attributes:
        context: where and with what it is compiled.
        cell: the cell, parsed.
        crate: its package.
        names: what the user calls the package's files.
        syntax: what its code says.
        profile: how it is compiled.
        invocation: how rustc is started for it.
        arguments: program and arguments, with ``{output}`` for the folder they write to.
    """

    context: Context
    cell: Cell
    crate: Crate
    names: Names
    syntax: Syntax
    profile: Profile
    invocation: Invocation
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compilation:
    """What a compilation gave.

    Attributes:
        folder: where the package was, as the compiler knows it.
        stdout: what the compiler wrote to standard output.
        stderr: what it wrote to standard error beside messages.
        diagnostics: its messages about the cell.
    """

    folder: Path
    stdout: str
    stderr: str
    diagnostics: tuple[Diagnostic, ...]


def make_subject(task: Task) -> Subject:
    """Find out how a cell is compiled; its dependencies are compiled where that has not been done.

    Raises:
        CellError: the cell is empty.
        BuildError: its dependencies cannot be compiled.
        DependencyError: they cannot be had.
    """
    options = task.options
    cell, syntax = parse_source(options, task.body)
    context = with_cargo_environment(task.context)
    key = context.key(options, task.body)
    profile = Profile(options.debug, options.native, options.features)
    used = used_cells(syntax.crates, cell.declared, task.cells, options.module)
    crate = make_crate(context, cell, syntax, key=key, used=used)
    names = task.names(crate)
    if used and is_supported(context):
        links = prepare(context, crate, profile, repr(key), used, library=False)
        source = _source(cell, syntax, crate, module=crate.module, extern_crates=links.extern_crates)
        line = linked_line(
            dataclasses.replace(links, crate_name=crate.manifest.library), profile, _SOURCE, Path("{output}")
        )
        crate = dataclasses.replace(crate, source=source)
        return Subject(context, cell, crate, names, syntax, profile, links.invocation, tuple(line))
    invocation = recorded_invocation(context, crate, profile)
    arguments = list(invocation.arguments)
    if syntax.has_main and not syntax.exports and syntax.main_module is None:
        arguments[arguments.index("--crate-type") + 1] = "bin"
    arguments[arguments.index("--out-dir") + 1] = "{output}"
    return Subject(context, cell, crate, names, syntax, profile, invocation, tuple(arguments))


def without_exports(subject: Subject) -> Subject:
    """The same without the code that makes a module of it, for whoever wants to see the cell's own alone."""
    source = _source(subject.cell, subject.syntax, subject.crate, module=None, support=False)
    return dataclasses.replace(subject, crate=dataclasses.replace(subject.crate, source=source))


def compile_variant(
    subject: Subject,
    workspace: Path,
    *,
    emit: str,
    more: Sequence[str] = (),
    through: Sequence[str | Path] = (),
    variables: Mapping[str, str] | None = None,
    event: str = "",
) -> Compilation:
    """Start the compiler on a cell.

    Args:
        subject: the cell.
        workspace: an empty folder; what is emitted is in ``out`` in it.
        emit: value of ``--emit``.
        more: further arguments.
        through: a program that is given the compiler's line.
        variables: further environment variables.
        event: what progress says.

    Raises:
        CompileError: the cell has errors.
        BuildError: the compiler failed otherwise.
    """
    folder, output = workspace / "package", workspace / "out"
    own = write_sources(subject.crate, folder)
    output.mkdir()
    kept = [word for word in subject.arguments if not word.startswith("--emit")]
    line = [word.replace("{output}", str(output)) for word in kept] + [f"--emit={emit}", *more]
    progress = Event("compiling", event or subject.crate.manifest.package)
    subject.context.report(progress)
    environ = {
        **subject.profile.environment(subject.context.environ),
        **subject.invocation.variables,
        **own,
        **(variables or {}),
    }
    try:
        finished = run(
            [*through, *line],
            cwd=folder,
            environ=environ,
            on_idle=lambda: subject.context.report(progress),
            guarded=True,
        )
    except OSError as error:
        raise ToolchainError(f"{(*through, *line)[0]} cannot be started: {error.strerror or error}.") from error
    messages = (item for item in json_lines(finished.stderr) if item.get("$message_type", "diagnostic") == "diagnostic")
    diagnostics = diagnose(messages, subject.crate, subject.names)
    said = "\n".join(text for text in finished.stderr.splitlines() if not text.startswith("{"))
    if finished.status != 0:
        if any(item.is_error for item in diagnostics):
            raise compile_error(diagnostics)
        if said.strip():
            raise explain_cargo_failure(said)
        raise BuildError(f"The compiler ended with status {finished.status} and said nothing.", advice="Run it again.")
    return Compilation(folder.resolve(), finished.stdout, said, diagnostics)


def _source(cell: Cell, syntax: Syntax, crate: Crate, **more: Any) -> str:
    version = locked_version(crate.lock, "pyo3") or (0, 30)
    return library_source(cell.source, syntax, pyo3=(version[0], version[1]), **more)
