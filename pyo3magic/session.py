"""What this kernel has built: its cells, their modules, and the names they were given."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .context import Context, Event, gather
from .load import Module, bind_module, check_free, load, loaded, stub
from .locking import Presence
from .panics import Support

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .cell import Options
    from .interpreter import Interpreter
    from .store import Artifact, Store

__all__ = ["Outcome", "Session"]

_EARLIER = " (before it was replaced by "


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running one cell gave.

    Attributes:
        module: the module, loaded.
        from_store: whether nothing had to be built.
        name: the name under which the module can be imported, if it has one.
    """

    module: Module
    from_store: bool
    name: str | None

    @property
    def artifact(self) -> Artifact:
        """What was loaded."""
        return self.module.artifact


class Session:
    """The cells and modules of one kernel.

    Args:
        store: where artifacts are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.outcomes: dict[str, Outcome] = {}
        self.named: dict[str, Artifact] = {}
        self._labels: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._sources_of_linked: dict[str, str] = {}
        self._supports: dict[str, Support] = {}
        self._classes: dict[str, tuple[type, str]] = {}
        self._folder: Path | None = None
        self._presence: Presence | None = None

    def open(self) -> None:
        """Make the folder from which worker processes import the session's modules, and put it on ``sys.path``."""
        if self._folder is None:
            self._folder = self.store.place("sessions", secrets.token_hex(8))
            self._folder.mkdir(mode=0o700)
            self._presence = Presence(self._folder / "alive")
            sys.path.append(str(self._folder))

    def close(self) -> None:
        """Take that folder away again; modules stay loaded."""
        if self._folder is not None:
            with contextlib.suppress(ValueError):
                sys.path.remove(str(self._folder))
            if self._presence is not None:
                self._presence.release()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._presence = None

    @property
    def folder(self) -> Path:
        """The session's own folder in the store; it is gone when the kernel ends.

        Raises:
            StoreError: it cannot be made.
        """
        self.open()
        assert self._folder is not None  # noqa: S101 - `open` has made it
        return self._folder

    def run(
        self,
        options: Options,
        body: str,
        *,
        label: str,
        python: str = "",
        force: bool = False,
        offline: bool = False,
        edition: str = "2024",
        pyo3: str = "",
        report: Callable[[Event], None] = lambda _: None,
    ) -> Outcome:
        """Build a cell where that is needed, and load it.

        Args:
            options: the cell's options.
            body: the text below the ``%%rust`` line.
            label: what the user calls the cell, ``In[3]``.
            python: another executable of the same ABI to build for.
            force: build even if the store has it, through cargo.
            offline: never ask a registry.
            edition: Rust edition where the cell names none.
            pyo3: pyo3 requirement where the cell names none.
            report: is told how far a build is.

        Raises:
            PyO3MagicError: of the kind that fits; then nothing has changed.
        """
        context = gather(self.store, python=python, edition=edition, pyo3=pyo3, offline=offline, report=report)
        key = context.key(options, body)
        artifact = None if force else self._find(context, key)
        from_store = artifact is not None
        if options.module is not None:
            check_free(options.module)
        if artifact is None:
            artifact = self._build(context, options, body, key=key, force=force)
        name = options.module or (artifact.module if not artifact.module.endswith(key[:8]) else None)
        if name is not None:
            check_free(name)
        module = load(artifact)
        self._labels[artifact.digest] = label
        self._sources[artifact.alias] = body
        self._watch(artifact)
        self._supersede(module, label)
        if name is not None:
            bind_module(module, name)
        if options.module is not None:
            self.named[options.module] = artifact
        self._write_stubs(artifact, name)
        outcome = Outcome(module, from_store, name)
        self.outcomes[artifact.digest] = outcome
        return outcome

    def build(
        self,
        options: Options,
        body: str,
        *,
        target: str = "",
        interpreter: Interpreter | None = None,
        force: bool = False,
        **surroundings: Any,
    ) -> Artifact:
        """Build a cell for another machine or Python, where that is needed; nothing is imported.

        Args:
            options: the cell's options.
            body: the text below the ``%%rust`` line.
            target: the Rust target to build for.
            interpreter: facts of the Python to build for, where they are known.
            force: build even if the store has it, through cargo.
            surroundings: as for `run`.

        Raises:
            PyO3MagicError: of the kind that fits.
        """
        context = gather(self.store, target=target, interpreter=interpreter, **surroundings)
        key = context.key(options, body)
        digests = {name: cell.digest for name, cell in self.named.items()}
        artifact = None if force else self.store.find(key, context.environ, digests)
        return artifact or self._build(context, options, body, key=key, force=force)

    def flush(self) -> None:
        """Write out what the modules' ``print!`` still hold back."""
        for support in self._supports.values():
            support.flush()

    def source_of(self, item: object) -> str | None:
        """The Rust text of the cell that an exported function, class or module comes from."""
        for outcome in reversed(self.outcomes.values()):
            if item is outcome.module.module:
                return self._sources.get(outcome.artifact.alias)
        home = getattr(item, "__module__", None)
        if home is None and callable(item):
            home = getattr(getattr(item, "__objclass__", None), "__module__", None)
        return self._sources.get(home) if isinstance(home, str) else None

    def label_of(self, digest: str) -> str:
        """What the user calls the cell of an artifact."""
        return self._labels.get(digest, "a Rust cell")

    def in_use(self) -> frozenset[str]:
        """Digests of the artifacts this kernel has loaded."""
        return frozenset(self.outcomes)

    def _find(self, context: Context, key: str) -> Artifact | None:
        digest = self.store.digest_of(key, context.environ, {name: cell.digest for name, cell in self.named.items()})
        present = loaded(digest)
        return present.artifact if present is not None else self.store.get(digest)

    def _build(self, context: Context, options: Options, body: str, *, key: str, force: bool) -> Artifact:
        from .pipeline import make_artifact

        return make_artifact(context, options, body, key=key, cells=self.named, force=force)

    def _watch(self, artifact: Artifact) -> None:
        if artifact.providers:
            self._sources_of_linked[f"src/{artifact.file.stem.removeprefix('lib')}.rs"] = artifact.digest
        if artifact.digest not in self._supports:

            def describe(path: str) -> str | None:
                linked = self._sources_of_linked.get(path)
                return self._labels.get(artifact.digest if path == "src/lib.rs" else linked or "")

            self._supports[artifact.digest] = Support(artifact.file, describe)

    def _supersede(self, module: Module, label: str) -> None:
        """Name the classes that this module's replace as what they are, since PyO3's TypeErrors quote that name."""
        for name, item in module.exports().items():
            if not isinstance(item, type):
                continue
            previous, digest = self._classes.get(name, (item, ""))
            if previous is not item:
                users = ", ".join(self.label_of(user) for user in self._users_of(digest))
                again = f"; run {users} again" if users else ""
                _rename(previous, f"{_plain(previous)}{_EARLIER}{label}{again})")
            _rename(item, _plain(item))
            self._classes[name] = (item, module.artifact.digest)

    def _users_of(self, digest: str) -> list[str]:
        """Digests of the artifacts that were built with another one and have not been replaced since."""
        return [
            user
            for user, outcome in self.outcomes.items()
            if digest in outcome.artifact.cells.values() and self._labels.get(user) is not None
        ]

    def _write_stubs(self, artifact: Artifact, name: str | None) -> None:
        if self._folder is None:
            return
        text = stub(self.store.folder, artifact)
        for module in {artifact.alias, name or artifact.alias}:
            path = self._folder / f"{module}.py"
            with contextlib.suppress(OSError):
                if path.read_text(encoding="utf-8") == text:
                    continue
            with contextlib.suppress(OSError):
                self.store.write_text(path, text)


def _plain(item: type) -> str:
    return item.__qualname__.split(_EARLIER, maxsplit=1)[0]


def _rename(item: type, name: str) -> None:
    if item.__qualname__ != name:
        with contextlib.suppress(AttributeError, TypeError):
            item.__qualname__ = name
