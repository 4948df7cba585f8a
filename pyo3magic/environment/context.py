"""Where and with what a build runs, and the key under which the store knows its outcome.

Gathering it starts no process once the toolchain is known, so that a cell that is in the store starts none at all.
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
"""Raised when what is put around a cell changes between two releases."""


_KEY = "key"


def _in_key(convert: Callable[[Any], object] = lambda value: value) -> dict[str, Callable[[Any], object] | None]:
    """Metadata of a field whose value, converted, is part of the key of every cell that is built with it."""
    return {_KEY: convert}


_NOT_IN_KEY: dict[str, None] = {_KEY: None}
"""Metadata of a field that changes how a build runs or is shown, but not what it makes."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where and with what a build runs. Each field says whether it is part of a cell's key.

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
        report: is called with each step of the build.
        nice: how much to lower the priority of what is started.
        purpose: a name for builds of something else than modules; they get a target folder of their own, since their
            pyo3 is compiled differently.
        cross: how to build for another machine, where that is asked for.
        standalone: the module goes elsewhere by itself, so it must need no other file.
        shipped: the module goes elsewhere together with the libraries that it needs, into one folder.
        notes: remarks for the user about the environment, for builds for this machine.
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
        """The Rust target that is built for."""
        return self.cross.triple if self.cross is not None else self.toolchain.host

    def key(self, options: Options, body: str) -> str:
        """Digest of everything that decides what a cell becomes, except what its build reads from other files.

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
        """Lock file of the target folder: cargo's output has one name for all cells, so one build at a time."""
        return self.store.place("locks", f"target-{self.target_name}.lock")


@functools.cache
def _key_fields() -> tuple[tuple[str, Callable[[Any], object]], ...]:
    """Name and conversion of each field of a `Context` that is part of the key."""
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
        build: what is asked of the build.
        directory: the working directory; the process's own by default.
        environ: the environment; the process's own by default.
        interpreter: facts of the Python to build for, where they are known.
        nice: how much to lower the priority of what is started.
        standalone: the module must need no other file.
        shipped: the module goes elsewhere together with the libraries that it needs.

    Raises:
        ToolchainError: no usable cargo or rustc.
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
    # The notes are about variables that name a Python, and about a cross build's own variables.
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
    """The facts of a folder and an environment, and the lookups that they rest on."""

    directory: Path
    environ: Mapping[str, str]
    toolchain: Toolchain
    configuration: str
    notes: tuple[str, ...]
    snapshot: Snapshot
    raw: object


_known: dict[tuple[str, str], _Facts] = {}
"""The latest by store and directory."""


def _facts(store: Store, directory: Path, environ: Mapping[str, str] | None) -> _Facts:
    place = (str(store.folder), str(directory))
    known = _known.get(place)
    # The process's own environment is compared as the bytes that it is: decoding it takes longer than all the rest.
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
    """What tells this machine's processor from another one's, for ``--native``."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        import platform  # Linux has the file

        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in text.splitlines() if line.startswith(wanted)}))
