"""The way from a cell's text to an artifact: each step a value, IPython nowhere."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .build import Profile, compile_crate
from .cell import parse_cell
from .context import Event
from .crate import Crate, check_tables, make_manifest, pyo3_features, support_files
from .crate.lock import locked_version, resolve
from .crate.source import export_places, library_source
from .diagnostics import PLACEHOLDER
from .environment.child import cargo_environment
from .errors import CellError, CompileError
from .existing.files import companions_of
from .existing.places import errors_of, names_of, relative
from .interpreter.pyo3 import python_check_cfgs
from .linked.dylibs import compile_linked, inherited_dependencies, is_supported, prepare, used_cells
from .linked.vendored import Vendored, vendor
from .store.locking import exclusive
from .syntax import analyse
from .toolchain.link_args import extension_link_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cell import Cell, Options
    from .context import Context
    from .crate import Manifest
    from .interpreter import Interpreter
    from .linked.dylibs import Links
    from .store import Artifact
    from .syntax import Syntax

__all__ = ["make_artifact", "make_crate", "parse_source", "with_cargo_environment"]

_FEATURE_BEFORE = (0, 26)
"""PYO3_BUILD_EXTENSION_MODULE is understood from this pyo3 on; older ones have a feature for it."""

_PROGRESS_WIDTH = 160


def make_artifact(
    context: Context,
    options: Options,
    body: str,
    *,
    key: str,
    cells: Mapping[str, Artifact] = MappingProxyType({}),
    force: bool = False,
) -> Artifact:
    """Build a cell, or find that another process has built it in the meantime, and keep it in the store.

    Args:
        context: where and with what to build.
        options: the cell's options.
        body: the text below the ``%%rust`` line.
        key: the cell's key (`Context.key`).
        cells: the session's cells by name, which this one may use.
        force: build through cargo even if the store has it.

    Raises:
        CellError: the cell is wrong before any compiler sees it.
        CompileError: the compiler refuses it.
        BuildError: cargo or rustc failed otherwise.
        DependencyError: its dependencies cannot be had.
        StoreError: the store cannot be written.
    """
    if options.crate is not None:
        from .existing.packages import make_package

        with exclusive(context.store.place("locks", f"cell-{key[:2]}.lock")):
            return make_package(with_cargo_environment(context), options, key=key)
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


def parse_source(options: Options, body: str) -> tuple[Cell, Syntax]:
    """Parse a cell: its options, its front matter, and what its Rust exports and uses.

    Raises:
        CellError: it has no Rust, or cannot be read.
        ManifestError: its front matter is none.
    """
    cell = parse_cell(options, body)
    check_tables({name: table for name, table in cell.front_matter.items() if name != "tool"})
    syntax = analyse(cell.source)
    if syntax.is_empty:
        raise CellError(
            "The cell has no Rust in it, only comments or front matter.",
            advice="Write at least one item, for example: pub fn double(x: f64) -> f64 { 2.0 * x }",
        )
    return cell, syntax


def make_crate(
    context: Context, cell: Cell, syntax: Syntax, *, key: str, used: Mapping[str, Artifact] = MappingProxyType({})
) -> Crate:
    """The cargo package of a cell; chooses the versions of its dependencies where that has not been done.

    Args:
        context: where and with what to build.
        cell: the cell.
        syntax: what its code exports and uses.
        key: the cell's key.
        used: the cells it uses; it gets their versions of crates, and their features of pyo3.

    Raises:
        ManifestError: front matter or options do not make a manifest.
        CellError: the cell's own ``#[pymodule]`` has another name than the one asked for.
        DependencyError: its dependencies cannot be resolved.
        StoreError: the store has a used cell no longer.
    """
    name = _module_name(cell, syntax, key)
    script = _build_script(context.interpreter, syntax, context.triple)
    features: tuple[str, ...] = ("experimental-async",) if syntax.uses_async else ()
    used = {name: context.store.need(name, artifact.digest) for name, artifact in used.items()}
    features += tuple(feature for artifact in used.values() for feature in pyo3_features(artifact.crate))
    like = next(((artifact.crate / "Cargo.lock").read_text(encoding="utf-8") for artifact in used.values()), "")

    linked = is_supported(context)
    written = cell.front_matter.get("dependencies", {}).items()
    own = {entry.get("package", name) if isinstance(entry, dict) else name for name, entry in written}
    own |= {item.name for item in cell.dependencies}
    vendored = vendor(context.store, used) if used and not linked else Vendored({}, ())

    def manifest(*more: str) -> Manifest:
        return make_manifest(
            cell,
            edition=context.edition,
            pyo3=cell.options.pyo3 or context.pyo3,
            pyo3_features=(*features, *more),
            build_script=bool(script),
            more=inherited_dependencies(used, own) if linked else vendored.dependencies,
            base=context.directory,
        )

    chosen = manifest()
    locked = resolve(context, chosen, like=like, cells=vendored.files)
    version = _pyo3_version(locked)
    if version < _FEATURE_BEFORE:
        chosen = manifest("extension-module")
    source = library_source(cell.source, syntax, module=name, pyo3=version)
    return Crate(
        chosen,
        source,
        script,
        locked,
        name,
        _config(context),
        support_files(version),
        export_places(cell.source, syntax),
        attached=companions_of(cell),
        cells=vendored.files,
    )


def _build(
    context: Context, cell: Cell, syntax: Syntax, *, key: str, cells: Mapping[str, Artifact], force: bool
) -> Artifact:
    options = cell.options
    flags = tuple(
        f"-C{argument}"
        for argument in extension_link_args(context.triple, context.interpreter)
        if argument.startswith("target-feature=")
    )
    profile = Profile(options.debug, options.native, options.features, flags)
    used = used_cells(syntax.crates, cell.declared, cells, options.module)
    foreign = set(syntax.crates) - cell.declared
    crate = make_crate(context, cell, syntax, key=key, used=used)
    names = names_of(options, PLACEHOLDER, crate.attached, context.directory)
    file_name = crate.module + context.interpreter.ext_suffix
    links: Links | None = None
    try:
        with context.store.workspace() as workspace:
            if (options.module is not None or used) and is_supported(context):
                digests = tuple(used[name].digest for name in sorted(used))
                links = prepare(context, crate, profile, repr((key, digests)), used, library=options.module is not None)
                source = library_source(
                    cell.source,
                    syntax,
                    module=crate.module,
                    pyo3=_pyo3_version(crate.lock),
                    extern_crates=links.extern_crates,
                )
                built = compile_linked(context, dataclasses.replace(crate, source=source), profile, links, workspace)
                file_name = built.file.name
            else:
                built = compile_crate(context, crate, profile, workspace, force=force)
            return context.store.publish(
                key,
                dataclasses.replace(
                    built.inputs,
                    cells={name: used[name].digest if name in used else None for name in sorted(foreign)},
                ),
                module=crate.module,
                built=built.file,
                file_name=file_name,
                interpreter=context.interpreter.identity,
                write_crate=crate.write,
                diagnostics=tuple(item.to_dict() for item in names.diagnostics(built.diagnostics)),
                notes=(*_notes(syntax), *_notes_elsewhere(context, used)),
                seconds=built.seconds,
                cells={name: artifact.digest for name, artifact in used.items()},
                providers=tuple(provider.stored for provider in links.providers) if links else (),
                exports=tuple(export.name for export in syntax.exports if not export.cfgs)
                if syntax.main_module is None
                else (),
                features=options.features,
            )
    except CompileError as error:
        error.diagnostics = names.diagnostics(error.diagnostics)
        raise _with_cells(error, foreign - used.keys(), cells) from None


def _with_cells(error: CompileError, unknown: set[str], cells: Mapping[str, Artifact]) -> CompileError:
    """Add to an error about an unknown crate which cells the session has."""
    for name in sorted(unknown):
        if any(item.is_error and f"`{name}`" in item.message + item.rendered for item in error.diagnostics) and cells:
            advice = f"No cell of this session is named `{name}`. Its cells: {', '.join(sorted(cells))}."
            error.advice = "\n".join(filter(None, (error.advice, advice)))
    return error


def _pyo3_version(lock: str) -> tuple[int, int]:
    version = locked_version(lock, "pyo3") or (0, 30)
    return version[0], version[1]


def _module_name(cell: Cell, syntax: Syntax, key: str) -> str:
    wanted = cell.options.module
    if syntax.main_module is None:
        return wanted or f"cell_{key[:8]}"
    if wanted is None:
        return syntax.main_module
    if wanted not in syntax.module_names:
        raise CellError(
            f"The cell defines the module {syntax.main_module!r} with #[pymodule], but -m asks for {wanted!r}.",
            advice=f"Write -m {syntax.main_module} or leave -m out, or rename the #[pymodule].",
        )
    return wanted


def _build_script(interpreter: Interpreter, syntax: Syntax, triple: str) -> str:
    """A ``build.rs`` where one is needed: for PyO3's cfgs in the cell, and for systems with special link arguments.

    PyO3 guide, 'Supporting multiple Python versions' and 'Building and distribution': macOS.
    """
    lines = []
    if syntax.uses_python_cfgs:
        lines += [f"cargo:rustc-check-cfg={cfg}" for cfg in python_check_cfgs()]
        lines += [f"cargo:rustc-cfg={cfg}" for cfg in interpreter.python_cfgs()]
    for argument in extension_link_args(triple, interpreter):
        if argument.startswith("link-arg="):
            lines.append(f"cargo:rustc-link-arg-cdylib={argument.removeprefix('link-arg=')}")
    if not lines:
        return ""
    calls = "".join(f'    println!(r#"{line}"#);\n' for line in ["cargo:rerun-if-changed=build.rs", *lines])
    return f"// The facts of {interpreter.name}, as PyO3's own build script gives them.\nfn main() {{\n{calls}}}\n"


def _config(context: Context) -> str:
    return (
        "# Lets plain `cargo build` in this folder find the interpreter the cell was built for.\n[env]\n"
        f"PYO3_CONFIG_FILE = {json.dumps(str(_pyo3_config_file(context)))}\n"
        'PYO3_BUILD_EXTENSION_MODULE = "1"\n'
    )


def with_cargo_environment(context: Context) -> Context:
    """The context with cargo's own environment in place of the user's."""
    environ = cargo_environment(
        context.environ,
        pyo3_config=_pyo3_config_file(context),
        cargo=context.toolchain.cargo,
        progress_width=_PROGRESS_WIDTH,
        extra=(
            *context.toolchain.variables,
            *(context.cross.variables.items() if context.cross is not None else ()),
            # What is sent elsewhere is a tenth of its size without debug information, and nobody debugs it there.
            *((("CARGO_PROFILE_DEV_STRIP", "debuginfo"),) if context.standalone or context.shipped else ()),
        ),
    )
    return dataclasses.replace(context, environ=environ)


def _pyo3_config_file(context: Context) -> Path:
    """PyO3's configuration file for the interpreter: written once, since a new modification time would rebuild pyo3."""
    text = context.interpreter.pyo3_config()
    path = context.store.place("interpreters", f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.txt")
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return path
    context.store.write_text(path, text)
    return path


def _notes_elsewhere(context: Context, used: Mapping[str, Artifact]) -> tuple[str, ...]:
    notes = context.cross.notes if context.cross is not None else ()
    if used and context.shipped and not is_supported(context):
        names = " and ".join(sorted(used))
        why = f"Rust's shared libraries cannot be used on {context.triple}"
        note = f"{names} went along inside this one module, since {why}: its classes are others than those of {names}."
        return (*notes, note)
    return notes


def _notes(syntax: Syntax) -> tuple[str, ...]:
    if syntax.exports or syntax.main_module is not None:
        return tuple(f"`{item.name}` is not exported: {item.reason}" for item in syntax.skipped)
    if syntax.has_main:
        return ("The cell exports nothing to Python: a program with `fn main` is run by %%rust --bin.",)
    reasons = tuple(f"`{item.name}` is not exported: {item.reason}" for item in syntax.skipped)
    return ("The cell exports nothing to Python: mark items with #[pyfunction] or #[pyclass].", *reasons)
