"""Make the cargo package of a cell."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyo3magic.cell import parse_cell
from pyo3magic.cell.syntax import analyse
from pyo3magic.compile.resolve import resolve
from pyo3magic.crate import Crate, make_manifest, pyo3_features, support_files
from pyo3magic.crate.companions import companions_of
from pyo3magic.crate.library_source import export_places, library_source
from pyo3magic.crate.lock import locked_version
from pyo3magic.crate.vendored import Vendored, vendor
from pyo3magic.environment.link_args import extension_link_args
from pyo3magic.environment.pyo3_config import python_check_cfgs
from pyo3magic.errors import CellError

from .build_environment import pyo3_config_file
from .dylibs import inherited_dependencies, is_supported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.cell import Cell, Options
    from pyo3magic.cell.syntax import Syntax
    from pyo3magic.crate import Manifest
    from pyo3magic.environment.context import Context
    from pyo3magic.environment.interpreter import Interpreter
    from pyo3magic.store import Artifact

__all__ = ["make_crate", "parse_source", "pyo3_version"]

_FEATURE_BEFORE = (0, 26)
"""First pyo3 that reads PYO3_BUILD_EXTENSION_MODULE; older versions have the feature ``extension-module``."""


def parse_source(options: Options, body: str) -> tuple[Cell, Syntax]:
    """Parse a cell's front matter, and find what its Rust exports and uses.

    Args:
        options: the cell's options.
        body: the text below the ``%%rust`` line.

    Raises:
        CellError: the cell has no Rust, or cannot be read.
        ManifestError: the front matter is invalid.
    """
    cell = parse_cell(options, body)
    syntax = analyse(cell.source, options.ufunc)
    if syntax.is_empty:
        raise CellError(
            "The cell has no Rust in it, only comments or front matter.",
            advice="Write at least one item, for example: pub fn double(x: f64) -> f64 { 2.0 * x }",
        )
    return cell, syntax


def make_crate(
    context: Context, cell: Cell, syntax: Syntax, *, key: str, used: Mapping[str, Artifact] = MappingProxyType({})
) -> Crate:
    """Make the cargo package of a cell, and choose versions of its dependencies unless a lock file is stored.

    Args:
        context: where and with what to build.
        cell: the cell.
        syntax: what its code exports and uses.
        key: the cell's key.
        used: the cells it uses; the package gets their crate versions and their features of pyo3.

    Raises:
        ManifestError: front matter or options do not make a valid manifest.
        CellError: the cell's own ``#[pymodule]`` does not have the requested name, or a cell with ``--ufunc`` has no
            function that can be a ufunc.
        DependencyError: the dependencies cannot be resolved.
        StoreError: a used cell is no longer in the store.
    """
    _check_ufuncs(cell, syntax)
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
    version = pyo3_version(locked)
    if version < _FEATURE_BEFORE:
        chosen = manifest("extension-module")
    source = library_source(
        cell.source,
        syntax,
        module=name,
        pyo3=version,
        keep_gil=cell.options.keep_gil,
        parallel=cell.options.parallel,
    )
    return Crate(
        chosen,
        source,
        script,
        locked,
        name,
        _config(context),
        support_files(version),
        export_places(cell.source, syntax),
        companions=companions_of(cell),
        cells=vendored.files,
    )


def pyo3_version(lock: str) -> tuple[int, int]:
    """Return the major and minor version of pyo3 in a lock file."""
    version = locked_version(lock, "pyo3") or (0, 30)
    return version[0], version[1]


def _check_ufuncs(cell: Cell, syntax: Syntax) -> None:
    """Raise CellError if a cell with ``--ufunc`` has PyO3 items, or no function that can be a ufunc."""
    if cell.options.ufunc is None:
        return
    if syntax.has_pyo3_items:
        raise CellError(
            "--ufunc makes ufuncs of a cell's plain functions, and this cell has PyO3's attributes.",
            advice="Put the functions for --ufunc into a cell of their own, without #[pyfunction] and #[pymodule].",
        )
    if not syntax.exports:
        reasons = [f"Line {item.line}: `{item.name}` is not a ufunc: {item.reason}." for item in syntax.skipped]
        raise CellError(
            "The cell has no function that can be a ufunc.",
            advice="\n".join(reasons) or "Write at least one, for example: pub fn double(x: f64) -> f64 { 2.0 * x }",
        )


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
    """Return the text of ``build.rs``, which sets PyO3's cfgs and special link arguments; empty if neither is needed.

    PyO3 guide, 'Supporting multiple Python versions' and 'Building and distribution' (macOS).
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
        f"PYO3_CONFIG_FILE = {json.dumps(str(pyo3_config_file(context.store, context.interpreter.pyo3_config())))}\n"
        'PYO3_BUILD_EXTENSION_MODULE = "1"\n'
    )
