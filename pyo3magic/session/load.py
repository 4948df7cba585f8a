"""Import artifacts: once per process, from a verified file, under a name that identifies the content."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ImportConflictError, PyO3MagicError, StoreError
from pyo3magic.store import Artifact, Store

from .crash_watch import Crashes, CrashWatch
from .ufunc_pickling import adopt_ufunc, is_ufunc

if TYPE_CHECKING:
    from .panics import Source

__all__ = [
    "SOURCES",
    "Module",
    "RustModule",
    "bind_module",
    "crash_watch",
    "exported_names",
    "load",
    "load_for_worker",
    "loaded",
    "source_name",
    "sources_line",
    "stub",
]

_loaded: dict[str, Module] = {}
SOURCES = "panic_sources.txt"
"""A file next to the stubs: a line for each run of a cell, since it costs less than a new stub for each new label."""
crash_watch = CrashWatch()
"""The crash handlers of this process."""


class RustModule(ModuleType):
    """The module object of an artifact; it is pickled by the alias that identifies its content, not by its name.

    A function that is sent to a worker carries the modules among its globals, and a long-lived worker may have imported
    an earlier version under the same name.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        alias = next((module.artifact.alias for module in _loaded.values() if module.module is self), self.__name__)
        return importlib.import_module, (alias,)


@dataclass(frozen=True, slots=True)
class Module:
    """An imported artifact.

    Attributes:
        artifact: the artifact it was loaded from.
        module: the module object.
        names: the names it exports.
    """

    artifact: Artifact
    module: ModuleType
    names: tuple[str, ...]

    def exports(self) -> dict[str, Any]:
        """Return the exported objects by name."""
        return {name: getattr(self.module, name) for name in self.names}


def loaded(digest: str) -> Module | None:
    """Return the module of the artifact with a digest, or None if this process has not loaded it."""
    return _loaded.get(digest)


def load(artifact: Artifact) -> Module:
    """Import an artifact; the same artifact always gives the same module object.

    PyO3 initialises a module once per process, so running an earlier version of a cell again returns the module that
    was loaded then.

    Raises:
        ImportConflictError: Python cannot import the file.
        StoreError: the store's file system does not allow to load modules.
    """
    present = _loaded.get(artifact.digest)
    if present is not None:
        return present
    for digest in artifact.cells.values():
        needed = Store.holding(artifact).get(digest) if digest not in _loaded else None
        if needed is not None:
            load(needed)
    loader = importlib.machinery.ExtensionFileLoader(artifact.module, str(artifact.file))
    spec = importlib.util.spec_from_file_location(artifact.module, artifact.file, loader=loader)
    assert spec is not None  # noqa: S101 - a loader was given
    try:
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        advice = "If a shared library is missing, install it; otherwise run the cell again with --force."
        if "NumPy's ufuncs" in str(error):
            advice = "%pip install numpy"
        if "PyInit_" in str(error):
            advice = "Is its #[pymodule] under a #[cfg(...)] that is false? --features enables features."
        if "failed to map segment" in str(error):
            from pyo3magic.compile.hints.cargo_rules import NOEXEC_ADVICE

            raise StoreError(
                f"Modules cannot be loaded from the store at {artifact.store}: its file system is mounted `noexec`.",
                advice=NOEXEC_ADVICE,
            ) from error
        raise ImportConflictError(
            f"Python cannot import the built module {artifact.module!r}: {error}.", advice=advice
        ) from error
    module.__class__ = RustModule
    sys.modules[artifact.alias] = module
    names = exported_names(module)
    _adopt(module, names, artifact.alias)
    result = Module(artifact, module, names)
    _loaded[artifact.digest] = result
    return result


def source_name(artifact: Artifact) -> str:
    """Return what the compiler calls the cell's source file; linked cells, which share a support crate, differ."""
    return f"src/{artifact.file.stem.removeprefix('lib')}.rs" if artifact.providers else "src/lib.rs"


def exported_names(module: ModuleType) -> tuple[str, ...]:
    """Return the names that a module exports: its ``__all__``, or else its public attributes."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return tuple(name for name in listed if hasattr(module, name))
    return tuple(name for name in vars(module) if not name.startswith("_"))


def bind_module(module: Module, name: str) -> None:
    """Make ``import name`` return this module.

    Raises:
        ImportConflictError: another package has a module of that name.
    """
    check_free(name)
    sys.modules[name] = module.module


def check_free(name: str) -> None:
    """Raise ImportConflictError if ``name`` is a module, loaded or importable, that is not from a Rust cell."""
    present = sys.modules.get(name)
    if present is not None:
        if any(module.module is present for module in _loaded.values()):
            return
        where = getattr(present, "__file__", None) or "built into Python"
    else:
        where = _find_elsewhere(name)
    if where:
        raise ImportConflictError(
            f"{name!r} is already the name of another module ({where}); "
            "the cell would hide it from every later import.",
            advice=f"Choose another name, for example %%rust -m rust_{name}",
        )


def stub(store: Path, artifact: Artifact, crashes: Crashes | None = None) -> str:
    """Return the text of a Python file that becomes the artifact's module when a worker process imports it.

    Args:
        store: the store's folder.
        artifact: the artifact.
        crashes: where the worker writes a report if a signal ends the process.
    """
    reports = (str(crashes.folder), crashes.session, crashes.kernel) if crashes is not None else ()
    return (
        f'"""The Rust cell {artifact.module}, as the notebook last built it."""\n\n'
        "from pyo3magic.session.load import load_for_worker\n\n"
        f"load_for_worker({str(store)!r}, {artifact.digest!r}, __name__, {reports!r})\n"
    )


def sources_line(digest: str, sources: tuple[Source, ...]) -> str:
    """Return the line of the file `SOURCES` that tells workers what panics call the source files of an artifact."""
    return f"{digest} {json.dumps(sources)}\n"


def load_for_worker(store: str, digest: str, name: str, crashes: tuple[str, str, int] | tuple[()] = ()) -> None:
    """Load an artifact in a worker process, in place of the stub that is being imported.

    Panics there become exceptions that the worker can send back (`panics`), and name the cell as `SOURCES` says.

    Args:
        store: the store's folder.
        digest: the artifact's digest.
        name: the name of the stub.
        crashes: the fields of `Crashes`, if the worker is to write reports.

    Raises:
        ImportError: the artifact is no longer in the store.
    """
    artifact = Store(Path(store)).get(digest)
    if artifact is None:
        raise ImportError(f"the Rust cell {name!r} is no longer in the store; run it again in the notebook")
    known = _sources_beside(getattr(sys.modules.get(name), "__file__", None))
    try:
        sys.modules[name] = load(artifact).module
    except PyO3MagicError as error:
        raise ImportError(str(error)) from error
    from . import panic_hints, panics

    for module in _loaded.values():
        sources = known.get(module.artifact.digest, ())
        panics.watch_file(str(module.artifact.file), sources, panic_hints.hint_for)
        if crashes:
            folder, session, kernel = crashes
            crash_watch.start(module.artifact.file, Crashes(Path(folder), session, kernel))
            crash_watch.describe(module.artifact, sources)


def _sources_beside(file: str | None) -> dict[str, tuple[Source, ...]]:
    """Return by digest what the session says in `SOURCES`, next to a stub; the last line about an artifact counts."""
    try:
        text = Path(file or "").with_name(SOURCES).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    lines = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    return {digest: tuple(map(tuple, json.loads(sources))) for digest, sources in lines.items()}


def _find_elsewhere(name: str) -> str:
    if name in sys.stdlib_module_names:
        return "part of Python's standard library"
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    if spec is None or _is_stub(spec.origin):
        return ""
    if spec.origin is None:
        # Any folder on sys.path is a namespace package, even a cargo project next to the notebook. Only folders with
        # Python files count.
        places = [Path(place) for place in spec.submodule_search_locations or ()]
        found = any(next(place.glob(pattern), None) for place in places for pattern in ("*.py", "*/*.py"))
        return "a namespace package" if found else ""
    return spec.origin


def _is_stub(origin: str | None) -> bool:
    if not origin or not origin.endswith(".py"):
        return False
    try:
        with Path(origin).open(encoding="utf-8", errors="replace") as file:
            return "pyo3magic.session.load" in file.read(400)
    except OSError:
        return False


def _adopt(module: ModuleType, names: tuple[str, ...], alias: str) -> None:
    """Set ``__module__`` of each function, ufunc and class to ``alias``, by which pickle finds exactly this content.

    In PyO3, a class without ``module = ...`` has the module ``builtins``, and a function has its module's plain name.
    """
    for name in names:
        item = getattr(module, name)
        if is_ufunc(item):
            adopt_ufunc(item, module, alias)
        if not isinstance(item, (type, BuiltinFunctionType)):
            continue
        if isinstance(item, type) and _is_importable(item):
            continue
        try:
            item.__module__ = alias
        except (AttributeError, TypeError):
            continue


def _is_importable(item: type) -> bool:
    home = sys.modules.get(item.__module__)
    found: Any = home
    for part in item.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is item
