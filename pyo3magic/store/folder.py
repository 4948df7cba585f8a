"""The store's folder: private, per user, content-addressed; artifacts, lock files and cargo target folders.

Only this module writes the folder's fixed places. What is in ``artifacts`` is immutable: it is prepared in ``tmp``,
published by one rename, and loaded only if its digest is the one that was recorded when it was published.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import StoreError

from .artifact import Artifact, Inputs, artifact_of, read_record, write_record
from .digests import digest_file, digest_libraries
from .layers import VARIABLE, is_trusted, read_only_folders
from .places import failure, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Store"]

_RECORD = "record.json"
_ATTEMPTS = 3
"""How often a damaged folder is taken out of the way of a good one."""


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
            prepare(self.folder)
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
            artifact = artifact_of(folder, read_record(folder / _RECORD))
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
                write_record(staging / _RECORD, record)
                _make_read_only(staging)
                artifact = self.get(digest)
                if artifact is None:
                    ours = self.replace_folder(staging, target, is_good=lambda _: self.get(digest) is not None)
                    artifact = artifact_of(target, record) if ours else self.get(digest)
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
            prepare(self.folder)
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

    def _failure(self, error: OSError) -> StoreError:
        return failure(self.folder, error)


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
