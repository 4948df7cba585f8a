"""Turn a cell's text into an artifact, without IPython."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyo3magic.crate.file_names import errors_of, names_of, relative
from pyo3magic.crate.library_source import library_source
from pyo3magic.diagnostics import PLACEHOLDER
from pyo3magic.environment.build_options import Event
from pyo3magic.errors import CompileError, PyO3MagicError
from pyo3magic.store import Description
from pyo3magic.store.locking import exclusive

from .build_crate import compile_crate
from .build_environment import with_cargo_environment
from .damage import recover
from .dylibs import compile_linked, is_supported, prepare, used_cells
from .prepare import make_crate, parse_source, pyo3_version
from .profile import module_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.cell import Cell, Options
    from pyo3magic.cell.syntax import Syntax
    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact

    from .dylibs import Links

__all__ = ["export_notes", "make_artifact"]

_log = logging.getLogger(__name__)


def make_artifact(
    context: Context,
    options: Options,
    body: str,
    *,
    key: str,
    cells: Mapping[str, Artifact] = MappingProxyType({}),
    force: bool = False,
) -> Artifact:
    """Build a cell and store it, unless another process has built it in the meantime.

    Args:
        context: where and with what to build.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        key: the cell's key (`Context.key`).
        cells: the session's cells by name, which this one may use.
        force: build through cargo even if the store has the cell.

    Returns:
        The stored module.

    Raises:
        CellError: the cell or its options are invalid.
        CompileError: the cell's code has errors.
        BuildError: the build failed for another reason.
        DependencyError: a dependency cannot be downloaded or built.
        StoreError: the store cannot be written.
    """
    if options.crate is not None:
        from .build_project import build_project

        with exclusive(context.store.place("locks", f"cell-{key[:2]}.lock")):
            return build_project(with_cargo_environment(context), options, key=key)
    lock = context.store.place("locks", f"cell-{key[:2]}.lock")
    with errors_of(options, relative(Path(options.file or ""), context.directory)):
        cell, syntax = parse_source(options, body)
        with exclusive(lock, waiting=lambda: context.report(Event("waiting", "another build of this cell"))):
            if not force:
                digests = {name: artifact.digest for name, artifact in cells.items()}
                present = context.store.find(key, context.environ, digests)
                if present is not None:
                    return present
            return _build(with_cargo_environment(context), cell, syntax, key=key, cells=cells, force=force)


def _build(
    context: Context,
    cell: Cell,
    syntax: Syntax,
    *,
    key: str,
    cells: Mapping[str, Artifact],
    force: bool,
    is_second: bool = False,
) -> Artifact:
    options = cell.options
    profile = module_profile(context, options)
    used = used_cells(syntax.crates, cell.declared, cells, options.module)
    foreign = set(syntax.crates) - cell.declared
    crate = make_crate(context, cell, syntax, key=key, used=used)
    names = names_of(options, PLACEHOLDER, crate.companions, context.directory)
    file_name = crate.module + context.interpreter.ext_suffix
    links: Links | None = None
    try:
        with context.store.workspace() as workspace:
            linked = (options.module is not None or used) and is_supported(context)
            _log.info(
                "crate %s: pyo3 %d.%d, %s, which uses %s",
                crate.manifest.package,
                *pyo3_version(crate.lock),
                "a dylib that shares the runtime" if linked else "a cdylib of its own",
                ", ".join(used) or "no cells",
            )
            if linked:
                digests = tuple(used[name].digest for name in sorted(used))
                links = prepare(context, crate, profile, repr((key, digests)), used, library=options.module is not None)
                source = library_source(
                    cell.source,
                    syntax,
                    module=crate.module,
                    pyo3=pyo3_version(crate.lock),
                    extern_crates=links.extern_crates,
                    keep_gil=options.keep_gil,
                    parallel=options.parallel,
                )
                built = compile_linked(context, dataclasses.replace(crate, source=source), profile, links, workspace)
                file_name = built.file.name
            else:
                built = compile_crate(context, crate, profile, workspace, force=force)
            by = "cargo" if built.by_cargo else "rustc alone"
            _log.info("%s built %s in %.3f s", by, file_name, built.seconds)
            return context.store.publish(
                key,
                dataclasses.replace(
                    built.inputs,
                    cells={name: used[name].digest if name in used else None for name in sorted(foreign)},
                ),
                Description(
                    module=crate.module,
                    file_name=file_name,
                    interpreter=context.interpreter.identity,
                    diagnostics=tuple(item.to_dict() for item in names.diagnostics(built.diagnostics)),
                    notes=(*export_notes(syntax), *_notes_elsewhere(context, used)),
                    seconds=built.seconds,
                    cells={name: artifact.digest for name, artifact in used.items()},
                    providers=tuple(provider.stored for provider in links.providers) if links else (),
                    exports=tuple(export.name for export in syntax.exports if not export.cfgs)
                    if syntax.main_module is None
                    else (),
                    features=options.features,
                ),
                built=built.file,
                write_crate=crate.write,
            )
    except PyO3MagicError as error:
        if not is_second and recover(context, error, crate):
            return _build(context, cell, syntax, key=key, cells=cells, force=True, is_second=True)
        if isinstance(error, CompileError):
            error.diagnostics = names.diagnostics(error.diagnostics)
            raise _with_cells(error, foreign - used.keys(), cells) from None
        raise


def _with_cells(error: CompileError, unknown: set[str], cells: Mapping[str, Artifact]) -> CompileError:
    """Add the names of the session's cells to an error about an unknown crate."""
    for name in sorted(unknown):
        if any(item.is_error and f"`{name}`" in item.message + item.rendered for item in error.diagnostics) and cells:
            advice = f"No cell of this session is named `{name}`. Its cells: {', '.join(sorted(cells))}."
            error.advice = "\n".join(filter(None, (error.advice, advice)))
    return error


def _notes_elsewhere(context: Context, used: Mapping[str, Artifact]) -> tuple[str, ...]:
    notes = context.cross.notes if context.cross is not None else ()
    if used and context.shipped and not is_supported(context):
        names = " and ".join(sorted(used))
        why = f"Rust's shared libraries cannot be used on {context.triple}"
        note = f"This module has its own copy of {names}, because {why}. The copy's classes are different Python types."
        return (*notes, note)
    return notes


def export_notes(syntax: Syntax) -> tuple[str, ...]:
    """Return notes for the user on items that a cell does not export, and on a cell that exports nothing."""
    if syntax.exports or syntax.main_module is not None:
        return tuple(
            f"`{item.name}` (line {item.line}) is not a ufunc: {item.reason}"
            if item.line
            else f"`{item.name}` is not exported: {item.reason}"
            for item in syntax.skipped
        )
    if syntax.has_main:
        return ("The cell exports nothing to Python: a program with `fn main` is run by %%rust --bin.",)
    if syntax.has_tests:
        return ("The cell exports nothing to Python: its tests are run by %%rust --test.",)
    reasons = tuple(f"`{item.name}` is not exported: {item.reason}" for item in syntax.skipped)
    return ("The cell exports nothing to Python: mark items with #[pyfunction] or #[pyclass].", *reasons)
