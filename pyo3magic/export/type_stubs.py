"""Makes the type stubs of a package, by PyO3's introspection of a build made for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .array_functions import array_types
from .build_target import make_build_target
from .extension_module import build_inspected
from .rust_syntax import exception_bases
from .stubs import FIRST_PYO3, make_stubs, plain_stubs, read_chunks

if TYPE_CHECKING:
    from pyo3magic.environment.context import Context

    from .source_tree import Package

__all__ = ["complete_package", "type_stubs"]


def complete_package(context: Context, package: Package, *, stubs: bool) -> Package:
    """A package with everything that its source tree needs: lock files, and type stubs if wanted.

    Raises:
        DependencyError: the dependencies cannot be resolved together.
        CompileError: the compiler refuses the exported code.
        BuildError: the build failed otherwise.
    """
    package = package.locked(context)
    return package.with_stubs(type_stubs(context, package)) if stubs else package


def type_stubs(context: Context, package: Package) -> dict[str, str]:
    """Type stubs of a package, by PyO3's introspection; with a PyO3 that has none, stubs that only contain names.

    Args:
        context: where and with what to build.
        package: the package.

    Returns:
        Path below the import package and text of each stub.

    Raises:
        DependencyError: the dependencies cannot be resolved together.
        CompileError: the compiler refuses the exported code.
        BuildError: the build failed otherwise.
    """
    members = package.members
    if members[0].pyo3 < FIRST_PYO3:
        return plain_stubs(members, package.root)
    # Types are the same for every target: the stubs are built for this machine.
    artifact = build_inspected(make_build_target(context), package.locked(context))
    generated = {
        package.module if member is package.root else f"{package.module}.{member.module}"
        for member in members
        if member.syntax.main_module is None and "#[pymodule_init]" not in member.cell.source
    }
    if package.root is None:
        generated.add(package.module)
    exceptions = {member.syntax.main_module or member.module: exception_bases(member) for member in members}
    types = {member.module: array_types(member) for member in members}
    ufuncs = {
        member.module: {export.name: export.ufunc.docs for export in member.syntax.exports if export.ufunc}
        for member in members
    }
    found = make_stubs(
        read_chunks(artifact.file),
        package.module,
        complete=frozenset(generated),
        exceptions=exceptions,
        types=types,
        ufuncs=ufuncs,
    )
    return found or plain_stubs(members, package.root)
