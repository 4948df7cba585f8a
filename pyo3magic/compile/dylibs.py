"""Link cells that use other cells: each is a Rust dylib, and all share one pyo3 and therefore the same Python types.

PyO3's type object is a static of the crate that defines the class, so two modules that each contain that crate have
two type objects (PyO3 issue 1444). A named cell is therefore compiled as a Rust dylib, pyo3 is in a dylib of its own
(the *runtime*), and a later cell links both. ``docs/decisions`` has the measurements.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.crate import manifest_features, package_dependencies, pyo3_features
from pyo3magic.crate.lock import locked_version
from pyo3magic.errors import BuildError, CellError, DependencyError
from pyo3magic.process import run

from .build_crate import Built, compile_directly, recorded_invocation
from .shared_runtime import BESIDE, INHERITED, compiler_line, explain_failure, providers_of, rpath, stored_provider

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pyo3magic.crate import Crate
    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact, Store

    from .profile import Profile
    from .rustc_line import Invocation
    from .shared_runtime import Provider

__all__ = [
    "Links",
    "compile_linked",
    "inherited_dependencies",
    "is_supported",
    "linked_line",
    "prepare",
    "reachable_cells",
    "used_cells",
]


@dataclass(frozen=True, slots=True)
class Links:
    """Everything that a cell is linked with.

    Attributes:
        crate_name: name of the dylib's crate, unique to its content.
        invocation: cargo's rustc line for crates with these dependencies.
        cells: the cells it uses, by name.
        reachable: the cells it uses, directly or through other cells.
        providers: the dylibs with pyo3 and with dependencies.
        library: whether other cells may use this cell.
        shipped: whether all libraries will be loaded from one folder, perhaps on another machine.
    """

    crate_name: str
    invocation: Invocation
    cells: Mapping[str, Artifact]
    reachable: tuple[Artifact, ...]
    providers: tuple[Provider, ...]
    library: bool
    shipped: bool = False

    @property
    def extern_crates(self) -> tuple[str, ...]:
        """Crates that the source has to name to make the compiler link them."""
        return tuple(provider.name for provider in self.providers)


def is_supported(context: Context) -> bool:
    """Return whether cells can be Rust dylibs: not on Windows, nor with musl's static C library."""
    if context.standalone or context.environ.get("PYO3MAGIC_LINKING") == "source":
        return False
    return "linux-gnu" in context.triple or ("apple-darwin" in context.triple and not context.shipped)


def used_cells(
    crates: Iterable[str], declared: Iterable[str], named: Mapping[str, Artifact], own: str | None
) -> dict[str, Artifact]:
    """Find the session's cells that a cell uses: its code names them, and its manifest has no crate of that name.

    Args:
        crates: first segments of the paths in the cell's code.
        declared: names of the crates in its manifest.
        named: the session's cells by name.
        own: the cell's own name.

    Returns:
        The used cells by name.

    Raises:
        CellError: the cell uses itself, directly or through another cell.
    """
    taken = {name.replace("-", "_") for name in declared}
    used = {name: named[name] for name in sorted(set(crates) & named.keys()) if name not in taken}
    if own in used:
        raise CellError(
            f"The cell {own!r} uses itself.",
            advice=f"Inside the cell, name its items without `{own}::`; or give this cell another name with -m.",
        )
    for name, artifact in used.items():
        path = _path_to(own, artifact, named) if own is not None else None
        if path is not None:
            raise CellError(
                f"The cells use each other in a circle: {' uses '.join((str(own), name, *path))}.",
                advice="Move what both need into a third cell.",
            )
    return used


def inherited_dependencies(used: Mapping[str, Artifact], own: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the dependencies of used cells under generated names, except the packages in ``own``.

    cargo compiles a crate with every feature that any package in the graph requests. A cell therefore gets the same
    pyo3 as the cells it uses only if the same crates are in its graph.

    Args:
        used: the used cells by name.
        own: names of the packages that the cell declares itself.

    Returns:
        Tables for the manifest's ``[dependencies]``, by name.
    """
    found: dict[str, dict[str, Any]] = {}
    for artifact in used.values():
        for entry in package_dependencies(artifact.crate):
            known = found.setdefault(entry["package"], entry)
            features = {*known.get("features", ()), *entry.get("features", ())}
            found[entry["package"]] = known | ({"features": sorted(features)} if features else {})
    return {f"{INHERITED}{number}": found[name] for number, name in enumerate(sorted(found.keys() - set(own)))}


def prepare(
    context: Context, crate: Crate, profile: Profile, key: str, used: Mapping[str, Artifact], *, library: bool
) -> Links:
    """Find or build the runtime and the dependencies' dylibs that a linked cell needs.

    Args:
        context: where and with what to build.
        crate: the cell's crate.
        profile: how to compile it.
        key: the cell's key; it goes into the dylib's crate name.
        used: the cells it uses, by name.
        library: whether other cells may use this cell.

    Raises:
        DependencyError: the cell's pyo3 differs from the pyo3 of a used cell, or two used cells contain one dependency.
        BuildError: a dylib cannot be linked.
    """
    _check_requirements(crate, used)
    reachable = reachable_cells(context.store, used)
    invocation = recorded_invocation(context, crate, _shared(profile))
    runtime, *own = providers_of(context, invocation, crate.lock, library=library)
    _check_same_pyo3(used, runtime)
    recorded = [stored_provider(stored) for artifact in reachable for stored in artifact.providers]
    providers = tuple(dict.fromkeys([runtime, *recorded, *own]))
    name = f"{crate.module}_{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    return Links(name, invocation, used, reachable, providers, library, context.shipped)


def compile_linked(context: Context, crate: Crate, profile: Profile, links: Links, workspace: Path) -> Built:
    """Compile a cell against the runtime and the cells it uses.

    Raises:
        CompileError: the cell has errors.
        DependencyError: two of the cells it uses contain the same dependency.
        BuildError: the compiler failed for another reason.
    """
    started = time.perf_counter()
    folder, output = workspace / "package", workspace / "out"
    # A panic message has the file's name, which must identify the cell.
    source = f"src/{links.crate_name}.rs"
    # Code that another cell inlines has the file's whole path otherwise.
    arguments = [*linked_line(links, profile, source, output), f"--remap-path-prefix={folder}="]
    environ = _shared(profile).environment(context.environ)
    outcome = compile_directly(context, crate, environ, links.invocation, arguments, folder, output, source)
    if outcome is None:
        finished = run(arguments, cwd=folder, environ={**environ, **links.invocation.variables})
        if finished.status == 0:
            raise BuildError(
                "The compiler failed, and succeeded when it was started again.", advice="Run the cell again."
            )
        raise explain_failure(finished, sorted(links.cells))
    file, diagnostics, inputs = outcome
    return Built(file, diagnostics, inputs, time.perf_counter() - started, by_cargo=False)


def linked_line(links: Links, profile: Profile, source: str, output: Path) -> list[str]:
    """Return the compiler's program and arguments that compile ``source`` into ``output`` as a linked cell."""
    kind = "dylib" if links.library else "cdylib"
    arguments = compiler_line(links.invocation, links.crate_name, kind, Path(source), output)
    for provider in links.providers:
        arguments += ["--extern", f"{provider.name}={provider.file}"]
    for name, artifact in links.cells.items():
        arguments += ["--extern", f"{name}={artifact.file}"]
    files = [provider.file for provider in links.providers] + [artifact.file for artifact in links.reachable]
    for place in dict.fromkeys(file.parent for file in files):
        arguments += ["-L", str(place), *([] if links.shipped else rpath(place))]
    if links.shipped:
        arguments += [*rpath(BESIDE), "-C", "strip=debuginfo"]
    if profile.debug:
        arguments += ["-C", "opt-level=0", "-C", "debug-assertions=on", "-C", "debuginfo=line-tables-only"]
    if profile.native:
        arguments += ["-C", "target-cpu=native"]
    return arguments


def _shared(profile: Profile) -> Profile:
    """Return the profile for what linked cells share: optimised and portable, so cells of any profile can be mixed."""
    return dataclasses.replace(profile, debug=False, native=False)


def reachable_cells(store: Store, used: Mapping[str, Artifact]) -> tuple[Artifact, ...]:
    """Return the used cells, and the cells that they use in turn, from the store.

    Args:
        store: the store.
        used: the used cells by name.

    Raises:
        StoreError: one of them is missing or damaged.
    """
    found: dict[str, Artifact] = {}
    todo = [(name, artifact.digest) for name, artifact in used.items()]
    while todo:
        name, digest = todo.pop(0)
        if digest not in found:
            found[digest] = store.need(name, digest)
            todo += found[digest].cells.items()
    return tuple(found.values())


def _path_to(own: str | None, artifact: Artifact, named: Mapping[str, Artifact]) -> tuple[str, ...] | None:
    """Return the names of the cells through which ``artifact`` uses the cell ``own``; None if it does not."""
    for name in artifact.cells:
        if name == own:
            return (name,)
        further = _path_to(own, named[name], named) if name in named else None
        if further is not None:
            return (name, *further)
    return None


def _check_requirements(crate: Crate, used: Mapping[str, Artifact]) -> None:
    """Check, before anything is compiled, that all cells need the same pyo3 version and features."""
    ours = set(manifest_features(crate.manifest.text))
    version = locked_version(crate.lock, "pyo3")
    for name, artifact in used.items():
        theirs = locked_version((artifact.crate / "Cargo.lock").read_text(encoding="utf-8"), "pyo3")
        if theirs != version:
            raise DependencyError(
                f"The cell {name!r} was built with pyo3 {_dotted(theirs)}, and this one would get {_dotted(version)}; "
                "Python types cannot be shared between two versions of pyo3.",
                advice=f"Write the same --pyo3 in both cells, run {name!r} again, and then this one.",
            )
        more = sorted(ours - set(pyo3_features(artifact.crate)))
        if more:
            raise DependencyError(
                f"This cell needs pyo3 with {' and '.join(more)}, but the cell {name!r}, which it uses, was built "
                "without; Python types cannot be shared between the two.",
                advice=f"Add the dependency that enables it to {name!r} too (such as -d {more[0]}), run {name!r} "
                "again, and then this one.",
            )


def _dotted(version: tuple[int, ...] | None) -> str:
    return ".".join(map(str, version or ("?",)))


def _check_same_pyo3(used: Mapping[str, Artifact], runtime: Provider) -> None:
    for name, artifact in used.items():
        theirs = next((Path(file).parent for file, _ in artifact.providers), None)
        if theirs != runtime.file.parent:
            raise DependencyError(
                f"The cell {name!r} was built with a different build of pyo3 than this cell would use, so the two "
                "cannot share Python types.",
                advice="Give both cells the same dependencies, the same [profile] in their front matter and the same "
                f"environment, run {name!r} again, and then this one.",
            )
