"""The store: a private, per-user, content-addressed folder of artifacts, lock files and cargo target folders.

Only this module writes the folder's fixed places. What is in ``artifacts`` is immutable: it is prepared in ``tmp``,
published by one rename, and loaded only if its digest is the one that was recorded when it was published.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .errors import StoreError
from .layers import VARIABLE, is_trusted, read_only_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Artifact", "Inputs", "Store", "digest_file", "digest_libraries", "digest_tree"]

_FORMAT = "1"
_PLACES = (
    "artifacts",
    "interpreters",
    "locks",
    "plans",
    "runtimes",
    "sessions",
    "support",
    "targets",
    "tmp",
    "toolchains",
    "variants",
)
_RECORD = "record.json"
_ATTEMPTS = 3
"""How often a damaged folder is taken out of the way of a good one."""
_SKIPPED = frozenset({"target", ".git", "node_modules", "__pycache__", ".venv"})


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


class Store:
    """One store on disk.

    Args:
        folder: where it is; made when it does not exist.
        read_only: whether it is a layer under a user's own store: nothing in it is changed, and only what nobody but
            root and the user can change is taken from it.

    Raises:
        StoreError: the folder cannot be made, is a file, belongs to another user or is of another format.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._read_only = read_only
        self.layers: tuple[Store, ...] = ()
        if not read_only:
            self._prepare()
            if os.pathsep in os.environ.get(VARIABLE, ""):
                others = (other for other in read_only_folders(os.environ) if other != folder)
                self.layers = tuple(Store(other, read_only=True) for other in others)

    @classmethod
    def holding(cls, artifact: Artifact) -> Store:
        """The store that has an artifact: the user's own, or a layer."""
        return cls(artifact.store, read_only=artifact.store in read_only_folders(os.environ))

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def place(self, name: str, *parts: str) -> Path:
        """Path of one of the store's fixed places, or of something in it."""
        return self.folder.joinpath(name, *parts)

    def existing(self, name: str, *parts: str) -> Path:
        """Path of something in the store, or in the first layer that has it where the store has not."""
        own = self.place(name, *parts)
        if self.layers and not own.exists():
            candidates = (layer.place(name, *parts) for layer in self.layers)
            return next(filter(is_trusted, candidates), own)
        return own

    def digest_of(self, key: str, environ: Mapping[str, str], cells: Mapping[str, str] = MappingProxyType({})) -> str:
        """Digest of a cell's artifact as its other inputs stand now: files, variables, path dependencies, cells."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            stored = json.loads(self.existing("variants", f"{key}.json").read_bytes())
            return Inputs(**stored).refreshed(environ, cells).digest(key)
        return key

    def find(
        self, key: str, environ: Mapping[str, str], cells: Mapping[str, str] = MappingProxyType({})
    ) -> Artifact | None:
        """The artifact of a cell's key whose other inputs are what they were, verified; else None."""
        return self.get(self.digest_of(key, environ, cells))

    def get(self, digest: str) -> Artifact | None:
        """The artifact of that digest, verified; None when there is none, in the layers neither.

        A damaged one is moved out of the way, so that it is built anew.
        """
        own = self._get(digest)
        return own or next(filter(None, (layer.get(digest) for layer in self.layers)), None)

    def _get(self, digest: str) -> Artifact | None:
        folder = self._artifact_folder(digest)
        if self._read_only and not is_trusted(folder):
            return None
        try:
            artifact = _artifact(folder, _read_record(folder / _RECORD))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            self._discard(folder)
            return None
        if artifact.digest != digest or digest_file(artifact.file) != artifact.sha256:
            self._discard(folder)
            return None
        if not self._has_all(artifact) or (self._read_only and not is_trusted(artifact.file)):
            return None
        if not self._read_only:
            with contextlib.suppress(OSError):
                os.utime(folder / _RECORD)
        return artifact

    def need(self, name: str, digest: str) -> Artifact:
        """The artifact of the cell ``name``, which another one is built with, verified.

        Raises:
            StoreError: it, or something that it is linked with, is not there as it was built.
        """
        artifact = self.get(digest)
        if artifact is None:
            raise StoreError(
                f"The cell {name!r} is no longer in the store as it was built, or something it is linked with is not.",
                advice=f"Run {name!r} again with --force, and then this one.",
            )
        return artifact

    def _has_all(self, artifact: Artifact) -> bool:
        """Whether everything a linked artifact needs is there and is what was put there."""
        for file, sha256 in artifact.providers:
            folder = Path(file).parent
            if digest_libraries(folder) != sha256:
                return False
            with contextlib.suppress(OSError):
                os.utime(folder)
        return all(self.get(digest) is not None for digest in artifact.cells.values())

    def publish(
        self,
        key: str,
        inputs: Inputs,
        *,
        module: str,
        built: Path,
        file_name: str,
        interpreter: str,
        write_crate: Callable[[Path], None],
        diagnostics: tuple[dict[str, Any], ...] = (),
        notes: tuple[str, ...] = (),
        seconds: float = 0.0,
        cells: Mapping[str, str] = MappingProxyType({}),
        providers: tuple[tuple[str, str], ...] = (),
        features: tuple[str, ...] = (),
        exports: tuple[str, ...] = (),
    ) -> Artifact:
        """Put a built module into the store, whole or not at all, and return it.

        Args:
            key: the cell's key.
            inputs: what the build read beside the cell.
            module: the module's name.
            built: the file cargo or rustc made, on the store's file system; it is moved.
            file_name: what it is called in the store.
            interpreter: identity of the interpreter.
            write_crate: writes the cargo package into the folder it is given.
            diagnostics: warnings to show again on each store hit.
            notes: remarks to show again on each store hit.
            seconds: how long the build took.
            cells: digests of the cells it uses, by name.
            providers: path and digest of each dylib it needs beside those.
            features: features of its own package that were switched on.
            exports: the names it is known to export.

        Raises:
            StoreError: the store cannot be written, for example because the disk is full.
        """
        digest = inputs.digest(key)
        target = self._artifact_folder(digest)
        try:
            with self.workspace() as staging:
                built.rename(staging / file_name)
                write_crate(staging / "crate")
                record = {
                    "digest": digest,
                    "module": module,
                    "file": file_name,
                    "sha256": digest_file(staging / file_name),
                    "interpreter": interpreter,
                    "diagnostics": diagnostics,
                    "notes": notes,
                    "seconds": round(seconds, 3),
                    "cells": dict(cells),
                    "providers": providers,
                    "features": features,
                    "exports": exports,
                }
                _write_record(staging / _RECORD, record)
                _make_read_only(staging)
                artifact = self.get(digest)
                if artifact is None:
                    ours = self.replace_folder(staging, target, is_good=lambda _: self.get(digest) is not None)
                    artifact = _artifact(target, record) if ours else self.get(digest)
            if inputs:
                self.write_text(self.place("variants", f"{key}.json"), json.dumps(asdict(inputs)))
        except OSError as error:
            raise self._failure(error) from error
        if artifact is None:
            raise StoreError(
                f"The module was built, but was removed from the store at {self.folder} in the same moment.",
                advice="Run the cell again.",
            )
        return artifact

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A fresh private folder in the store, removed afterwards unless it was renamed to its place."""
        folder = self.place("tmp", secrets.token_hex(8))
        try:
            folder.mkdir(mode=0o700)
        except FileNotFoundError:
            self._prepare()
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise self._failure(error) from error
        try:
            yield folder
        finally:
            _remove(folder)

    def replace_folder(self, staging: Path, target: Path, *, is_good: Callable[[Path], bool] = lambda _: False) -> bool:
        """Publish a prepared folder under its final name, unless a good one stands there; tell whether that was done.

        Args:
            staging: the prepared folder.
            target: its final name.
            is_good: whether the folder that stands there, perhaps put there by another process in this moment, will do.

        Raises:
            StoreError: it cannot be renamed.
        """
        for _ in range(_ATTEMPTS):
            failure = _rename(staging, target)
            if failure is None:
                return True
            if not target.exists():
                raise self._failure(failure) from failure
            if is_good(target):
                return False
            self._discard(target)
        raise StoreError(
            f"{target} in the store is damaged and cannot be replaced.",
            advice="Remove it, or set PYO3MAGIC_STORE to another folder.",
        )

    def write_text(self, path: Path, text: str) -> None:
        """Write a small file so that a reader sees either all of it or the old one."""
        staging = self.place("tmp", f"{secrets.token_hex(8)}.part")
        try:
            staging.write_text(text, encoding="utf-8")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            staging.replace(path)
        except OSError as error:
            staging.unlink(missing_ok=True)
            raise self._failure(error) from error

    def _artifact_folder(self, digest: str) -> Path:
        return self.place("artifacts", digest[:2], digest)

    def _discard(self, folder: Path) -> None:
        if self._read_only:
            return
        grave = self.place("tmp", f"damaged-{secrets.token_hex(8)}")
        with contextlib.suppress(OSError):
            folder.rename(grave)
        _remove(grave)

    def _prepare(self) -> None:
        try:
            status = os.stat(self.folder / "format")
        except FileNotFoundError:
            self._create()
            status = os.stat(self.folder / "format")
        except OSError as error:
            raise self._failure(error) from error
        if hasattr(os, "getuid"):
            owner = os.stat(self.folder)
            if owner.st_uid != os.getuid():
                raise StoreError(
                    f"The store's folder {self.folder} belongs to another user (uid {owner.st_uid}), who could put "
                    "code there that would then run as you.",
                    advice="Set PYO3MAGIC_STORE to a folder of your own.",
                )
            if stat.S_IMODE(owner.st_mode) & 0o077:
                self.folder.chmod(0o700)
        if status.st_size != len(_FORMAT):
            raise StoreError(
                f"The store at {self.folder} was made by another version of pyo3magic.",
                advice="Remove that folder, or set PYO3MAGIC_STORE to another one.",
            )

    def _create(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self.folder.iterdir()) and not all((self.folder / name).exists() for name in _PLACES[:1]):
                raise StoreError(
                    f"The folder {self.folder} is not empty and is no store of pyo3magic.",
                    advice="Set PYO3MAGIC_STORE to a new or an empty folder.",
                )
            for name in _PLACES:
                (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            (self.folder / "CACHEDIR.TAG").write_text(
                "Signature: 8a477f597d28d172789f06886806bc55\n# A cache folder; see https://bford.info/cachedir/\n",
                encoding="ascii",
            )
            (self.folder / "format").write_text(_FORMAT, encoding="ascii")
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> StoreError:
        reason = error.strerror or str(error)
        return StoreError(
            f"The store at {self.folder} cannot be used: {reason}.",
            advice="Free some space (%pyo3_cache --clear empties the store), or set the environment variable "
            "PYO3MAGIC_STORE to a folder you can write to, before %load_ext.",
        )


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes as hexadecimal digits; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def digest_libraries(folder: Path) -> str:
    """SHA-256 of all dynamic libraries in a folder; each is read again when its size or time has changed."""
    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix in {".so", ".dylib", ".dll"}:
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((path.name, _digest_library(path, status.st_size, status.st_mtime_ns, status.st_ino)))
    return hashlib.sha256(repr(found).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _digest_library(path: Path, *_stamp: int) -> str:
    return digest_file(path)


def digest_tree(folder: Path) -> str:
    """Digest of the names, sizes and modification times below a folder, without version control and build output."""
    digest = hashlib.sha256()
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            path = os.path.join(base, name)  # noqa: PTH118
            with contextlib.suppress(OSError):
                status = os.stat(path)
                digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _write_record(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, ensure_ascii=False)
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}", encoding="utf-8")


def _read_record(path: Path) -> dict[str, Any]:
    expected, _, data = path.read_bytes().partition(b"\n")
    if hashlib.sha256(data).hexdigest().encode() != expected:
        raise ValueError("the record is not what was written")
    record: dict[str, Any] = json.loads(data)
    return record


def _artifact(folder: Path, record: dict[str, Any]) -> Artifact:
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


def _rename(staging: Path, target: Path) -> OSError | None:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging.rename(target)
    except OSError as error:
        return error
    return None


def _make_read_only(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o500)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)
