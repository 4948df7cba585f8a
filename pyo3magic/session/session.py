"""Run cells in one kernel: build or find them, load their modules, and bind their names."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.environment.build_options import DEFAULTS, BuildOptions
from pyo3magic.environment.context import Context, gather
from pyo3magic.errors import ImportConflictError, LostCellError, StoreError
from pyo3magic.store.files import append_file, replace_file
from pyo3magic.store.leftovers import remove_with_folder, sweep
from pyo3magic.store.locking import Presence
from pyo3magic.store.places import failure

from .crash_watch import Crashes
from .cross_builds import CrossBuilds, Recipe
from .failures import Failures
from .load import SOURCES, Module, bind_module, check_free, crash_watch, load, loaded, source_name, sources_line, stub
from .support import Support
from .versions import Versions

if TYPE_CHECKING:
    from pyo3magic.cell import Options
    from pyo3magic.environment.interpreter import Interpreter
    from pyo3magic.store import Artifact, Store

    from .output_relay import Relay
    from .panics import Source

__all__ = ["Made", "Outcome", "Session"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of running a cell.

    Attributes:
        module: the loaded module.
        from_store: whether the module was already in the store.
        name: the name under which the module can be imported, if it has one.
        options: the cell's options.
        body: the cell's text.
        notes: notes for the user about this run.
    """

    module: Module
    from_store: bool
    name: str | None
    options: Options
    body: str
    notes: tuple[str, ...] = ()

    @property
    def artifact(self) -> Artifact:
        """The artifact that was loaded."""
        return self.module.artifact


@dataclass(frozen=True, slots=True)
class Made:
    """A cell that was built for this kernel or for another machine.

    Attributes:
        artifact: the built module.
        options: the cell's options.
        body: the cell's text.
    """

    artifact: Artifact
    options: Options
    body: str


class Session:
    """The cells and modules of one kernel.

    Args:
        store: the store for the artifacts.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.outcomes: dict[str, Outcome] = {}
        self.made: dict[str, Made] = {}
        self.named: dict[str, Artifact] = {}
        self.cross_builds = CrossBuilds(store, self.named)
        self.versions = Versions()
        self.failures = Failures()
        self._supports: dict[str, Support] = {}
        self._panic_sources: dict[str, tuple[Source, ...]] = {}
        self._stubs: dict[str, str] = {}
        self.relay: Relay | None = None
        self.size_limit = 0
        self.notebook = ""
        self.crashes: Crashes | None = None
        self._folder: Path | None = None
        self._presence: Presence | None = None

    def open(self) -> None:
        """Create the folder from which worker processes import the session's modules, and add it to ``sys.path``.

        The folder is in the store, or in a temporary folder if the store cannot be written. What killed kernels left in
        the store is removed.

        Raises:
            StoreError: the folder cannot be created.
        """
        if self._folder is None:
            try:
                sweep(self.store)
                self._folder = self.store.make_folder(self.store.place("sessions", secrets.token_hex(8)))
                self._presence = Presence(self._folder / "alive")
                self.crashes = Crashes.of(self.store.folder, self.notebook, self._folder.name)
            except (OSError, StoreError):
                self._folder = _temporary_folder(self.store)
            sys.path.append(str(self._folder))

    def close(self) -> None:
        """Flush Rust's output and remove the session's folder; modules stay loaded."""
        self.flush()
        if self.crashes is not None and self.crashes.exist():
            # A fault that another handler has mended was no crash.
            remove_with_folder(self.crashes.folder / f"{self.crashes.prefix}{os.getpid()}")
        if self._folder is not None:
            with contextlib.suppress(ValueError):
                sys.path.remove(str(self._folder))
            if self._presence is not None:
                self._presence.release()
            if not self.store.remove(self._folder):
                shutil.rmtree(self._folder, ignore_errors=True)
            self._stubs.clear()
            self._folder = self._presence = None

    @property
    def folder(self) -> Path:
        """The session's own folder in the store, removed when the kernel ends.

        Raises:
            StoreError: the folder cannot be created.
        """
        self.open()
        assert self._folder is not None  # noqa: S101 - `open` has made it
        return self._folder

    def run(
        self,
        options: Options,
        body: str,
        build: BuildOptions = DEFAULTS,
        *,
        label: str,
    ) -> Outcome:
        """Build a cell unless the store has it, and load it.

        Args:
            options: the cell's options.
            body: the text below the ``%%rust`` line.
            build: the build options.
            label: the cell's label, ``In[3]``.

        Raises:
            PyO3MagicError: the build or the import failed; the session is unchanged.
        """
        with self.failures.recorded(options.module or "", label):
            return self._run(options, body, build, label)

    def _run(self, options: Options, body: str, build: BuildOptions, label: str) -> Outcome:
        context = gather(self.store, build, directory=_directory(options))
        key = context.key(options, body)
        artifact = None if build.force else self._find(context, key)
        from_store = artifact is not None
        _log.info("%s: key %s, %s", label, key[:12], "in the store" if from_store else "to be built")
        if options.module is not None:
            check_free(options.module)
        if artifact is None:
            artifact = self._build(context, options, body, build, key=key)
        name = options.module or (artifact.module if not artifact.module.endswith(key[:8]) else None)
        if name is not None:
            check_free(name)
        try:
            module = load(artifact)
        except ImportConflictError:
            if artifact.file.exists():
                raise
            # Another process has removed the file since it was verified.
            artifact = self._build(context, options, body, build, key=key)
            module = load(artifact)
        _log.debug("%s: loaded %s as %s", label, artifact.file, artifact.alias)
        self._watch(artifact, label, options)
        self.versions.add(module, label, name)
        if name is not None:
            bind_module(module, name)
        if options.module is not None and options.crate is None:
            self.named[options.module] = artifact
            self.cross_builds.is_now_here(artifact, Recipe(options, body, context.edition, context.pyo3))
        self._write_stubs(artifact, name)
        notes = () if from_store else (*context.notes, *self._changes(context, options, body, key, artifact))
        outcome = Outcome(module, from_store, name, options, body, notes)
        if not from_store and self.size_limit:
            self._keep_small()
        self.outcomes.pop(artifact.digest, None)
        self.outcomes[artifact.digest] = outcome
        self._remember(artifact, options, body)
        return outcome

    def build(
        self,
        options: Options,
        body: str,
        build: BuildOptions = DEFAULTS,
        *,
        interpreter: Interpreter | None = None,
        shipped: bool = False,
        label: str = "a cell for another machine",
    ) -> Artifact:
        """Build a cell for another machine or Python unless the store has it; nothing is imported.

        Args:
            options: the cell's options.
            body: the text below the ``%%rust`` line.
            build: the build options, including the Rust target.
            interpreter: facts of the Python to build for, if known.
            shipped: whether the module's libraries are sent with it; otherwise the module is one self-contained file.
            label: the cell's label, ``In[3]``.

        Raises:
            PyO3MagicError: the build failed.
        """
        with self.failures.recorded(options.module or "", label):
            context = gather(
                self.store,
                build,
                directory=_directory(options),
                interpreter=interpreter,
                shipped=shipped,
                standalone=not shipped,
            )
            artifact = self.cross_builds.build(context, options, body, force=build.force)
        self._remember(artifact, options, body)
        return artifact

    def flush(self) -> None:
        """Write out the buffered output of the modules' ``print!``."""
        for support in self._supports.values():
            support.flush()

    def outcome_of(self, item: object) -> Outcome | None:
        """Return the run of the cell that exported a function, method, class or module; None if no cell did."""
        home = getattr(item, "__module__", None)
        if home is None:
            receiver = getattr(item, "__self__", None)
            owner = getattr(item, "__objclass__", receiver if isinstance(receiver, type) else type(receiver))
            home = getattr(owner, "__module__", None)
        for outcome in reversed(self.outcomes.values()):
            if item is outcome.module.module or (isinstance(home, str) and home == outcome.artifact.alias):
                return outcome
        return None

    def label_of(self, digest: str) -> str:
        """Return the label of an artifact's cell, ``In[3]``."""
        return self.versions.label_of(digest) or "a Rust cell"

    def panic_sources(self, artifact: Artifact, label: str, options: Options) -> tuple[Source, ...]:
        """Return what panics call the files of a cell, and of the cells of this kernel that it uses.

        Args:
            artifact: a build of the cell, for this kernel or for another one.
            label: the cell's label, ``In[3]``.
            options: the cell's options.
        """
        sources = [
            (source_name(artifact), label, 0 if options.file is None else 1),
            *_files_named("", artifact, options),
        ]
        if artifact.cells:
            from pyo3magic.crate.vendored import vendored_folder

            for used in filter(None, map(self.outcomes.get, artifact.cells.values())):
                folder = f"{vendored_folder(used.artifact)}/"
                own = (f"{folder}src/lib.rs", self.label_of(used.artifact.digest), 0)
                sources += (own, *_files_named(folder, used.artifact, used.options))
                if artifact.providers:
                    sources += self._panic_sources.get(used.artifact.digest, ())
        return tuple(sources)

    def crash_reports(self) -> list[str]:
        """Return, once, what is known about the crash of this notebook's last kernel and of worker processes."""
        if self.crashes is None or not self.crashes.exist():
            return []
        from .crash_report import take_reports

        return take_reports(self.crashes, self.store, os.environ)

    def in_use(self) -> frozenset[str]:
        """Return the digests of the artifacts that this kernel has loaded."""
        return frozenset(self.outcomes)

    def _remember(self, artifact: Artifact, options: Options, body: str) -> None:
        """Keep the latest build of each module, most recent last."""
        self.made.pop(artifact.module, None)
        self.made[artifact.module] = Made(artifact, options, body)

    def _changes(self, context: Context, options: Options, body: str, key: str, artifact: Artifact) -> tuple[str, ...]:
        """Return a note if files that the build read have changed since."""
        if (options.file, options.crate, options.folder) == (None, None, None):
            return ()
        from pyo3magic.crate.existing_rust import has_changed

        digests = {name: cell.digest for name, cell in self.named.items()}
        if self.store.digest_of(key, context.environ, digests) == artifact.digest and not has_changed(options, body):
            return ()
        what = options.file or options.crate or "A file that the cell names"
        return (f"{what} changed during the build; the module was built from the earlier version. Run the cell again.",)

    def _find(self, context: Context, key: str) -> Artifact | None:
        digest = self.store.digest_of(key, context.environ, {name: cell.digest for name, cell in self.named.items()})
        present = loaded(digest)
        if present is not None and present.artifact.file.exists():
            return present.artifact
        return self.store.get(digest)

    def _build(self, context: Context, options: Options, body: str, build: BuildOptions, *, key: str) -> Artifact:
        from pyo3magic.compile.pipeline import make_artifact

        try:
            return make_artifact(context, options, body, key=key, cells=self.named, force=build.force)
        except LostCellError as error:
            if not self._is_made_again(error.cell, build):
                raise
        return make_artifact(context, options, body, key=key, cells=self.named, force=build.force)

    def _is_made_again(self, name: str, build: BuildOptions) -> bool:
        """Build a cell that the store has lost; return whether it shares its libraries with the one that is loaded."""
        made, artifact = self.made.get(name), self.named.get(name)
        if made is None or artifact is None:
            return False
        again = dataclasses.replace(build, force=True)
        context = gather(self.store, again, directory=_directory(made.options))
        key = context.key(made.options, made.body)
        new = self._build(context, made.options, made.body, again, key=key)
        return (new.digest, new.providers) == (artifact.digest, artifact.providers)

    def _watch(self, artifact: Artifact, label: str, options: Options) -> None:
        """Relay the module's output, and make its panic messages use the cell's label."""
        support = self._supports.get(artifact.digest)
        if support is None:
            support = self._supports[artifact.digest] = Support(artifact.file)
            if self.relay is not None:
                self.relay.start(support)
        sources = self._panic_sources[artifact.digest] = self.panic_sources(artifact, label, options)
        for source in sources:
            support.name_source(*source)
        if self.crashes is not None:
            crash_watch.start(artifact.file, self.crashes)
            crash_watch.describe(artifact, sources)

    def _keep_small(self) -> None:
        """Check in a background thread whether the store exceeds its size limit."""
        import threading

        from pyo3magic.store.upkeep import enforce

        threading.Thread(target=enforce, args=(self.store, self.size_limit), daemon=True).start()

    def _write_stubs(self, artifact: Artifact, name: str | None) -> None:
        if self._folder is None:
            return
        text = stub(self.store.folder, artifact, self.crashes)
        for module in {artifact.alias, name or artifact.alias}:
            if self._stubs.get(module) != artifact.digest:
                # Only workers need the stub.
                with contextlib.suppress(OSError, StoreError):
                    self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    replace_file(self._folder / f"{module}.py", text.encode())
                    self._stubs[module] = artifact.digest
        with contextlib.suppress(OSError):
            line = sources_line(artifact.digest, self._panic_sources[artifact.digest])
            append_file(self._folder / SOURCES, line.encode())


def _files_named(folder: str, artifact: Artifact, options: Options) -> list[Source]:
    """Return the user's paths for the files that a cell names; ``folder`` is the package's folder, ending in /."""
    if options.file is None and options.folder is None:
        return []
    from pyo3magic.crate.file_names import origins_of

    return [(folder + name, origin, 0) for name, origin in origins_of(options, artifact.crate).items()]


def _temporary_folder(store: Store) -> Path:
    import tempfile

    try:
        return Path(tempfile.mkdtemp(prefix="pyo3magic-"))
    except OSError as error:
        raise failure(store.folder, error) from error


def _directory(options: Options) -> Path | None:
    """Return the folder where cargo looks for its configuration: the project's, or None for the working directory."""
    return Path(options.crate) if options.crate is not None else None
