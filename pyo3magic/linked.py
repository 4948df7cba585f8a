"""Cells that other cells can use: Rust dylibs that share one pyo3, so that their Python types are the same ones.

PyO3's type object is a static of the crate that defines the class, and two modules that each contain that crate have two of
them (PyO3 issue 1444). So a cell with a name is compiled as a Rust dylib, pyo3 itself sits in a dylib of its own (the
*runtime*), and a later cell links both. See ``docs/decisions`` for what was measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import shutil
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .build import Built, compile_directly, recorded_invocation
from .crate import locked_version, manifest_features, pyo3_features
from .errors import BuildError, CellError, DependencyError, StoreError
from .process import run
from .store import digest_libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .build import Profile
    from .context import Context
    from .crate import Crate
    from .invocation import Invocation
    from .store import Artifact

__all__ = ["Links", "Provider", "compile_linked", "is_supported", "prepare", "used_cells"]

_OWN = frozenset({"pyo3", "pyo3magic_support"})


@dataclass(frozen=True, slots=True)
class Provider:
    """A dylib in the store that holds crates for linked cells: the runtime with pyo3, or one with a cell's dependencies.

    Attributes:
        name: its crate name, unique to its content.
        file: the library.
        sha256: digest of that file and of the standard library beside it.
    """

    name: str
    file: Path
    sha256: str

    @property
    def stored(self) -> tuple[str, str]:
        """What an artifact records of it."""
        return str(self.file), self.sha256


@dataclass(frozen=True, slots=True)
class Links:
    """Everything a linked cell is linked with.

    Attributes:
        crate_name: name of the dylib's crate, unique to its content.
        invocation: how cargo compiles crates with these dependencies.
        cells: the cells it uses, by the name under which it uses them.
        reachable: those and the cells they use in turn.
        providers: runtime and dependencies.
        library: whether other cells may use it in turn.
    """

    crate_name: str
    invocation: Invocation
    cells: Mapping[str, Artifact]
    reachable: tuple[Artifact, ...]
    providers: tuple[Provider, ...]
    library: bool

    @property
    def extern_crates(self) -> tuple[str, ...]:
        """Crates that the source has to name, so that the compiler links them."""
        return tuple(provider.name for provider in self.providers)


def is_supported(triple: str, environ: Mapping[str, str]) -> bool:
    """Whether Rust dylibs can be used this way: not on Windows, nor with musl's static C library."""
    if environ.get("PYO3MAGIC_LINKING") == "source":
        return False
    return "linux-gnu" in triple or "apple-darwin" in triple


def used_cells(
    crates: Iterable[str], declared: Iterable[str], named: Mapping[str, Artifact], own: str | None
) -> dict[str, Artifact]:
    """The cells of the session that a cell uses: what its code names, unless it declares a crate of that name.

    Args:
        crates: first segments of the paths in the cell's code.
        declared: names of the crates in its manifest.
        named: the session's cells by name.
        own: the cell's own name.

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


def prepare(
    context: Context, crate: Crate, profile: Profile, key: str, used: Mapping[str, Artifact], *, library: bool
) -> Links:
    """Find or build the runtime and the dependencies' dylib that a linked cell needs.

    Raises:
        DependencyError: the cell's pyo3 is not the one of the cells it uses, or a dependency is in two of them.
        BuildError: a dylib cannot be made.
    """
    _check_requirements(crate, used)
    invocation = recorded_invocation(context, crate, _shared(profile))
    reachable = _reachable(context, used)
    libraries = dict(_externs(invocation))
    runtime = _provide(context, invocation, {name: path for name, path in libraries.items() if name in _OWN}, ())
    _check_same_pyo3(used, runtime)
    providers = [runtime]
    for artifact in reachable:
        providers += [provider for provider in map(_find, artifact.providers) if provider not in providers]
    more = {name: path for name, path in libraries.items() if name not in _OWN and path.suffix == ".rlib"}
    if library:
        for group in _groups(crate.lock, tuple(more)):
            provider = _provide(context, invocation, {name: more[name] for name in group}, (runtime,))
            if provider not in providers:
                providers.append(provider)
    name = f"{crate.module}_{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    return Links(name, invocation, used, reachable, tuple(providers), library)


def compile_linked(context: Context, crate: Crate, profile: Profile, links: Links, workspace: Path) -> Built:
    """Compile a cell against the runtime and the cells it uses.

    Raises:
        CompileError: the cell has errors.
        DependencyError: a dependency is in two of the cells it uses.
        BuildError: the compiler failed otherwise.
    """
    started = time.perf_counter()
    folder, output = workspace / "package", workspace / "out"
    kind = "dylib" if links.library else "cdylib"
    # Panics tell the file's name: it has to tell one linked cell from another.
    source = f"src/{links.crate_name}.rs"
    arguments = _line(links.invocation, links.crate_name, kind, Path(source), output)
    for provider in links.providers:
        arguments += ["--extern", f"{provider.name}={provider.file}"]
    for name, artifact in links.cells.items():
        arguments += ["--extern", f"{name}={artifact.file}"]
    files = [provider.file for provider in links.providers] + [artifact.file for artifact in links.reachable]
    for place in dict.fromkeys(file.parent for file in files):
        arguments += ["-L", str(place), "-C", f"link-arg=-Wl,-rpath,{place}"]
    if profile.debug:
        arguments += ["-C", "opt-level=0", "-C", "debug-assertions=on", "-C", "debuginfo=line-tables-only"]
    if profile.native:
        arguments += ["-C", "target-cpu=native"]
    environ = _shared(profile).environment(context.environ)
    outcome = compile_directly(context, crate, environ, links.invocation, arguments, folder, output, source)
    if outcome is None:
        raise _explain(run(arguments, cwd=folder, environ={**environ, **links.invocation.variables}).stderr, links)
    file, diagnostics, inputs = outcome
    return Built(file, diagnostics, inputs, time.perf_counter() - started, by_cargo=False)


def _shared(profile: Profile) -> Profile:
    """The profile of what linked cells share: optimised and portable, so that cells of any profile can be mixed."""
    return dataclasses.replace(profile, debug=False, native=False)


def _reachable(context: Context, used: Mapping[str, Artifact]) -> tuple[Artifact, ...]:
    found: dict[str, Artifact] = {}
    todo = list(used.values())
    while todo:
        artifact = todo.pop(0)
        if artifact.digest in found:
            continue
        found[artifact.digest] = artifact
        for name, digest in artifact.cells.items():
            needed = context.store.get(digest)
            if needed is None:
                raise StoreError(
                    f"The cell {artifact.module!r} uses {name!r}, which is no longer in the store.",
                    advice=f"Run the cells {name!r} and {artifact.module!r} again.",
                )
            todo.append(needed)
    return tuple(found.values())


def _path_to(own: str | None, artifact: Artifact, named: Mapping[str, Artifact]) -> tuple[str, ...] | None:
    """Names of the cells from ``artifact`` to the cell ``own``, if it uses that."""
    for name in artifact.cells:
        if name == own:
            return (name,)
        further = _path_to(own, named[name], named) if name in named else None
        if further is not None:
            return (name, *further)
    return None


def _externs(invocation: Invocation) -> list[tuple[str, Path]]:
    arguments = invocation.arguments
    named = [arguments[i + 1].partition("=") for i, word in enumerate(arguments) if word == "--extern"]
    return [(name.rpartition(":")[2], Path(path)) for name, _, path in named if path]


def _provide(
    context: Context, invocation: Invocation, crates: Mapping[str, Path], others: Sequence[Provider]
) -> Provider:
    """The dylib that holds ``crates``, from the store or newly linked."""
    parts = (
        context.toolchain.digest,
        context.interpreter.digest,
        context.environment_digest,
        sorted((name, path.name) for name, path in crates.items()),
        [provider.name for provider in others],
    )
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    kind = "runtime" if "pyo3" in crates else "dependencies"
    name = f"pyo3magic_{kind}_{digest[:12]}"
    place = context.store.place("runtimes", digest)
    file = place / f"lib{name}{_suffix(context)}"
    with contextlib.suppress(OSError):
        sha256 = (place / "sha256").read_text(encoding="ascii")
        if digest_libraries(place) == sha256:
            return Provider(name, file, sha256)
    with context.store.workspace() as workspace:
        source = "".join(f"extern crate {crate} as _;\n" for crate in [*crates, *(other.name for other in others)])
        (workspace / "lib.rs").write_text(source, encoding="utf-8")
        arguments = _line(invocation, name, "dylib", Path("lib.rs"), workspace)
        for other in others:
            arguments += ["--extern", f"{other.name}={other.file}", "-L", str(other.file.parent)]
            arguments += ["-C", f"link-arg=-Wl,-rpath,{other.file.parent}"]
        if not others:
            for path in _standard_library(context):
                shutil.copyfile(path, workspace / path.name)
        arguments += ["-C", f"link-arg=-Wl,-rpath,{'@loader_path' if 'apple' in context.toolchain.host else '$ORIGIN'}"]
        finished = run(arguments, cwd=workspace, environ={**context.environ, **invocation.variables})
        if finished.status != 0:
            raise _explain(finished.stderr, None)
        sha256 = digest_libraries(workspace)
        (workspace / "sha256").write_text(sha256, encoding="ascii")
        context.store.replace_folder(workspace, place)
    return Provider(name, file, sha256)


@lru_cache(maxsize=16)
def _groups(lock: str, crates: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Split a cell's direct dependencies into groups that have no crate in common beside pyo3's own.

    Each group becomes a dylib that is the same for every cell that has it, since Rust allows a crate only once in a program.
    """
    import tomlkit

    packages = tomlkit.parse(lock).unwrap().get("package", [])
    needs = {package["name"]: [item.split()[0] for item in package.get("dependencies", ())] for package in packages}

    def closure(name: str) -> set[str]:
        found, todo = set(), [name]
        while todo:
            crate = todo.pop()
            if crate not in found:
                found.add(crate)
                todo += needs.get(crate, ())
        return found

    shared = closure("pyo3")
    groups: list[tuple[tuple[str, ...], set[str]]] = []
    for crate in sorted(crates):
        package = next((name for name in needs if name.replace("-", "_") == crate), crate)
        members: tuple[str, ...] = (crate,)
        contents = closure(package) - shared
        for other in [group for group in groups if group[1] & contents]:
            groups.remove(other)
            members, contents = (*other[0], *members), contents | other[1]
        groups.append((members, contents))
    return tuple(tuple(sorted(members)) for members, _ in groups)


def _find(stored: tuple[str, str]) -> Provider:
    file, sha256 = Path(stored[0]), stored[1]
    return Provider(file.name.partition(".")[0].removeprefix("lib"), file, sha256)


def _line(invocation: Invocation, name: str, kind: str, source: Path, output: Path) -> list[str]:
    """The recorded compiler line for another crate name and kind."""
    arguments: list[str] = []
    words = iter(invocation.arguments)
    for word in words:
        if word in {"--crate-name", "--crate-type", "--out-dir"}:
            next(words)
        elif word.startswith(("metadata=", "extra-filename=")):
            arguments.pop()
        elif not word.endswith("src/lib.rs"):
            arguments.append(word)
    arguments += ["--crate-name", name, "--crate-type", kind, "--out-dir", str(output)]
    return [*arguments, "-C", "prefer-dynamic", "-C", f"metadata={name}", str(source)]


def _standard_library(context: Context) -> list[Path]:
    folder = context.toolchain.sysroot / "lib" / "rustlib" / context.toolchain.host / "lib"
    return sorted(folder.glob(f"libstd-*{_suffix(context)}"))


def _suffix(context: Context) -> str:
    return ".dylib" if "apple" in context.toolchain.host else ".so"


def _check_requirements(crate: Crate, used: Mapping[str, Artifact]) -> None:
    """Compare what the cells ask of pyo3, before anything is compiled."""
    ours = set(manifest_features(crate.manifest.text))
    version = locked_version(crate.lock, "pyo3")
    for name, artifact in used.items():
        theirs = locked_version((artifact.crate / "Cargo.lock").read_text(encoding="utf-8"), "pyo3")
        if theirs != version:
            raise DependencyError(
                f"The cell {name!r} was built with pyo3 {_dotted(theirs)}, and this one would get {_dotted(version)}; Python "
                "types cannot be shared between two versions of pyo3.",
                advice=f"Write the same --pyo3 in both cells, run {name!r} again, and then this one.",
            )
        more = sorted(ours - set(pyo3_features(artifact.crate)))
        if more:
            raise DependencyError(
                f"This cell needs pyo3 with {' and '.join(more)}, and the cell {name!r}, which it uses, was built without; "
                "Python types cannot be shared between the two.",
                advice=f"Give {name!r} the dependency that switches it on too (for example -d {more[0]}), run it again, and "
                "then this one.",
            )


def _dotted(version: tuple[int, ...] | None) -> str:
    return ".".join(map(str, version or ("?",)))


def _check_same_pyo3(used: Mapping[str, Artifact], runtime: Provider) -> None:
    for name, artifact in used.items():
        theirs = next((Path(file).parent for file, _ in artifact.providers), None)
        if theirs != runtime.file.parent:
            raise DependencyError(
                f"The cell {name!r} was built with another build of pyo3 than this cell would be, so the two cannot share "
                "Python types.",
                advice=f"Give both cells the same dependencies and the same environment, run {name!r} again, and then this.",
            )


def _explain(stderr: str, links: Links | None) -> BuildError | DependencyError:
    from .cargo import json_lines

    said = "\n".join(str(item.get("rendered") or item.get("message")) for item in json_lines(stderr)) or stderr
    if "only shows up once" in said:
        cells = ", ".join(sorted(links.cells)) if links is not None else "the cells it uses"
        return DependencyError(
            f"A crate is linked into more than one of {cells}, and Rust allows it only once in a program.",
            advice="Give these cells the same dependencies (the same -d options or front matter), and run them again.",
            details=said,
        )
    return BuildError(
        "The compiler could not link this cell with the cells it uses.",
        advice="Run the used cells again with --force; if that does not help, leave out -m.",
        details=said,
    )
