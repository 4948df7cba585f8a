"""The same from Python, without IPython: ``pyo3magic.build(source, ...)``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .cell import Options
from .environment.context import Event, gather
from .environment.interpreter import Interpreter
from .errors import InterpreterError
from .session.load import load
from .settings import store_folder
from .store import Artifact, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

__all__ = ["Build", "build"]


class Build:
    """A built cell.

    Args:
        artifact: what the store keeps of it.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

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

    def load(self) -> ModuleType:
        """Import the module; a second call returns the same object.

        Raises:
            InterpreterError: it was built for another Python than the running one.
        """
        current = Interpreter.current()
        if self.artifact.interpreter != current.identity:
            raise InterpreterError(
                f"{self.path.name} was built for another Python than the one that runs here ({current.name}).",
                advice="Copy the file to where it belongs; its place there is any folder on sys.path.",
            )
        return load(self.artifact).module


def build(
    source: str,
    *,
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
    """Build Rust source as ``%%rust`` does; what is in the store already is not built again.

    Args:
        source: what would stand below the ``%%rust`` line, front matter included.
        module: the module's name (``-m``).
        dependencies: crates, as ``-d`` takes them.
        debug: build with cargo's dev profile.
        native: use every instruction of this machine's processor.
        features: features of the cell's own package.
        edition: Rust edition.
        pyo3: pyo3 version requirement.
        python: another Python executable of the same ABI.
        target: the Rust target to build for; such a module is not for this Python, and `Build.load` refuses it.
        force: build through cargo even if the store has it.
        offline: never ask a registry.
        store: the store's folder; PYO3MAGIC_STORE or the user's cache folder by default.
        report: is told how far the build is.

    Raises:
        PyO3MagicError: of the kind that fits.
    """
    options = Options(module, tuple(dependencies), debug, native, tuple(features), edition, pyo3)
    place = Store(Path(store) if store is not None else store_folder(os.environ))
    context = gather(place, python=str(python), target=target, offline=offline, report=report or (lambda _: None))
    key = context.key(options, source)
    artifact = None if force else place.find(key, context.environ)
    if artifact is None:
        from .compile.pipeline import make_artifact  # a hit does without

        artifact = make_artifact(context, options, source, key=key, force=force)
    return Build(artifact)
