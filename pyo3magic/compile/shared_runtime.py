"""Link the dylibs that cells share: the runtime, which contains pyo3, and one for each group of other crates.

Rust allows a crate only once in a program, and PyO3's Python types are statics of crates. Crates that two cells have in
common must therefore be in a separate library, which is linked once, kept in the store, and used by both cells.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import BuildError, DependencyError
from pyo3magic.process import run
from pyo3magic.store import digest_libraries
from pyo3magic.store.locking import exclusive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.environment.context import Context
    from pyo3magic.errors import PyO3MagicError
    from pyo3magic.process import Finished

    from .rustc_line import Invocation

__all__ = [
    "BESIDE",
    "INHERITED",
    "Provider",
    "compiler_line",
    "explain_failure",
    "provide",
    "providers_of",
    "rpath",
    "stored_provider",
]

BESIDE = "$ORIGIN"
"""The library's own folder, as the loader of an ELF system writes it."""

INHERITED = "pyo3magic_inherited_"
"""Prefix of the names of dependencies that a cell has because a cell that it uses has them."""

_OWN = frozenset({"pyo3", "pyo3magic_support"})


@dataclass(frozen=True, slots=True)
class Provider:
    """A dylib in the store with crates for linked cells: the runtime with pyo3, or a group of dependencies.

    Attributes:
        name: its crate name, unique to its content.
        file: the library.
        sha256: digest of the library and of the standard library in the same folder.
    """

    name: str
    file: Path
    sha256: str

    @property
    def stored(self) -> tuple[str, str]:
        """The file and its digest, as an artifact records them."""
        return str(self.file), self.sha256


def providers_of(context: Context, invocation: Invocation, lock: str, *, library: bool) -> tuple[Provider, ...]:
    """Return the runtime and, for a cell that others may use, the dylibs with its dependencies; link missing ones.

    Args:
        context: where and with what to build.
        invocation: cargo's rustc line for crates with these dependencies.
        lock: the text of ``Cargo.lock``.
        library: whether other cells may use the cell, which then must not contain its dependencies.

    Raises:
        BuildError: a dylib cannot be linked.
    """
    libraries = dict(_externs(invocation))
    runtime = provide(context, invocation, {name: path for name, path in libraries.items() if name in _OWN}, ())
    providers = [runtime]
    if library:
        # Inherited dependencies are in the dylibs of the cells that it uses.
        names = [name for name in libraries if name not in _OWN and not name.startswith(INHERITED)]
        more = {name: libraries[name] for name in names if libraries[name].suffix == ".rlib"}
        crates = tuple((name, path.stem.removeprefix("lib").rpartition("-")[0]) for name, path in more.items())
        providers += [
            provide(context, invocation, {name: more[name] for name in group}, (runtime,))
            for group in _groups(lock, crates)
        ]
    return tuple(providers)


def provide(
    context: Context, invocation: Invocation, crates: Mapping[str, Path], others: Sequence[Provider]
) -> Provider:
    """Return the dylib that contains ``crates``, from the store or newly linked.

    Args:
        context: where and with what to build.
        invocation: cargo's rustc line for a crate that depends on ``crates``.
        crates: the rlib of each crate, by crate name.
        others: dylibs with the crates that ``crates`` depend on.

    Raises:
        BuildError: the dylib cannot be linked.
        DependencyError: two of the dylibs contain the same crate.
    """
    parts = (
        context.toolchain.digest,
        context.interpreter.digest,
        context.environment_digest,
        sorted((name, path.name) for name, path in crates.items()),
        [provider.name for provider in others],
        context.cross,
        context.shipped and bool(others),
    )
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    kind = "runtime" if "pyo3" in crates else "dependencies"
    name = f"pyo3magic_{kind}_{digest[:12]}"
    place = context.store.place("runtimes", digest)
    present = _present(name, place, context)
    if present is not None:
        return present
    # Two kernels that link the same cells at the same time must not replace each other's library.
    with exclusive(context.store.place("locks", f"runtime-{digest[:2]}.lock")):
        return _present(name, place, context) or _link(context, invocation, crates, others, name, place)


def stored_provider(stored: tuple[str, str]) -> Provider:
    """Return the provider for the file and digest that an artifact has recorded."""
    file, sha256 = Path(stored[0]), stored[1]
    return Provider(file.name.partition(".")[0].removeprefix("lib"), file, sha256)


def compiler_line(invocation: Invocation, name: str, kind: str, source: Path, output: Path) -> list[str]:
    """Adapt a recorded rustc line.

    Args:
        invocation: the recorded invocation.
        name: the new crate name.
        kind: the new crate type, such as ``dylib``.
        source: the source file to compile.
        output: the folder to write to.

    Returns:
        Program and arguments.
    """
    arguments: list[str] = []
    words = iter(invocation.arguments)
    for word in words:
        if word in {"--crate-name", "--crate-type", "--out-dir"}:
            next(words)
        elif word == "lto" or word.startswith(("metadata=", "extra-filename=", "lto=")):
            # Rust dylibs cannot be optimised across crates (rustc book, codegen options, `prefer-dynamic`).
            arguments.pop()
        elif not word.endswith("src/lib.rs"):
            arguments.append(word)
    arguments += ["--crate-name", name, "--crate-type", kind, "--out-dir", str(output)]
    return [*arguments, "-C", "prefer-dynamic", "-C", f"metadata={name}", str(source)]


def rpath(place: Path | str) -> list[str]:
    """Return compiler arguments that make the loader look for libraries in ``place``."""
    return ["-C", f"link-arg=-Wl,-rpath,{place}"]


def explain_failure(finished: Finished, cells: Sequence[str]) -> PyO3MagicError:
    """Return the error for a link failure that is not due to the cell's own code.

    Args:
        finished: how rustc ended, and its output with JSON messages.
        cells: names of the cells that were linked.
    """
    from .cargo import json_lines
    from .hints.cargo_failures import explain_shortage

    messages = (str(item.get("rendered") or item.get("message") or "") for item in json_lines(finished.stderr))
    said = "\n".join(filter(None, messages)) or finished.stderr
    shortage = explain_shortage(finished.status, f"{said}\n{finished.stderr}")
    if shortage is not None:
        return shortage
    if "only shows up once" in said:
        return DependencyError(
            f"A crate is linked into more than one of {', '.join(cells) or 'the cells it uses'}, and Rust allows it "
            "only once in a program.",
            advice="Give these cells the same dependencies (the same -d options or front matter), and run them again.",
            details=said,
        )
    return BuildError(
        "The compiler could not link this cell with the cells it uses.",
        advice="Run the used cells again with --force; if that does not help, leave out -m.",
        details=said,
    )


def _present(name: str, place: Path, context: Context) -> Provider | None:
    with contextlib.suppress(OSError):
        sha256 = (place / "sha256").read_text(encoding="ascii")
        if digest_libraries(place) == sha256:
            return Provider(name, place / f"lib{name}{_suffix(context)}", sha256)
    return None


def _link(
    context: Context,
    invocation: Invocation,
    crates: Mapping[str, Path],
    others: Sequence[Provider],
    name: str,
    place: Path,
) -> Provider:
    with context.store.workspace() as workspace:
        source = "".join(f"extern crate {crate} as _;\n" for crate in [*crates, *(other.name for other in others)])
        (workspace / "lib.rs").write_text(source, encoding="utf-8")
        arguments = compiler_line(invocation, name, "dylib", Path("lib.rs"), workspace)
        for other in others:
            arguments += ["--extern", f"{other.name}={other.file}", "-L", str(other.file.parent)]
            arguments += [] if context.shipped else rpath(other.file.parent)
        if not others:
            for path in _standard_library(context):
                shutil.copyfile(path, workspace / path.name)
        arguments += rpath("@loader_path" if "apple" in context.triple else BESIDE)
        finished = run(arguments, cwd=workspace, environ={**context.environ, **invocation.variables})
        if finished.status != 0:
            raise explain_failure(finished, ())
        sha256 = digest_libraries(workspace)
        (workspace / "sha256").write_text(sha256, encoding="ascii")
        # Another process may have linked it at the same time.
        context.store.replace_folder(workspace, place, is_good=lambda _: _present(name, place, context) is not None)
    return _present(name, place, context) or Provider(name, place / f"lib{name}{_suffix(context)}", sha256)


def _externs(invocation: Invocation) -> list[tuple[str, Path]]:
    arguments = invocation.arguments
    named = [arguments[i + 1].partition("=") for i, word in enumerate(arguments) if word == "--extern"]
    return [(name.rpartition(":")[2], Path(path)) for name, _, path in named if path]


@lru_cache(maxsize=16)
def _groups(lock: str, crates: tuple[tuple[str, str], ...]) -> tuple[tuple[str, ...], ...]:
    """Split a cell's direct dependencies into groups that share no crates except pyo3 and its dependencies.

    Each group becomes a dylib, and all cells with this group use the same dylib, because Rust allows a crate only once
    in a program.

    Args:
        lock: the text of ``Cargo.lock``.
        crates: for each dependency, the cell's name for it and its own library name.

    Returns:
        The groups, each as the cell's names for its dependencies.
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
    for crate, library in sorted(crates):
        package = next((name for name in needs if name.replace("-", "_") == library), library)
        members: tuple[str, ...] = (crate,)
        contents = closure(package) - shared
        for other in [group for group in groups if group[1] & contents]:
            groups.remove(other)
            members, contents = (*other[0], *members), contents | other[1]
        groups.append((members, contents))
    return tuple(tuple(sorted(members)) for members, _ in groups)


def _standard_library(context: Context) -> list[Path]:
    """Return Rust's shared standard library; if missing, as in Debian's packages, the runtime contains it."""
    folder = context.toolchain.sysroot / "lib" / "rustlib" / context.triple / "lib"
    return sorted(folder.glob(f"libstd-*{_suffix(context)}"))


def _suffix(context: Context) -> str:
    return ".dylib" if "apple" in context.triple else ".so"
