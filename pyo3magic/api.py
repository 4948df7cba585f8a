"""The same from Python, without IPython: ``pyo3magic.build(source, ...)`` and ``pyo3magic.wheel(build, ...)``."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .cell import Options, with_folder
from .diagnostics import Diagnostic
from .environment.build_options import BuildOptions, Event, silent
from .environment.context import gather
from .environment.interpreter import Interpreter
from .errors import InterpreterError, OptionError, resource_errors
from .session.load import load, loaded, source_name
from .settings import PyO3Magic
from .store import Artifact, Store
from .store.layers import own_folder
from .user_paths import user_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from .export.source_tree import BuiltCell
    from .export.wheel import Wheel

__all__ = ["Build", "Event", "build", "wheel"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Build:
    """A built cell.

    Attributes:
        artifact: what the store has of it.
        options: the options it was built with.
        source: its text, front matter included.
        from_store: whether the store had it, so that nothing was built.
        cells: the earlier builds that its source may use.
    """

    artifact: Artifact
    options: Options
    source: str
    from_store: bool = False
    cells: tuple[Build, ...] = ()

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
        is_new = loaded(self.artifact.digest) is None
        module = load(self.artifact).module
        if is_new:
            from .session import panics
            from .session.panic_hints import hint_for

            panics.watch_file(str(self.path), ((source_name(self.artifact), "src/lib.rs", 0),), hint_for, worker=False)
        return module


@resource_errors()
def build(
    source: str | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    cells: Sequence[Build] = (),
    module: str | None = None,
    dependencies: Sequence[str] = (),
    debug: bool = False,
    native: bool = False,
    keep_gil: bool = False,
    features: Sequence[str] = (),
    edition: str | None = None,
    pyo3: str | None = None,
    ufunc: str | None = None,
    parallel: bool = False,
    python: str | os.PathLike[str] = "",
    target: str = "",
    standalone: bool = False,
    force: bool = False,
    offline: bool = False,
    store: str | os.PathLike[str] | None = None,
    report: Callable[[Event], None] | None = None,
) -> Build:
    """Build Rust as ``%%rust`` does; an artifact that the store has is not built again.

    The environment variables of the settings (PYO3MAGIC_EDITION, PYO3MAGIC_PYO3, PYO3MAGIC_OFFLINE, PYO3MAGIC_STORE)
    are in force here, too.

    Args:
        source: the text below a ``%%rust`` line, front matter included; ``mod x;`` and ``include_str!`` in it are found
            from the current directory.
        file: a file of Rust to build instead of ``source``; ``mod`` and ``include!`` in it are found from its folder.
        cells: earlier builds that have a name (``module=``); the source may ``use`` them by it.
        module: the module's name (``-m``).
        dependencies: crates, as ``-d`` takes them.
        debug: build with cargo's dev profile.
        native: use every instruction of this machine's processor.
        keep_gil: hold Python's lock (the GIL) while functions on arrays run.
        features: features of the cell's own package.
        edition: Rust edition.
        pyo3: pyo3 version requirement.
        ufunc: make NumPy ufuncs of the functions; the signature of generalized ufuncs, or an empty text.
        parallel: spread long loops of the ufuncs over all cores.
        python: another Python executable of the same ABI.
        target: the Rust target to build for; such a module is not for this Python, and `Build.load` refuses it.
        standalone: make a file that needs no other file of the store, so that a copy of it works elsewhere. A module
            with a name is linked with libraries in the store otherwise, as is one that uses other cells.
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
    options = Options(
        module,
        tuple(dependencies),
        debug,
        native,
        keep_gil,
        tuple(features),
        edition,
        pyo3,
        ufunc=ufunc,
        parallel=parallel,
    )
    if (source is None) == (file is None):
        raise OptionError(
            "Give either the source or a file.", advice='Write build("pub fn ...") or build(file="x.rs").'
        )
    if file is not None:
        from .crate.existing_rust import bring

        brought = bring(options, None, label=os.fspath(file), file=os.fspath(file))
        options, source = brought.options, brought.body
    else:
        options = with_folder(options, source or "")
    asked = PyO3Magic().build_options(
        python=os.fspath(python),
        target=target,
        offline=offline,
        force=force,
        report=report or silent,
    )
    return _build(_store(store), options, source or "", asked, tuple(cells), standalone=standalone)


@resource_errors()
def wheel(
    *builds: Build,
    folder: str | os.PathLike[str] = "dist",
    name: str | None = None,
    version: str | None = None,
    summary: str | None = None,
    authors: Sequence[str] = (),
    license: str | None = None,  # noqa: A002 - the field's name in pyproject.toml
    requires_python: str | None = None,
    readme: str | os.PathLike[str] | None = None,
    classifiers: Sequence[str] = (),
    abi3: str | bool = False,
    platform: str = "",
    target: str = "",
    stubs: bool = True,
    force: bool = False,
    offline: bool = False,
    store: str | os.PathLike[str] | None = None,
    report: Callable[[Event], None] | None = None,
) -> Wheel:
    """Write a wheel of built modules, as ``%pyo3_wheel`` does.

    Args:
        builds: the builds to export. Those that their sources use are included as submodules.
        folder: the folder for the wheel; made if it is missing.
        name: the project's name; several builds become its submodules.
        version: the version (PEP 440); 0.1.0 by default.
        summary: one line about the project; by default from the documentation.
        authors: ``"Name <email>"`` of each author.
        license: licence expression (SPDX).
        requires_python: Python versions, for example ``">=3.11"``.
        readme: a .md, .rst or .txt file with the long description.
        classifiers: PyPI's classifiers.
        abi3: use the stable ABI: ``"3.11"`` for Python 3.11 and newer, True for the oldest Python that is possible.
        platform: a platform tag that must be true (``manylinux2014``, ``linux``, ...); by default the lowest manylinux
            or musllinux tag that auditwheel proves.
        target: the Rust target; this machine by default.
        stubs: whether to make type stubs.
        force: overwrite an existing wheel with different content.
        offline: never ask a registry.
        store: the store's folder; PYO3MAGIC_STORE or the user's cache folder by default.
        report: is called with each step of the build.

    Returns:
        The wheel: its path, its tag, the names of the libraries copied into it, and its size in bytes.

    Raises:
        OptionError: an option is invalid, no build is given, or the file already exists with different content.
        CompileError: the compiler refuses the exported code.
        PyO3MagicError: the export failed otherwise; see the subclasses in `pyo3magic.errors`.
    """
    from .export.metadata import MetadataOptions
    from .export.prepare_package import prepare_package
    from .export.wheel import make_wheel

    if not builds:
        raise OptionError("There is no build to export.", advice='Write wheel(build("..."), name="mine").')
    settings = PyO3Magic()
    available = {one.module: _exportable(one) for one in _with_used(builds)}
    context, package = prepare_package(
        _store(store),
        tuple(available[one.module] for one in builds),
        available=available,
        options=MetadataOptions(
            name=name,
            version=version,
            summary=summary,
            authors=tuple(authors),
            license=license,
            requires_python=requires_python,
            readme=None if readme is None else os.fspath(readme),
            classifiers=tuple(classifiers),
        ),
        defaults=settings.metadata,
        abi3={True: "", False: None}[abi3] if isinstance(abi3, bool) else abi3,
        build=settings.build_options(target=target, offline=offline, report=report or silent),
    )
    return make_wheel(
        context,
        package,
        user_path(folder, "The folder of the wheel"),
        platform=platform,
        target=target,
        stubs=stubs,
        force=force,
    )


def _store(folder: str | os.PathLike[str] | None) -> Store:
    return Store(user_path(folder, "The store's folder") if folder is not None else own_folder(os.environ))


def _build(
    store: Store, options: Options, source: str, asked: BuildOptions, cells: tuple[Build, ...], *, standalone: bool
) -> Build:
    context = gather(store, asked, standalone=standalone)
    key = context.key(options, source)
    named = _named(cells)
    digests = {name: artifact.digest for name, artifact in named.items()}
    present = None if asked.force else store.find(key, context.environ, digests)
    _log.info("key %s, %s", key[:12], "to be built" if present is None else "in the store")
    if present is not None:
        return Build(present, options, source, from_store=True, cells=cells)
    from .compile.pipeline import make_artifact  # a hit does without

    made = make_artifact(context, options, source, key=key, cells=named, force=asked.force)
    return Build(made, options, source, cells=cells)


def _with_used(builds: Sequence[Build]) -> Iterator[Build]:
    """The builds, each after those that its source may use."""
    for one in builds:
        yield from _with_used(one.cells)
        yield one


def _exportable(one: Build) -> BuiltCell:
    from .export.source_tree import BuiltCell

    return BuiltCell.of(one.module, one.options, one.source, one.crate)


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
