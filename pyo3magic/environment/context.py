"""Where and with what a build runs, and the key under which the store knows its outcome.

Gathering it starts no process once the toolchain is known, so that a cell that is in the store starts none at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pyo3magic._version import __version__
from pyo3magic.errors import InterpreterError

from .cargo_config import cargo_config_files
from .interpreter import Interpreter
from .snapshot import content, noted, stamp
from .toolchain_search import find_toolchain
from .variables import build_environment, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyo3magic.cell import Options
    from pyo3magic.store import Store

    from .cross_linkers import CrossTarget
    from .snapshot import Looks
    from .toolchain import Toolchain

__all__ = ["Context", "Event", "gather", "interpreter_for"]

_GENERATION = 5
"""Raised when what is put around a cell changes between two releases."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a running build, for whoever shows progress.

    Attributes:
        kind: what is being done.
        text: the crates or files concerned.
        done: crates compiled so far.
        total: crates to compile; 0 where that is not known.
    """

    kind: Literal["waiting", "resolving", "compiling"]
    text: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """Where and with what a build runs.

    Attributes:
        store: holds artifacts, lock files, cargo target folders and recorded invocations.
        interpreter: the Python the module is for.
        toolchain: cargo and rustc.
        environ: the environment of this process.
        environment_digest: digest of the part of it, and of cargo's configuration files, that matters to a build.
        directory: the notebook's working directory, where cargo's and rustup's configuration is looked for.
        edition: Rust edition of cells that name none.
        pyo3: pyo3 requirement of cells that name none; empty for the default range.
        offline: never ask a registry.
        report: is told how far a build is.
        nice: how much to lower the priority of what is started.
        purpose: what else than modules is built; that has a target folder of its own, since its pyo3 differs.
        cross: how to build for another machine, where that is asked for.
        standalone: the module goes elsewhere by itself, so it must need no other file.
        shipped: the module goes elsewhere together with the libraries that it needs, into one folder.
    """

    store: Store
    interpreter: Interpreter
    toolchain: Toolchain
    environ: Mapping[str, str]
    environment_digest: str
    directory: Path
    edition: str = "2024"
    pyo3: str = ""
    offline: bool = False
    report: Callable[[Event], None] = field(default=lambda _: None)
    nice: int = 0
    purpose: str = ""
    cross: CrossTarget | None = None
    standalone: bool = False
    shipped: bool = False

    @property
    def triple(self) -> str:
        """The Rust target that is built for."""
        return self.cross.triple if self.cross is not None else self.toolchain.host

    def key(self, options: Options, body: str) -> str:
        """Digest of everything that decides what a cell becomes, except what its build reads from other files."""
        parts = (
            __version__,
            _GENERATION,
            options.canonical(),
            body,
            self.interpreter.digest,
            self.toolchain.digest,
            self.environment_digest,
            self.edition,
            self.pyo3,
            _lock_generation(self.store),
            _processor() if options.native else "",
            self.cross,
            self.environ.get("PYO3MAGIC_LINKING", ""),
            self.standalone,
            self.shipped,
        )
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def target_name(self) -> str:
        """Name of the cargo target folder that all cells of this interpreter and toolchain share."""
        name = f"{self.interpreter.digest[:16]}-{self.toolchain.digest[:16]}"
        return f"{name}-{self.purpose}" if self.purpose else name

    @property
    def target_folder(self) -> Path:
        """That folder."""
        return self.store.place("targets", self.target_name)

    @property
    def target_lock(self) -> Path:
        """Lock file of that folder: cargo's output has one name for all cells, so one build at a time."""
        return self.store.place("locks", f"target-{self.target_name}.lock")


def gather(
    store: Store,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    python: str = "",
    target: str = "",
    interpreter: Interpreter | None = None,
    **more: object,
) -> Context:
    """Collect the facts for a build.

    Args:
        store: the store.
        directory: the working directory; the process's own by default.
        environ: the environment; the process's own by default.
        python: another Python executable to build for (``--python``).
        target: the Rust target to build for (``--target``); this machine's by default.
        interpreter: facts of the Python to build for, where they are known.
        more: further attributes of `Context`.

    Raises:
        ToolchainError: no usable cargo or rustc.
        InterpreterError: the other Python cannot be used.
    """
    facts = _facts(store, directory or Path.cwd(), environ)
    toolchain, environ = facts.toolchain, facts.environ
    cross = None
    if target:
        from .cross_interpreter import cross_interpreter
        from .cross_linkers import prepare_target

        cross = prepare_target(target, toolchain, store, environ)
        if interpreter is None:
            interpreter, notes = cross_interpreter(target, environ)
            cross = dataclasses.replace(cross, notes=(*cross.notes, *notes))
    if interpreter is None:
        named = python or environ.get("PYO3_PYTHON") or environ.get("PYTHON_SYS_EXECUTABLE") or ""
        interpreter = interpreter_for(named, store)
    return Context(
        store,
        interpreter,
        toolchain,
        environ,
        facts.configuration,
        facts.directory,
        cross=cross,
        **more,  # type: ignore[arg-type]
    )


def interpreter_for(executable: str, store: Store) -> Interpreter:
    """Facts of the running Python, or of another one that this one could import modules of.

    Args:
        executable: the other one; empty for the running one.
        store: keeps what the other one said about itself.

    Raises:
        InterpreterError: the other one cannot be probed, or has another ABI.
    """
    current = Interpreter.current()
    if not executable or executable == current.executable:
        return current
    other = _probed(executable, store)
    if not other.is_abi_equal(current):
        raise InterpreterError(
            f"A module built for {executable} ({other.name}) cannot be imported here: this kernel runs {current.name}.",
            advice="Leave out --python (and unset PYO3_PYTHON) to build for this kernel, or run the notebook "
            "with that Python.",
        )
    return other


def _probed(executable: str, store: Store) -> Interpreter:
    """What another Python says about itself; asked once, since a cell that is in the store may start no process."""
    path = shutil.which(executable) or executable
    text = repr((path, stamp(path), stamp(os.path.realpath(path))))
    kept = store.place("interpreters", f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json")
    with contextlib.suppress(OSError, ValueError, InterpreterError):
        return Interpreter.from_facts(json.loads(kept.read_bytes()))
    found = Interpreter.probe(executable)
    store.write_text(kept, json.dumps(found.facts()))
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was found out about a folder and an environment, and what was looked at for that."""

    directory: Path
    environ: Mapping[str, str]
    toolchain: Toolchain
    configuration: str
    looks: Looks
    raw: object


_known: dict[tuple[str, str], _Facts] = {}
"""The latest by store and directory."""


def _facts(store: Store, directory: Path, environ: Mapping[str, str] | None) -> _Facts:
    place = (str(store.folder), str(directory))
    known = _known.get(place)
    # The process's own environment is compared as the bytes that it is: decoding it takes longer than all the rest.
    raw: Any = dict(getattr(os.environ, "_data", os.environ) if environ is None else environ)
    if known is not None and known.raw == raw and known.looks.are_the_same():
        return known
    variables = dict(os.environ if environ is None else environ)
    with noted() as looks:
        toolchain = find_toolchain(directory=directory, environ=variables, cache=store.place("toolchains"))
        configuration = digest(build_environment(variables), cargo_config_files(directory, variables))
    known = _known[place] = _Facts(directory, variables, toolchain, configuration, looks, raw)
    return known


def _lock_generation(store: Store) -> str:
    return (content(f"{store.folder}/locks/generation") or b"").decode("ascii", "replace")


def _processor() -> str:
    """What tells this machine's processor from another one's, for ``--native``."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import platform  # Linux has the file

        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in text.splitlines() if line.startswith(wanted)}))
