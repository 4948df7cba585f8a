"""The values that the store holds, and the record next to each extension module."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .digests import digest_file, digest_tree
from .records import pack_record, unpack_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Artifact", "Description", "Inputs", "read_artifact", "record_file", "write_artifact"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a build besides the cell, each with its digest (or value) at the time of the build.

    Attributes:
        files: files that the code includes, by path.
        trees: folders of path dependencies, by path.
        variables: keyed digests of environment variables (`Store.conceal`), because a variable can hold a secret;
            None for a variable that was not set.
        cells: digests of other cells, by name; None for a name without a cell.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    trees: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    cells: Mapping[str, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files or self.trees or self.variables or self.cells)

    def refreshed(self, environ: Mapping[str, str], cells: Mapping[str, str], conceal: Callable[[str], str]) -> Inputs:
        """Return the same names with their current digests and values.

        Args:
            environ: the environment.
            cells: digest of each cell of the session, by name.
            conceal: returns the keyed digest of a variable's value.
        """
        return Inputs(
            {name: digest_file(Path(name)) for name in self.files},
            {name: digest_tree(Path(name)) for name in self.trees},
            {name: conceal(environ[name]) if name in environ else None for name in self.variables},
            {name: cells.get(name) for name in self.cells},
        )

    def digest(self, key: str) -> str:
        """Return the SHA-256 (hexadecimal) of a cell's key and these inputs; without inputs, the key itself."""
        if not self:
            return key
        parts = (self.files, self.trees, self.variables, self.cells)
        text = repr((key, *(sorted(part.items()) for part in parts)))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A built module's metadata, stored with the module.

    Attributes:
        module: name of the Python module (from its ``PyInit_`` symbol).
        file_name: name of the extension module file.
        interpreter: identity of the interpreter it is built for.
        diagnostics: the compiler's warnings, shown again on each store hit.
        notes: notes for the user, shown again on each store hit.
        seconds: duration of the build.
        cells: digests of the artifacts of the cells it uses, by name.
        providers: path and digest of each dylib in the store that it is linked with, besides the cells.
        features: enabled features of its own package.
        exports: the names that it exports on every platform, if known without importing it.
    """

    module: str
    file_name: str
    interpreter: str
    diagnostics: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cells: Mapping[str, str] = field(default_factory=dict, hash=False)
    providers: tuple[tuple[str, str], ...] = ()
    features: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(Description):
    """A built extension module with everything needed to load it.

    Attributes:
        digest: digest of all inputs (64 hexadecimal digits); names the folder.
        folder: its folder in the store.
        sha256: digest of the extension module file.
        crate_sha256: digest of the names and contents of the cargo package's files.
    """

    digest: str
    folder: Path
    sha256: str
    crate_sha256: str = ""

    @property
    def file(self) -> Path:
        """The extension module file."""
        return self.folder / self.file_name

    @property
    def crate(self) -> Path:
        """Folder of the cargo package it was built from."""
        return self.folder / "crate"

    @property
    def store(self) -> Path:
        """Folder of the store that contains it."""
        return self.folder.parents[2]

    @property
    def alias(self) -> str:
        """Module name that identifies this content, used to pickle its functions and classes."""
        if self.module.endswith(self.digest[:8]):
            return self.module
        return f"{self.module}_{self.digest[:8]}"


_RECORD = "record.json"
_STORED = tuple(each.name for each in fields(Artifact) if each.name != "folder")
_TUPLES = frozenset(each.name for each in fields(Artifact) if each.default == ())


def record_file(folder: Path) -> Path:
    """Return the record file of the artifact in a folder; its modification time is the artifact's last use."""
    return folder / _RECORD


def write_artifact(artifact: Artifact) -> None:
    """Write an artifact's record into its folder.

    Raises:
        OSError: the record cannot be written.
    """
    record_file(artifact.folder).write_bytes(pack_record({name: getattr(artifact, name) for name in _STORED}))


def read_artifact(folder: Path) -> Artifact:
    """Read the record of the artifact in a folder, without checking the module file.

    Raises:
        OSError: the record cannot be read.
        KeyError, TypeError, ValueError: the record has changed since it was written, or is not an artifact's.
    """
    record: Any = unpack_record(record_file(folder).read_bytes())
    values: dict[str, Any] = {name: tuple(record[name]) if name in _TUPLES else record[name] for name in _STORED}
    values["providers"] = tuple((file, sha256) for file, sha256 in values["providers"])
    return Artifact(folder=folder, **values)
