"""Compile a cell to inspect the result: assembly, expanded macros, lints, timings.

rustc runs with the arguments that cargo uses for the cell's module, against the same compiled crates. Nothing is built
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
from pyo3magic.compile.profile import module_profile
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
    from pyo3magic.compile.profile import Profile
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
    """A cell to inspect.

    Attributes:
        context: where and with what to compile.
        cell: the parsed cell.
        crate: its package.
        names: the user's names for the package's files.
        syntax: what its code exports and uses.
        profile: how to compile it.
        invocation: cargo's rustc line for it.
        arguments: program and arguments, with ``{output}`` for the output folder.
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
    """The result of a compilation.

    Attributes:
        folder: the package's folder, as in the compiler's output.
        stdout: the compiler's standard output.
        stderr: the compiler's standard error, without its JSON messages.
        diagnostics: its messages about the cell.
    """

    folder: Path
    stdout: str
    stderr: str
    diagnostics: tuple[Diagnostic, ...]


def make_subject(task: Task) -> Subject:
    """Determine how a cell is compiled, and compile its dependencies if needed.

    Raises:
        CellError: the cell is empty.
        BuildError: a dependency cannot be compiled.
        DependencyError: a dependency cannot be downloaded or resolved.
    """
    options = task.options
    cell, syntax = parse_source(options, task.body)
    context = with_cargo_environment(task.context)
    key = context.key(options, task.body)
    profile = module_profile(context, options)
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
    """Return the same cell without the generated module, to show only the cell's own code."""
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
    """Compile a cell.

    Args:
        subject: the cell.
        workspace: an empty folder; the compiler writes to ``out`` in it.
        emit: value of ``--emit``.
        more: additional arguments.
        through: a program to run with the compiler's command line as its arguments.
        variables: additional environment variables.
        event: the text to show as progress.

    Raises:
        CompileError: the cell has errors.
        BuildError: the compiler failed for another reason.
        ToolchainError: the compiler cannot be started.
    """
    folder, output = workspace / "package", workspace / "out"
    own = write_sources(subject.crate, folder)
    output.mkdir()
    kept = [word for word in subject.arguments if not word.startswith("--emit")]
    # The last prefix that fits counts: the listings name the package's own files by their paths in this folder.
    line = [word.replace("{output}", str(output)) for word in kept]
    line += [f"--remap-path-prefix={folder.resolve()}={folder.resolve()}", f"--emit={emit}", *more]
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
        raise BuildError(
            f"The compiler ended with status {finished.status} and no message.", advice="Run the cell again."
        )
    return Compilation(folder.resolve(), finished.stdout, said, diagnostics)


def _source(cell: Cell, syntax: Syntax, crate: Crate, **more: Any) -> str:
    version = locked_version(crate.lock, "pyo3") or (0, 30)
    options = cell.options
    return library_source(
        cell.source,
        syntax,
        pyo3=(version[0], version[1]),
        keep_gil=options.keep_gil,
        parallel=options.parallel,
        **more,
    )
