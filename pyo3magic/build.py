"""Run cargo, or rustc the way cargo ran it, and collect what they said and made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import invocation as recorded
from .context import Event
from .crate import path_dependencies, support_files
from .diagnostics import Diagnostic, from_rustc, summary
from .errors import CompileError, StoreError, ToolchainError
from .hints import explain_cargo_failure, hint_for
from .locking import exclusive
from .process import Finished, run
from .store import Inputs, digest_file, digest_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .context import Context
    from .crate import Crate, Manifest

__all__ = ["Built", "Profile", "compile_crate", "resolve"]

_BAR = re.compile(r"\[[=> ]*\] (\d+)/(\d+)(?:: (.*?))?\s*(?:Running|$)")
_BLOCKED = re.compile(r"Blocking waiting for file lock on (.*)")
_FETCHING = re.compile(r"^\s*(Updating|Downloading|Downloaded|Locking) (.*)")
_ENV_DEP = re.compile(r"^# env-dep:([^=]+)(?:=(.*))?$")
_PROGRESS_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Profile:
    """How a crate is compiled."""

    debug: bool = False
    native: bool = False
    features: tuple[str, ...] = ()

    def arguments(self, environ: Mapping[str, str]) -> list[str]:
        """Arguments of ``cargo build`` for this profile."""
        arguments = [] if self.debug else ["--release"]
        if self.features:
            arguments += ["--features", ",".join(self.features)]
        if self.native and not {"RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"} & environ.keys():
            arguments += ["--config", "target.'cfg(all())'.rustflags=['-Ctarget-cpu=native']"]
        return arguments

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """``environ`` with what this profile adds (RUSTFLAGS takes precedence over any configuration)."""
        result = dict(environ)
        if self.native and "CARGO_ENCODED_RUSTFLAGS" in result:
            result["CARGO_ENCODED_RUSTFLAGS"] += "\x1f-Ctarget-cpu=native"
        elif self.native and "RUSTFLAGS" in result:
            result["RUSTFLAGS"] += " -Ctarget-cpu=native"
        return result


@dataclass(frozen=True, slots=True)
class Built:
    """What a successful build made.

    Attributes:
        file: the module file, inside the workspace that was given.
        diagnostics: the compiler's warnings.
        inputs: what it read beside the crate.
        seconds: how long it took.
        by_cargo: whether cargo ran, or rustc directly.
    """

    file: Path
    diagnostics: tuple[Diagnostic, ...]
    inputs: Inputs
    seconds: float
    by_cargo: bool


def resolve(context: Context, manifest: Manifest) -> str:
    """The ``Cargo.lock`` for a manifest's dependencies: the one in the store, or a new one that is kept there.

    Raises:
        DependencyError: the dependencies cannot be resolved, or a registry cannot be reached.
    """
    kept = context.store.place("locks", f"{manifest.dependencies_digest}.lock.toml")
    with contextlib.suppress(OSError):
        text = kept.read_text(encoding="utf-8")
        if "[[package]]" in text:
            return text
    context.report(Event("resolving", "choosing versions of the crates"))
    with context.store.workspace() as folder:
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").touch()
        if "build.rs" in manifest.text:
            (folder / "build.rs").write_text("fn main() {}\n", encoding="utf-8")
        (folder / "Cargo.toml").write_text(manifest.text, encoding="utf-8")
        for name, text in support_files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        arguments: list[str | Path] = ["generate-lockfile", "--manifest-path", folder / "Cargo.toml"]
        finished = _cargo(context, [*arguments, "--offline"] if context.offline else arguments)
        if finished.status != 0 and not context.offline and _is_network_failure(finished.stderr):
            offline = _cargo(context, [*arguments, "--offline"])
            finished = offline if offline.status == 0 else finished
        if finished.status != 0:
            raise explain_cargo_failure(finished.stderr)
        text = (folder / "Cargo.lock").read_text(encoding="utf-8")
    context.store.write_text(kept, text)
    return text


def compile_crate(
    context: Context,
    crate: Crate,
    profile: Profile,
    workspace: Path,
    *,
    force: bool = False,
) -> Built:
    """Build a crate's library and put the module file into ``workspace``.

    Raises:
        CompileError: the crate's own code has errors.
        BuildError: anything else went wrong.
        DependencyError: a dependency cannot be downloaded or built.
    """
    started = time.perf_counter()
    plan = context.store.place("plans", _plan_digest(context, crate, profile))
    invocation = None if force else recorded.read_invocation(plan / "invocation.json")
    if invocation is not None and invocation.is_fresh():
        built = _compile_directly(context, crate, profile, invocation, workspace, started)
        if built is not None:
            return built
    return _compile_with_cargo(context, crate, profile, plan, workspace, started)


def _plan_digest(context: Context, crate: Crate, profile: Profile) -> str:
    trees = [(str(folder), digest_tree(folder)) for folder in path_dependencies(crate.manifest)]
    parts = (
        crate.manifest.text,
        crate.lock,
        crate.build_script,
        crate.support,
        context.interpreter.digest,
        context.toolchain.digest,
        context.environment_digest,
        profile,
        trees,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _compile_directly(
    context: Context,
    crate: Crate,
    profile: Profile,
    invocation: recorded.Invocation,
    workspace: Path,
    started: float,
) -> Built | None:
    """Start rustc as cargo did; None when the outcome leaves doubt."""
    source = workspace / "package" / "src" / "lib.rs"
    source.parent.mkdir(parents=True)
    source.write_bytes(crate.source.encode())
    output = workspace / "out"
    output.mkdir()
    folder = workspace / "package"
    context.report(Event("compiling", crate.manifest.package))
    try:
        finished = run(
            invocation.elsewhere(folder, output),
            cwd=folder,
            environ=profile.environment({**context.environ, **invocation.variables}),
            on_idle=lambda: context.report(Event("compiling", crate.manifest.package)),
            nice=context.nice,
        )
    except OSError:
        return None
    diagnostics = _diagnostics(_json_lines(finished.stderr), crate)
    errors = [item for item in diagnostics if item.is_error]
    if finished.status != 0:
        in_cell = any(span.in_cell for item in errors for span in item.spans)
        if not in_cell or any(item.code in recorded.DOUBTFUL_CODES for item in errors):
            return None
        raise _compile_error(diagnostics)
    files = [path for path in output.iterdir() if path.suffix in {".so", ".dylib", ".dll"}]
    if len(files) != 1:
        return None
    inputs = _inputs(output / f"{crate.manifest.library}.d", folder, crate, invocation.variables)
    return Built(files[0], diagnostics, inputs, time.perf_counter() - started, by_cargo=False)


def _compile_with_cargo(
    context: Context, crate: Crate, profile: Profile, plan: Path, workspace: Path, started: float
) -> Built:
    folder = plan / "crate"
    with _target_folder(context) as announce:
        try:
            crate.write(folder)
        except OSError as error:
            raise StoreError(
                f"The cell's crate cannot be written to {folder}: {error.strerror or error}.",
                advice="Free some space, or set PYO3MAGIC_STORE to another folder.",
            ) from error
        arguments: list[str | Path] = ["build", "-vv", "--lib", "--locked", "--manifest-path", folder / "Cargo.toml"]
        arguments += ["--target-dir", context.target_folder, "--message-format", "json-diagnostic-rendered-ansi"]
        arguments += profile.arguments(context.environ)
        if context.offline:
            arguments.append("--offline")
        finished = _cargo(context, arguments, profile=profile, announce=announce)
        messages = list(_json_lines(finished.stdout))
        own = str(folder / "Cargo.toml")
        own_messages = (
            item["message"]
            for item in messages
            if item.get("reason") == "compiler-message" and item.get("manifest_path") == own
        )
        diagnostics = _diagnostics(own_messages, crate)
        if finished.status != 0:
            if any(item.is_error and item.spans for item in diagnostics):
                raise _compile_error(diagnostics)
            raise explain_cargo_failure(_failure_text(finished, messages))
        made = next(
            Path(name)
            for item in reversed(messages)
            if item.get("reason") == "compiler-artifact" and item.get("manifest_path") == own
            for name in item["filenames"]
            if Path(name).suffix in {".so", ".dylib", ".dll"}
        )
        invocation = recorded.find_invocation(finished.stderr, library=crate.manifest.library, folder=folder)
        variables: Mapping[str, str] = {}
        dep_info = made.with_suffix(".d")
        if invocation is not None:
            context.store.write_text(plan / "invocation.json", invocation.to_text())
            variables = invocation.variables
            dep_info = invocation.output_folder / f"{crate.manifest.library}.d"
        inputs = _inputs(dep_info, folder, crate, variables)
        file = workspace / made.name
        file.write_bytes(made.read_bytes())
    return Built(file, diagnostics, inputs, time.perf_counter() - started, by_cargo=True)


@contextlib.contextmanager
def _target_folder(context: Context) -> Iterator[Callable[[Event], None]]:
    """Hold the shared target folder; yields a function that tells progress here and to those who wait."""
    status = context.store.place("targets", f"{context.target_name}.progress.json")
    last_written = 0.0

    def announce(event: Event) -> None:
        nonlocal last_written
        context.report(event)
        now = time.monotonic()
        if now - last_written > _PROGRESS_INTERVAL:
            last_written = now
            with contextlib.suppress(StoreError):
                context.store.write_text(status, json.dumps([event.text, event.done, event.total]))

    def waiting() -> None:
        text, done, total = "", 0, 0
        with contextlib.suppress(OSError, ValueError):
            text, done, total = json.loads(status.read_bytes())
        context.report(Event("waiting", str(text), int(done), int(total)))

    with exclusive(context.target_lock, waiting=waiting):
        try:
            yield announce
        finally:
            status.unlink(missing_ok=True)


def _cargo(
    context: Context,
    arguments: list[str | Path],
    *,
    profile: Profile | None = None,
    announce: Callable[[Event], None] | None = None,
) -> Finished:
    report = announce or context.report
    latest = Event("compiling" if profile else "resolving", "")

    def read(line: str) -> None:
        nonlocal latest
        if bar := _BAR.search(line):
            latest = Event("compiling", bar[3] or "", int(bar[1]), int(bar[2]))
        elif blocked := _BLOCKED.search(line):
            latest = Event("waiting", blocked[1])
        elif fetching := _FETCHING.match(line):
            latest = Event("resolving", f"{fetching[1]} {fetching[2]}")
        else:
            return
        report(latest)

    environ = (profile or Profile()).environment(context.environ)
    try:
        return run(
            [context.toolchain.cargo, *arguments],
            cwd=context.directory,
            environ=environ,
            on_stderr=read,
            on_idle=lambda: report(latest),
            nice=context.nice,
            guarded=True,
        )
    except OSError as error:
        raise ToolchainError(
            f"cargo cannot be started ({context.toolchain.cargo}): {error.strerror or error}.",
            advice="Run %pyo3_info to see which Rust is found.",
        ) from error


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def _diagnostics(messages: Iterator[dict[str, Any]], crate: Crate) -> tuple[Diagnostic, ...]:
    found = (
        from_rustc(message, exports=crate.places)
        for message in messages
        if message.get("$message_type", "diagnostic") == "diagnostic"
    )
    return tuple(item for item in found if item is not None)


def _compile_error(diagnostics: tuple[Diagnostic, ...]) -> CompileError:
    hints = dict.fromkeys(filter(None, (hint_for(item) for item in diagnostics if item.is_error)))
    return CompileError(summary(diagnostics), diagnostics=diagnostics, advice="\n".join(hints))


def _failure_text(finished: Finished, messages: list[dict[str, Any]]) -> str:
    """Everything cargo and the compilers it ran said, without its own command lines and progress."""
    said = [line for line in finished.stderr.splitlines() if "Running `" not in line and not _BAR.search(line)]
    for item in messages:
        message = item.get("message")
        if isinstance(message, dict) and str(message.get("level", "")).startswith("error"):
            said.append(str(message.get("rendered") or message.get("message")))
    return "\n".join(said)


def _inputs(dep_info: Path, folder: Path, crate: Crate, variables: Mapping[str, str]) -> Inputs:
    """What rustc recorded in its dep-info file: included files and variables read by ``env!`` (rustc book, emit)."""
    files: dict[str, str] = {}
    read: dict[str, str | None] = {}
    with contextlib.suppress(OSError):
        for line in dep_info.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := _ENV_DEP.match(line):
                name, value = match.groups()
                if name not in variables and not name.startswith("CARGO_PKG_"):
                    read[name] = value
            elif line.endswith(":") and not line.startswith("#"):
                path = (folder / line[:-1].replace("\\ ", " ")).resolve()
                if folder.resolve() not in path.parents and "/out/" not in line:
                    files[str(path)] = digest_file(path)
    trees = {str(path): digest_tree(path) for path in path_dependencies(crate.manifest)}
    return Inputs(files, trees, read)


def _is_network_failure(stderr: str) -> bool:
    signs = (
        "spurious network error",
        "failed to download",
        "Could not resolve host",
        "download of",
        "Timeout was reached",
    )
    return any(sign in stderr for sign in signs)
