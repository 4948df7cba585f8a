"""What the store holds, as values, and the record that is kept beside each artifact."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .digests import digest_file, digest_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Artifact", "Inputs", "artifact_of", "read_record", "write_record"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a build read beside the cell: files the code includes, folders of path dependencies, variables, other cells.

    Each maps a name to the digest (or value) it had.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    trees: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    cells: Mapping[str, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files or self.trees or self.variables or self.cells)

    def refreshed(self, environ: Mapping[str, str], cells: Mapping[str, str]) -> Inputs:
        """The same names with what they hold now."""
        return Inputs(
            {name: digest_file(Path(name)) for name in self.files},
            {name: digest_tree(Path(name)) for name in self.trees},
            {name: environ.get(name) for name in self.variables},
            {name: cells.get(name) for name in self.cells},
        )

    def digest(self, key: str) -> str:
        """Digest of a cell's key together with these inputs; the key itself where there are none."""
        if not self:
            return key
        parts = (self.files, self.trees, self.variables, self.cells)
        text = repr((key, *(sorted(part.items()) for part in parts)))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A built extension module with everything needed to load it.

    Attributes:
        digest: digest of all inputs (64 hexadecimal digits); names the folder.
        folder: its folder in the store.
        module: name of the Python module (of its ``PyInit_`` symbol).
        file: the extension module file.
        sha256: digest of that file.
        interpreter: identity of the interpreter it is built for.
        diagnostics: the compiler's warnings, as they were stored.
        notes: remarks for the user that belong to this build.
        seconds: how long the build took.
        cells: digests of the artifacts of the cells it uses, by the name it uses.
        providers: path and digest of each dylib in the store that it is linked with, beside those.
        features: features of its own package that were switched on.
        exports: the names it exports whatever the platform, as far as they are known without importing it.
    """

    digest: str
    folder: Path
    module: str
    file: Path
    sha256: str
    interpreter: str
    diagnostics: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cells: Mapping[str, str] = field(default_factory=dict, hash=False)
    providers: tuple[tuple[str, str], ...] = ()
    features: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()

    @property
    def crate(self) -> Path:
        """Folder of the cargo package it was built from."""
        return self.folder / "crate"

    @property
    def store(self) -> Path:
        """Folder of the store that has it."""
        return self.folder.parents[2]

    @property
    def alias(self) -> str:
        """Module name that stands for exactly this content, used to pickle its functions and classes."""
        if self.module.endswith(self.digest[:8]):
            return self.module
        return f"{self.module}_{self.digest[:8]}"


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record with its own digest before it."""
    text = json.dumps(record, ensure_ascii=False)
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what was written.
    """
    expected, _, data = path.read_bytes().partition(b"\n")
    if hashlib.sha256(data).hexdigest().encode() != expected:
        raise ValueError("the record is not what was written")
    record: dict[str, Any] = json.loads(data)
    return record


def artifact_of(folder: Path, record: dict[str, Any]) -> Artifact:
    """The artifact in a folder, as its record describes it.

    Raises:
        KeyError, TypeError, ValueError: it is no such record.
    """
    return Artifact(
        digest=record["digest"],
        folder=folder,
        module=record["module"],
        file=folder / record["file"],
        sha256=record["sha256"],
        interpreter=record["interpreter"],
        diagnostics=tuple(record["diagnostics"]),
        notes=tuple(record["notes"]),
        seconds=record["seconds"],
        cells=record["cells"],
        providers=tuple((file, sha256) for file, sha256 in record["providers"]),
        features=tuple(record.get("features", ())),
        exports=tuple(record.get("exports", ())),
    )
