"""A complete cargo package, ready to be written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.store.files import write_files

from .array_wrappers import FIRST_PYO3
from .companions import Companions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyo3magic.diagnostics import Place

    from .manifest import Manifest

__all__ = ["Crate", "array_files", "support_files", "ufunc_files"]

_SUPPORT = Path(__file__).parents[1] / "support"
_ATTACHED = (0, 26)
"""The first pyo3 whose names have 'attach' instead of 'gil'."""
_BOUND = (0, 21)
"""The first pyo3 with `Bound`."""
_NAMES_BEFORE = {
    "assume_attached": "assume_gil_acquired",
    "Python::attach(": "Python::with_gil(",
    "py.detach(": "py.allow_threads(",
}


@dataclass(frozen=True, slots=True)
class Crate:
    """A complete cargo package, ready to be written.

    Attributes:
        manifest: its ``Cargo.toml``.
        source: text of ``src/lib.rs``.
        build_script: text of ``build.rs``, or empty.
        lock: text of ``Cargo.lock``.
        module: name of the Python module it builds (from its ``PyInit_`` symbol).
        config: text of ``.cargo/config.toml``, which lets plain ``cargo build`` find the interpreter's facts.
        support: files of the support crate, through which the session calls the module (see `support_files`).
        places: places in the cell of items on the generated line (`pyo3magic.crate.library_source.export_places`).
        companions: the files that the source names.
        cells: files of used cells' packages, if these are compiled from source (`pyo3magic.crate.vendored`).
    """

    manifest: Manifest
    source: str
    build_script: str
    lock: str
    module: str
    config: str = ""
    support: tuple[tuple[str, str], ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    companions: Companions = field(default_factory=Companions)
    cells: tuple[tuple[str, bytes], ...] = ()

    def files(self, support: Path | None = None) -> Iterator[tuple[str, str]]:
        """Yield the relative path and text of each file of the package, except the files that the source names.

        Args:
            support: folder of the support crate, if it is outside this package.
        """
        manifest = self.manifest.text
        if support is not None:
            manifest = manifest.replace('path = "support"', f"path = {json.dumps(str(support))}")
        yield "Cargo.toml", manifest
        yield "Cargo.lock", self.lock
        yield "src/lib.rs", self.source
        if self.build_script:
            yield "build.rs", self.build_script
        if self.config:
            yield ".cargo/config.toml", self.config
        if support is None:
            yield from ((f"support/{name}", text) for name, text in self.support)

    def write(self, folder: Path, support: Path | None = None) -> None:
        """Write the package to ``folder``; unchanged files are not rewritten, except ``src/lib.rs``."""
        files = {name: text.encode() for name, text in self.files(support)}
        write_files(folder, files | dict(self.cells), always={"src/lib.rs"})
        self.write_attached(folder)

    def attached(self) -> dict[str, bytes]:
        """Return the content of each file that the source names and that is copied into the package, by path."""
        return {item.name: item.data for item in self.companions.attached}

    def write_attached(self, folder: Path) -> None:
        """Write the attached files to ``folder``; unchanged files are not rewritten."""
        write_files(folder, self.attached())


def support_files(pyo3: tuple[int, ...] = (0, 30)) -> tuple[tuple[str, str], ...]:
    """Return the relative path and text of each file of the support crate, for a version of pyo3."""
    names = ("Cargo.toml", *(f"src/{path.name}" for path in sorted((_SUPPORT / "src").glob("*.rs"))))
    files = {name: _read(name, pyo3) for name in names} | ufunc_files(pyo3)
    if pyo3 >= FIRST_PYO3:
        files |= array_files("src/arrays/", pyo3)
    else:
        files["src/lib.rs"] = files["src/lib.rs"].replace("pub mod arrays;\n", "")
    return tuple(files.items())


def array_files(prefix: str, pyo3: tuple[int, ...]) -> dict[str, str]:
    """Return the path and text of each file of the Rust module that wrappers call, for a version of pyo3.

    Args:
        prefix: the folder of the files, with a slash at its end.
        pyo3: the version.
    """
    names = sorted(path.name for path in (_SUPPORT / "src" / "arrays").glob("*.rs"))
    return {f"{prefix}{name}": _read(f"src/arrays/{name}", pyo3) for name in names}


def ufunc_files(pyo3: tuple[int, ...] = (0, 30)) -> dict[str, str]:
    """Return the text of each Rust file that makes NumPy's ufuncs, by its path in a crate, for a version of pyo3."""
    modules = sorted(path.name for path in (_SUPPORT / "src" / "ufunc").glob("*.rs"))
    return {name: _read(name, pyo3) for name in ("src/ufunc.rs", *(f"src/ufunc/{name}" for name in modules))}


def _read(name: str, pyo3: tuple[int, ...]) -> str:
    """Return a file of the support crate, with the names of a version of pyo3."""
    text = (_SUPPORT / name).read_text(encoding="utf-8")
    for new, before in (_NAMES_BEFORE if pyo3 < _ATTACHED else {}).items():
        text = text.replace(new, before)
    if pyo3 < _BOUND:
        text = text.replace(
            "Bound::<PyAny>::from_owned_ptr_or_err(py, made).map(Bound::unbind)", "Py::from_owned_ptr_or_err(py, made)"
        )
        text = text.replace("ffi, Bound, Py,", "ffi, Py,")
    return text
