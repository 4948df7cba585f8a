"""The same from Python, without IPython: ``pyo3magic.build(source, ...)``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .cell import Options
from .diagnostics import Diagnostic
from .environment.build_options import BuildOptions, Event, silent
from .environment.context import gather
from .environment.interpreter import Interpreter
from .errors import InterpreterError, OptionError
from .session.load import load
from .settings import PyO3Magic, store_folder
from .store import Artifact, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

__all__ = ["Build", "Event", "build"]


@dataclass(frozen=True, slots=True)
class Build:
    """A built cell.

    Attributes:
        artifact: what the store has of it.
        options: the options it was built with.
        source: its text, front matter included.
        from_store: whether the store had it, so that nothing was built.
    """

    artifact: Artifact
    options: Options
    source: str
    from_store: bool = False

    def __repr__(self) -> str:
        return f"Build({self.artifact.module!r}, {str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The extension module file."""
        return self.artifact.file

    @property
    def module(self) -> str:
        """The module's name."""
        return self.artifact.module

    @property
    def crate(self) -> Path:
        """Folder of the cargo package that it was built from; plain ``cargo build`` there makes the same module."""
        return self.artifact.crate

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The compiler's warnings; line 1 of their places is the line above the source, where a cell has ``%%rust``."""
        return tuple(Diagnostic.from_dict(item) for item in self.artifact.diagnostics)

    @property
    def seconds(self) -> float:
        """How long the build took when it ran."""
        return self.artifact.seconds

    def load(self) -> ModuleType:
        """Import the module; a second call returns the same object.

        Raises:
            InterpreterError: the module was built for another Python than the running one.
            ImportConflictError: Python cannot import the file.
        """
        current = Interpreter.current()
        if self.artifact.interpreter != current.identity:
            raise InterpreterError(
                f"{self.path.name} was built for another Python than the one that runs here ({current.name}).",
                advice="Copy the file to a folder on that Python's sys.path, and import it there.",
            )
        return load(self.artifact).module


def build(
    source: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    cells: Sequence[Build] = (),
    module: str | None = None,
    dependencies: Sequence[str] = (),
    debug: bool = False,
    native: bool = False,
    features: Sequence[str] = (),
    edition: str | None = None,
    pyo3: str | None = None,
    python: str | os.PathLike[str] = "",
    target: str = "",
    force: bool = False,
    offline: bool = False,
    store: str | os.PathLike[str] | None = None,
    report: Callable[[Event], None] | None = None,
) -> Build:
    """Build Rust as ``%%rust`` does; an artifact that the store has is not built again.

    The environment variables of the settings (PYO3MAGIC_EDITION, PYO3MAGIC_PYO3, PYO3MAGIC_OFFLINE, PYO3MAGIC_STORE)
    are in force here, too.

    Args:
        source: the text below a ``%%rust`` line, front matter included.
        file: a file of Rust to build instead of ``source``; ``mod`` and ``include!`` in it are found from its folder.
        cells: earlier builds that have a name (``module=``); the source may ``use`` them by it.
        module: the module's name (``-m``).
        dependencies: crates, as ``-d`` takes them.
        debug: build with cargo's dev profile.
        native: use every instruction of this machine's processor.
        features: features of the cell's own package.
        edition: Rust edition.
        pyo3: pyo3 version requirement.
        python: another Python executable of the same ABI.
        target: the Rust target to build for; such a module is not for this Python, and `Build.load` refuses it.
        force: build through cargo even if the store has the artifact.
        offline: never ask a registry.
        store: the store's folder; PYO3MAGIC_STORE or the user's cache folder by default.
        report: is called with each step of the build.

    Returns:
        The build: the module's path, the crate's folder, the compiler's warnings, and ``load()``.

    Raises:
        OptionError: neither ``source`` nor ``file`` is given, or both are; or an environment variable is wrong.
        CellError: the text cannot be used as it stands.
        CompileError: the compiler refuses it; its ``diagnostics`` say why.
        PyO3MagicError: the build failed otherwise; see the subclasses in `pyo3magic.errors`.
    """
    options = Options(module, tuple(dependencies), debug, native, tuple(features), edition, pyo3)
    if (source is None) == (file is None):
        raise OptionError(
            "Give either the source or a file.", advice='Write build("pub fn ...") or build(file="x.rs").'
        )
    if file is not None:
        from .crate.existing_rust import bring

        brought = bring(options, None, label=os.fspath(file), file=os.fspath(file))
        options, source = brought.options, brought.body
    asked = PyO3Magic().build_options(
        python=os.fspath(python),
        target=target,
        offline=offline,
        force=force,
        report=report or silent,
    )
    place = Store(Path(store) if store is not None else store_folder(os.environ))
    return _build(place, options, source or "", asked, _named(cells))


def _build(
    store: Store,
    options: Options,
    source: str,
    asked: BuildOptions,
    cells: Mapping[str, Artifact] = MappingProxyType({}),
) -> Build:
    context = gather(store, asked)
    key = context.key(options, source)
    digests = {name: artifact.digest for name, artifact in cells.items()}
    present = None if asked.force else store.find(key, context.environ, digests)
    if present is not None:
        return Build(present, options, source, from_store=True)
    from .compile.pipeline import make_artifact  # a hit does without

    made = make_artifact(context, options, source, key=key, cells=cells, force=asked.force)
    return Build(made, options, source)


def _named(cells: Sequence[Build]) -> dict[str, Artifact]:
    """The artifacts of builds by the names that they were given.

    Raises:
        OptionError: a build has no name.
    """
    for cell in cells:
        if cell.options.module is None:
            raise OptionError(
                f"The build {cell.module} has no name by which a cell could use it.",
                advice='Build it with a name: build(..., module="geometry").',
            )
    return {cell.module: cell.artifact for cell in cells}
