"""Builds a package's extension module from the exported sources, so wheel and sdist are the same code.

The module that the notebook has loaded is not published: it contains code for the session (where it panicked) and may
need other files of the store. Once its dependencies are compiled, one rustc builds the module for the wheel. The store
keeps it like any other artifact, and the next export of the same sources compiles nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.compile.build_crate import compile_crate, compile_directly, recorded_invocation
from pyo3magic.compile.profile import module_profile
from pyo3magic.crate import Attached, Companions, Crate, Manifest
from pyo3magic.errors import BuildError, CompileError
from pyo3magic.store import Description
from pyo3magic.store.files import write_files

from .project_manifest import ABI3, ANONYMOUS, anonymous_manifest, tables
from .rust_syntax import bodiless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact, Inputs

    from .build_target import BuildTarget
    from .source_tree import Package

__all__ = ["ExportCrate", "build_extension", "build_inspected", "extension_suffix", "wheel_crate", "without_bodies"]


@dataclass(frozen=True, slots=True)
class ExportCrate(Crate):
    """A crate of several files, compiled under a name that is not in its manifest.

    The manifest contains neither the package's name nor what PyPI shows about it. So the first export of a new cell
    reuses the compiler line of an earlier package with the same dependencies, and starts no cargo.

    Attributes:
        others: relative path and text of each Rust file other than ``src/lib.rs``.
        name: the library's name.
        facts: the variables about the package that ``env!`` reads (cargo book, "Environment variables").
    """

    others: tuple[tuple[str, str], ...] = ()
    name: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    def files(self, support: Path | None = None) -> Iterator[tuple[str, str]]:
        """Relative path and text of each file; there is no support crate."""
        yield from Crate.files(self, support)
        yield from self.others

    def write_attached(self, folder: Path) -> None:
        """Write the files other than ``src/lib.rs`` to ``folder``."""
        write_files(folder, {name: text.encode() for name, text in self.others} | self.attached())


def wheel_crate(package: Package, *, inspect: bool = False) -> ExportCrate:
    """The crate that is built for a wheel (a ``cdylib`` alone, stripped) or for type stubs.

    Args:
        package: the package, with its lock files.
        inspect: build with PyO3's introspection data (``experimental-inspect``), the crate's own code not optimised.
    """
    import tomlkit

    document = tables(anonymous_manifest(package.manifest))
    document["lib"]["crate-type"] = ["cdylib"]
    release = document.setdefault("profile", {}).setdefault("release", {})
    release.setdefault("incremental", False)
    own = release.setdefault("package", {}).setdefault(ANONYMOUS, {})
    if inspect:
        own["opt-level"] = 0
        if not any(member.syntax.uses_python_cfgs for member in package.members):
            # The stable ABI does not change types, and without it the pyo3 that is already compiled can be used.
            features = document["features"]
            features["default"] = [name for name in features["default"] if name != ABI3]
        entry = document["dependencies"]["pyo3"]
        entry = document["dependencies"]["pyo3"] = {"version": entry} if isinstance(entry, str) else entry
        entry["features"] = sorted({*entry.get("features", ()), "experimental-inspect"})
    elif not {"strip", "debug"} & release.keys():
        own.setdefault("strip", "symbols")
    files = package.rust_files()
    source, script = files.pop("src/lib.rs"), files.pop("build.rs", "")
    return ExportCrate(
        Manifest(tomlkit.dumps(document), ANONYMOUS, ANONYMOUS),
        source,
        script,
        package.build_lock,
        package.module,
        companions=Companions(tuple(Attached(name, data, "") for name, data in package.attached_files().items())),
        others=tuple(sorted(files.items())),
        name=package.manifest.library,
        facts=_facts(package.manifest),
    )


def without_bodies(crate: ExportCrate) -> ExportCrate:
    """The same crate without function bodies, which type stubs do not depend on: most edits need no new stubs."""
    others = tuple((name, bodiless(text)) for name, text in crate.others)
    return dataclasses.replace(crate, source=bodiless(crate.source), others=others)


def extension_suffix(package: Package, target: BuildTarget) -> str:
    """Suffix of the extension module's file in a wheel for that target."""
    interpreter = target.context.interpreter
    if package.abi3 is not None:
        return ".pyd" if interpreter.is_windows else ".abi3.so"
    return interpreter.ext_suffix


def build_extension(target: BuildTarget, package: Package, *, force: bool = False) -> Artifact:
    """Build a package's extension module, or find it in the store.

    Args:
        target: what the build is for.
        package: the package, with its lock files.
        force: build even if the store has the module.

    Raises:
        CompileError: the compiler refuses the code; with the stable ABI, the advice says that this may be the cause.
        BuildError: cargo or rustc failed otherwise.
        DependencyError: a crate cannot be downloaded.
    """
    try:
        return _build(target, package, wheel_crate(package), force=force)
    except CompileError as error:
        raise _explained(error, package) from None


def build_inspected(target: BuildTarget, package: Package) -> Artifact:
    """Build a module with PyO3's introspection data, or find it in the store; it serves only to read that data.

    Raises:
        CompileError: the compiler refuses the package's code.
        BuildError: cargo or rustc failed otherwise.
        DependencyError: a crate cannot be downloaded.
    """
    crate = wheel_crate(package, inspect=True)
    try:
        return _build(target, package, without_bodies(crate))
    except CompileError:
        # The code may depend on a body in ways that its syntax does not show, or may forbid warnings.
        return _build(target, package, crate)


def _build(target: BuildTarget, package: Package, crate: ExportCrate, *, force: bool = False) -> Artifact:
    context = target.context
    parts = (
        tuple(crate.files()),
        tuple(crate.attached().items()),
        crate.name,
        crate.facts,
        context.interpreter.digest,
        context.toolchain.digest,
        context.environment_digest,
        target.triple,
        module_profile(context).identity,
    )
    key = hashlib.sha256(repr(("export without paths", *parts)).encode()).hexdigest()
    present = None if force else context.store.find(key, context.environ)
    if present is not None:
        return present
    started = time.perf_counter()
    with context.store.workspace() as workspace:
        file, diagnostics, inputs = _compile(context, crate, workspace)
        return context.store.publish(
            key,
            inputs,
            Description(
                module=package.module,
                file_name=package.module + extension_suffix(package, target),
                interpreter=context.interpreter.identity,
                diagnostics=tuple(item.to_dict() for item in diagnostics),
                seconds=time.perf_counter() - started,
            ),
            built=file,
            write_crate=crate.write,
        )


def _compile(context: Context, crate: ExportCrate, workspace: Path) -> tuple[Path, tuple[Diagnostic, ...], Inputs]:
    """Start rustc as cargo does for a package with the same dependencies, or cargo itself if that fails."""
    profile = module_profile(context)
    with contextlib.suppress(BuildError):
        invocation = recorded_invocation(context, crate, profile)
        folder, output = workspace / "package", workspace / "out"
        arguments = list(invocation.elsewhere(folder, output))
        arguments[arguments.index("--crate-name") + 1] = crate.name
        # Panics name the package's files, and debug information has no temporary folder (rustc book, options).
        arguments += [f"--remap-path-prefix={folder}=.", f"--remap-path-prefix=src={crate.name}/src"]
        named = dataclasses.replace(invocation, variables={**invocation.variables, **dict(crate.facts)})
        outcome = compile_directly(context, crate, context.environ, named, arguments, folder, output)
        if outcome is not None:
            return outcome
    built = compile_crate(context, crate, profile, workspace, force=True)
    return built.file, built.diagnostics, built.inputs


def _facts(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """The variables with the package's name and metadata that cargo sets while it compiles a package."""
    package = tables(manifest)["package"]
    version, _, pre = str(package["version"]).partition("+")[0].partition("-")
    major, minor, patch = version.split(".")
    told = {
        "NAME": package["name"],
        "VERSION": package["version"],
        "VERSION_MAJOR": major,
        "VERSION_MINOR": minor,
        "VERSION_PATCH": patch,
        "VERSION_PRE": pre,
        "AUTHORS": ":".join(package.get("authors", ())),
        **{key.upper(): package.get(key, "") for key in ("description", "homepage", "repository", "license", "readme")},
    }
    found = {f"CARGO_PKG_{key}": str(value) for key, value in told.items()}
    return tuple(sorted({**found, "CARGO_CRATE_NAME": manifest.library}.items()))


def _explained(error: CompileError, package: Package) -> CompileError:
    advice = error.advice
    if package.abi3 is not None:
        why = (
            f"With --abi3, code may only use the stable ABI of Python {package.abi3[0]}.{package.abi3[1]}: leave out "
            "the option to make a wheel for this Python version, or name a newer version, for example --abi3 3.12."
        )
        advice = f"{advice}\n{why}" if advice else why
    return CompileError(error.message, diagnostics=error.diagnostics, label="the exported crate", advice=advice)
