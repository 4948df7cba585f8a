"""The context of a build (folders, interpreter, toolchain, variables), and the key of its result in the store.

Once the toolchain is known, gathering the context starts no process, so running a stored cell starts no process at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic._version import __version__
from pyo3magic.errors import InterpreterError
from pyo3magic.user_paths import user_path

from .build_options import DEFAULT_EDITION, DEFAULTS, BuildOptions, silent
from .cargo_config import cargo_config_files
from .interpreter import Interpreter
from .snapshot import content, recording, stamp
from .toolchain_search import find_toolchain
from .variables import build_environment, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyo3magic.cell import Options
    from pyo3magic.store import Store

    from .build_options import Event
    from .cross_linkers import CrossTarget
    from .snapshot import Snapshot
    from .toolchain import Toolchain

__all__ = ["Context", "gather", "interpreter_for"]

_GENERATION = 6
"""Increased when the generated code around a cell changes between two releases."""


_KEY = "key"


def _in_key(convert: Callable[[Any], object] = lambda value: value) -> dict[str, Callable[[Any], object] | None]:
    """Return metadata for a field whose value, converted, is part of every cell's key."""
    return {_KEY: convert}


_NOT_IN_KEY: dict[str, None] = {_KEY: None}
"""Metadata for a field that affects how a build runs or is shown, but not its result."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where and with what a build runs. Each field declares whether it is part of a cell's key.

    Attributes:
        store: the store, with artifacts, lock files, cargo target folders and recorded invocations.
        interpreter: the Python to build for.
        toolchain: cargo and rustc.
        environ: the environment of this process.
        environment_digest: digest of the variables and cargo configuration files that affect a build.
        directory: the notebook's working directory, where cargo and rustup look for their configuration.
        edition: Rust edition of cells that do not choose one.
        pyo3: pyo3 requirement of cells that do not give one; empty for the default range.
        offline: never contact a registry.
        report: called with each step of the build.
        nice: how much to lower the priority of child processes.
        purpose: a name for builds other than modules, which get their own target folder because their pyo3 is compiled
            differently.
        cross: how to build for another machine; None for this machine.
        standalone: the module is sent to another machine alone, so it must not need other files.
        shipped: the module is sent to another machine with its libraries, into one folder.
        notes: notes for the user about the environment, for builds for this machine.
    """

    store: Store = field(metadata=_in_key(lambda store: content(f"{store.folder}/locks/generation") or b""))
    interpreter: Interpreter = field(metadata=_in_key(lambda interpreter: interpreter.digest))
    toolchain: Toolchain = field(metadata=_in_key(lambda toolchain: toolchain.digest))
    environ: Mapping[str, str] = field(metadata=_in_key(lambda environ: environ.get("PYO3MAGIC_LINKING", "")))
    environment_digest: str = field(metadata=_in_key())
    directory: Path = field(metadata=_NOT_IN_KEY)
    edition: str = field(default=DEFAULT_EDITION, metadata=_in_key())
    pyo3: str = field(default="", metadata=_in_key())
    offline: bool = field(default=False, metadata=_NOT_IN_KEY)
    report: Callable[[Event], None] = field(default=silent, metadata=_NOT_IN_KEY)
    nice: int = field(default=0, metadata=_NOT_IN_KEY)
    purpose: str = field(default="", metadata=_NOT_IN_KEY)
    cross: CrossTarget | None = field(default=None, metadata=_in_key())
    standalone: bool = field(default=False, metadata=_in_key())
    shipped: bool = field(default=False, metadata=_in_key())
    notes: tuple[str, ...] = field(default=(), metadata=_NOT_IN_KEY)

    @property
    def triple(self) -> str:
        """The Rust target to build for."""
        return self.cross.triple if self.cross is not None else self.toolchain.host

    def key(self, options: Options, body: str) -> str:
        """Return the digest of everything that affects a cell's module, except other files that the build reads.

        Args:
            options: the cell's options.
            body: the text below the ``%%rust`` line.

        Returns:
            SHA-256, 64 hexadecimal digits.
        """
        mine = [convert(getattr(self, name)) for name, convert in _key_fields()]
        parts = (__version__, _GENERATION, options.canonical(), body, *mine, _processor() if options.native else "")
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def target_name(self) -> str:
        """Name of the cargo target folder that all cells of this interpreter and toolchain share."""
        name = f"{self.interpreter.digest[:16]}-{self.toolchain.digest[:16]}"
        return f"{name}-{self.purpose}" if self.purpose else name

    @property
    def target_folder(self) -> Path:
        """The cargo target folder that all cells of this interpreter and toolchain share."""
        return self.store.place("targets", self.target_name)

    @property
    def target_lock(self) -> Path:
        """Lock file of the target folder: one build at a time, because all cells share the name of cargo's output."""
        return self.store.place("locks", f"target-{self.target_name}.lock")


@functools.cache
def _key_fields() -> tuple[tuple[str, Callable[[Any], object]], ...]:
    """Return the name and conversion of each field of a `Context` that is part of the key."""
    return tuple((each.name, each.metadata[_KEY]) for each in fields(Context) if each.metadata[_KEY] is not None)


def gather(
    store: Store,
    build: BuildOptions = DEFAULTS,
    *,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    interpreter: Interpreter | None = None,
    nice: int = 0,
    standalone: bool = False,
    shipped: bool = False,
) -> Context:
    """Collect the facts for a build.

    Args:
        store: the store.
        build: the build options.
        directory: the working directory; the process's own by default.
        environ: the environment; the process's own by default.
        interpreter: facts of the Python to build for, if known.
        nice: how much to lower the priority of child processes.
        standalone: the module must not need other files.
        shipped: the module is sent to another machine with its libraries.

    Raises:
        ToolchainError: there is no usable cargo or rustc.
        InterpreterError: the other Python cannot be used.
    """
    facts = _facts(store, directory or Path.cwd(), environ)
    toolchain, environ = facts.toolchain, facts.environ
    cross = None
    if build.target:
        from .cross_interpreter import cross_interpreter
        from .cross_linkers import prepare_target

        cross = prepare_target(build.target, toolchain, store, environ)
        if interpreter is None:
            interpreter, remarks = cross_interpreter(build.target, environ)
            cross = dataclasses.replace(cross, notes=(*cross.notes, *remarks))
    # The notes concern variables that name a Python, and variables of cross builds.
    notes = facts.notes if interpreter is None and not build.python else ()
    if interpreter is None:
        named = build.python or environ.get("PYO3_PYTHON") or environ.get("PYTHON_SYS_EXECUTABLE") or ""
        interpreter = interpreter_for(named, store)
    return Context(
        store,
        interpreter,
        toolchain,
        environ,
        facts.configuration,
        facts.directory,
        edition=build.edition,
        pyo3=build.pyo3,
        offline=build.offline,
        report=build.report,
        nice=nice,
        cross=cross,
        standalone=standalone,
        shipped=shipped,
        notes=notes,
    )


def interpreter_for(executable: str, store: Store) -> Interpreter:
    """Return the facts of the running Python, or of another Python with the same ABI.

    Args:
        executable: the other Python; empty for the running Python.
        store: the store, which keeps the other Python's facts.

    Raises:
        InterpreterError: the other Python cannot be probed, or has a different ABI.
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
    """Return another Python's facts, probed once and then stored because running a stored cell starts no process."""
    user_path(executable, "The Python to build for")
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
    """The facts of a folder and an environment, and the lookups that they depend on."""

    directory: Path
    environ: Mapping[str, str]
    toolchain: Toolchain
    configuration: str
    notes: tuple[str, ...]
    snapshot: Snapshot
    raw: object


_known: dict[tuple[str, str], _Facts] = {}
"""The latest facts by store and directory."""


def _facts(store: Store, directory: Path, environ: Mapping[str, str] | None) -> _Facts:
    place = (str(store.folder), str(directory))
    known = _known.get(place)
    # The process's own environment is compared as bytes, because decoding it would take longer than everything else.
    raw: Any = dict(getattr(os.environ, "_data", os.environ) if environ is None else environ)
    if known is not None and known.raw == raw and known.snapshot.still_holds():
        return known
    variables = dict(os.environ if environ is None else environ)
    with recording() as snapshot:
        toolchain = find_toolchain(directory=directory, environ=variables, cache=store.place("toolchains"))
        relevant = build_environment(variables)
        configuration = digest(relevant, cargo_config_files(directory, variables))
    known = _known[place] = _Facts(directory, variables, toolchain, configuration, relevant.notes, snapshot, raw)
    return known


def _processor() -> str:
    """Return a description of this machine's processor, for the key of ``--native``."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import platform  # not on Linux, which has the file

        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in text.splitlines() if line.startswith(wanted)}))
