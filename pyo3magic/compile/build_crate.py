"""Compile a crate with cargo, or with rustc directly, and collect the diagnostics and the module file."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.crate import path_dependencies
from pyo3magic.diagnostics import Diagnostic, from_rustc, summary
from pyo3magic.environment.build_options import Event
from pyo3magic.errors import BuildError, CompileError, StoreError
from pyo3magic.process import run
from pyo3magic.store import Inputs, digest_file, digest_tree

from . import rustc_line as recorded
from .cargo import failure_text, json_lines, run_cargo, target_folder
from .hints.cargo_failures import explain_cargo_failure
from .hints.rustc_hints import hint_for
from .path_prefixes import local_packages, write_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pyo3magic.crate import Crate
    from pyo3magic.environment.context import Context

    from .profile import Profile

__all__ = [
    "Built",
    "compile_crate",
    "compile_directly",
    "compile_error",
    "plan_folder",
    "recorded_invocation",
    "write_sources",
]

_log = logging.getLogger(__name__)

_ENV_DEP = re.compile(r"^# env-dep:([^=]+)(?:=(.*))?$")
_CHANGED = "changed during the build"
"""Digest for a file that changed during the build. It matches no real file, so the store never reuses the module."""

_LIBRARIES = frozenset({".so", ".dylib", ".dll"})


@dataclass(frozen=True, slots=True)
class Built:
    """The result of a successful build.

    Attributes:
        file: the module file, inside the workspace passed to the build.
        diagnostics: the compiler's warnings.
        inputs: the files, folders and variables that the build read in addition to the crate.
        seconds: the duration of the build.
        by_cargo: whether cargo ran; otherwise rustc ran directly.
    """

    file: Path
    diagnostics: tuple[Diagnostic, ...]
    inputs: Inputs
    seconds: float
    by_cargo: bool


def compile_crate(context: Context, crate: Crate, profile: Profile, workspace: Path, *, force: bool = False) -> Built:
    """Build a crate's library and put the module file into ``workspace``.

    Args:
        context: where and with what to build.
        crate: the crate.
        profile: how to compile it.
        workspace: an empty temporary folder.
        force: run cargo even if a rustc line is recorded.

    Raises:
        CompileError: the crate's own code has errors.
        BuildError: the build failed for another reason.
        DependencyError: a dependency cannot be downloaded or built.
    """
    started = time.perf_counter()
    plan = plan_folder(context, crate, profile)
    known = context.store.existing("plans", plan.name, "invocation.json")
    invocation = None if force else recorded.read_invocation(known, recorded.rustflags(context.environ))
    context.store.touch(plan, context.target_folder)
    why = "--force" if force else "no rustc line is recorded" if invocation is None else "the recorded line has aged"
    if invocation is not None and invocation.is_fresh():
        folder, output = workspace / "package", workspace / "out"
        arguments = invocation.elsewhere(folder, output)
        outcome = compile_directly(
            context, crate, profile.environment(context.environ), invocation, arguments, folder, output
        )
        if outcome is not None:
            file, diagnostics, inputs = outcome
            return Built(file, diagnostics, inputs, time.perf_counter() - started, by_cargo=False)
        why = "rustc alone left doubt"
    _log.info("plan %s is built by cargo: %s", plan.name[:12], why)
    file, diagnostics, inputs = _compile_with_cargo(context, crate, profile, plan, workspace)
    return Built(file, diagnostics, inputs, time.perf_counter() - started, by_cargo=True)


def plan_folder(context: Context, crate: Crate, profile: Profile) -> Path:
    """Return the store's folder for all crates that differ only in their source."""
    trees = [(str(folder), digest_tree(folder)) for folder in path_dependencies(crate.manifest)]
    parts = (
        crate.manifest.text,
        crate.lock,
        crate.build_script,
        crate.support,
        context.interpreter.digest,
        context.toolchain.digest,
        context.environment_digest,
        context.cross,
        context.standalone,
        context.shipped,
        profile.identity,
        trees,
        *crate.attached(),
    )
    return context.store.place("plans", hashlib.sha256(repr(parts).encode()).hexdigest())


def recorded_invocation(context: Context, crate: Crate, profile: Profile) -> recorded.Invocation:
    """Return cargo's rustc line for crates of this plan; if none is recorded, build an empty crate to get one.

    Raises:
        BuildError: cargo's output has no rustc line that can be parsed on this system.
        DependencyError: a dependency cannot be downloaded or built.
    """
    plan = plan_folder(context, crate, profile)
    flags = recorded.rustflags(context.environ)
    invocation = recorded.read_invocation(context.store.existing("plans", plan.name, "invocation.json"), flags)
    context.store.touch(plan, context.target_folder)
    if invocation is None or not invocation.is_fresh():
        with context.store.workspace() as workspace:
            _compile_with_cargo(context, dataclasses.replace(crate, source=""), profile, plan, workspace)
        invocation = recorded.read_invocation(plan / "invocation.json", flags)
    if invocation is None:
        raise BuildError(
            "The rustc command that cargo uses for this cell could not be determined, so other cells cannot use it.",
            advice="Leave out -m, and use items of one cell within that cell.",
        )
    return invocation


def compile_directly(
    context: Context,
    crate: Crate,
    environ: Mapping[str, str],
    invocation: recorded.Invocation,
    arguments: Sequence[str],
    folder: Path,
    output: Path,
    source_name: str = "src/lib.rs",
) -> tuple[Path, tuple[Diagnostic, ...], Inputs] | None:
    """Run rustc with the arguments that cargo used.

    Args:
        context: where and with what to build.
        crate: the crate to compile; its source is written to ``folder``.
        environ: the environment, to which the invocation's own variables are added.
        invocation: the recorded invocation.
        arguments: program and arguments, adapted to ``folder`` and ``output``.
        folder: the package's folder, created here.
        output: the compiler's output folder, created here.
        source_name: the source file's path in ``arguments``.

    Returns:
        The module file, the diagnostics and the inputs; None when cargo has to decide, as after an error outside the
        cell.

    Raises:
        CompileError: the cell has errors.
    """
    variables = {**invocation.variables, **write_sources(crate, folder, source_name)}
    output.mkdir()
    event = Event("compiling", crate.manifest.package)
    context.report(event)
    try:
        finished = run(
            arguments,
            cwd=folder,
            environ={**environ, **variables},
            on_idle=lambda: context.report(event),
            nice=context.nice,
        )
    except OSError:
        return None
    messages = list(json_lines(finished.stderr))
    diagnostics = _diagnostics(messages, crate, source_name)
    errors = [item for item in diagnostics if item.is_error]
    if finished.status != 0:
        in_files = any(span["file_name"] in crate.attached() for item in messages for span in item.get("spans", ()))
        in_cell = in_files or any(span.in_cell for item in errors for span in item.spans)
        # rustc's exit status for errors in the code is 1; other values mean that rustc crashed or was killed.
        if finished.status != 1 or not in_cell or any(item.code in recorded.DOUBTFUL_CODES for item in errors):
            return None
        raise compile_error(diagnostics)
    files = [path for path in output.iterdir() if path.suffix in _LIBRARIES]
    if len(files) != 1:
        return None
    dep_info = next(output.glob("*.d"), output / "none.d")
    return files[0], diagnostics, _inputs(dep_info, folder, crate, invocation.variables, context.store.conceal)


def write_sources(crate: Crate, folder: Path, source_name: str = "src/lib.rs") -> dict[str, str]:
    """Write a crate's sources into a new folder, to compile them without cargo.

    Args:
        crate: the crate.
        folder: the folder, created here.
        source_name: the root file's path within ``folder``.

    Returns:
        The environment variables that replace variables of the recorded invocation.
    """
    source = folder / source_name
    source.parent.mkdir(parents=True)
    source.write_bytes(crate.source.encode())
    crate.write_attached(folder)
    if all(name.startswith("src/") for name in crate.attached()):
        return {}
    # Code may find the other files through CARGO_MANIFEST_DIR, and macros look for Cargo.toml in that folder.
    (folder / "Cargo.toml").write_text(crate.manifest.text, encoding="utf-8")
    return {"CARGO_MANIFEST_DIR": str(folder)}


def _compile_with_cargo(
    context: Context, crate: Crate, profile: Profile, plan: Path, workspace: Path
) -> tuple[Path, tuple[Diagnostic, ...], Inputs]:
    folder = plan / "crate"
    with target_folder(context) as announce:
        try:
            try:
                crate.write(folder, _support_folder(context, crate))
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                context.store.remove(plan)
                crate.write(folder, _support_folder(context, crate))
        except OSError as error:
            raise StoreError(
                f"The cell's crate cannot be written to {folder}: {error.strerror or error}.",
                advice="Free some space, or set PYO3MAGIC_STORE to another folder.",
            ) from error
        write_prefixes(context, local_packages(crate.manifest))
        arguments: list[str | Path] = ["build", "-vv", "--lib", "--locked", "--manifest-path", folder / "Cargo.toml"]
        arguments += ["--target-dir", context.target_folder, "--message-format", "json-diagnostic-rendered-ansi"]
        arguments += profile.arguments(context)
        if context.cross is not None:
            arguments += ["--target", context.triple]
        if context.offline:
            arguments.append("--offline")
        environ = profile.environment(context.environ)
        finished = run_cargo(context, arguments, environ=environ, announce=announce)
        messages = list(json_lines(finished.stdout))
        own = [item for item in messages if item.get("manifest_path") == str(folder / "Cargo.toml")]
        said = (item["message"] for item in own if item.get("reason") == "compiler-message")
        diagnostics = _diagnostics(said, crate)
        if finished.status != 0:
            was_killed = re.search(r"\(signal: \d+, SIG", finished.stderr) is not None
            if any(item.is_error and item.spans for item in diagnostics) and not was_killed:
                raise compile_error(diagnostics)
            raise explain_cargo_failure(failure_text(finished, messages))
        made = next(
            Path(name)
            for item in reversed(own)
            if item.get("reason") == "compiler-artifact"
            for name in item["filenames"]
            if Path(name).suffix in _LIBRARIES
        )
        invocation = recorded.find_invocation(finished.stderr, library=crate.manifest.library, folder=folder)
        variables: Mapping[str, str] = {}
        dep_info = made.with_suffix(".d")
        if invocation is not None:
            text = invocation.to_text(recorded.rustflags(context.environ))
            context.store.write_text(plan / "invocation.json", text)
            variables = invocation.variables
            dep_info = invocation.output_folder / f"{crate.manifest.library}.d"
        inputs = _inputs(dep_info, folder, crate, variables, context.store.conceal)
        file = workspace / made.name
        file.write_bytes(made.read_bytes())
    return file, diagnostics, inputs


def _support_folder(context: Context, crate: Crate) -> Path | None:
    """Return one folder for all cells; at another path, cargo would compile the same package again."""
    if not crate.support:
        return None
    digest = hashlib.sha256(repr(crate.support).encode()).hexdigest()[:16]
    folder = context.store.place("support", digest)
    if not folder.is_dir():
        with context.store.workspace() as workspace:
            for name, text in crate.support:
                path = workspace / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            context.store.replace_folder(workspace, folder, is_good=Path.is_dir)
    return folder


def _diagnostics(
    messages: Iterable[dict[str, Any]], crate: Crate, source_name: str = "src/lib.rs"
) -> tuple[Diagnostic, ...]:
    found = (
        from_rustc(message, file_name=source_name, exports=crate.places)
        for message in messages
        if message.get("$message_type", "diagnostic") == "diagnostic"
    )
    return tuple(item for item in found if item is not None)


def compile_error(diagnostics: tuple[Diagnostic, ...]) -> CompileError:
    """Return the error for code that does not compile, with hints about changes in PyO3."""
    hints = dict.fromkeys(filter(None, (hint_for(item) for item in diagnostics if item.is_error)))
    return CompileError(summary(diagnostics), diagnostics=diagnostics, advice="\n".join(hints))


def _inputs(
    dep_info: Path, folder: Path, crate: Crate, variables: Mapping[str, str], conceal: Callable[[str], str]
) -> Inputs:
    """Read the included files and the variables of ``env!`` from rustc's dep-info file (rustc book, ``--emit``)."""
    files = dict(crate.companions.digests)
    read: dict[str, str | None] = {}
    package = folder.resolve()
    with contextlib.suppress(OSError):
        for line in dep_info.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := _ENV_DEP.match(line):
                name, value = match.groups()
                if name not in variables and not name.startswith("CARGO_PKG_"):
                    read[name] = None if value is None else conceal(value)
            elif line.endswith(":") and not line.startswith("#"):
                path = (package / line[:-1].replace("\\ ", " ")).resolve()
                if package not in path.parents and "/out/" not in line:
                    now = digest_file(path)
                    if files.setdefault(str(path), now) != now:
                        files[str(path)] = _CHANGED
    trees = {str(path): digest_tree(path) for path in path_dependencies(crate.manifest)}
    return Inputs(files, trees, read)
