"""Content-addressed store of built modules; every file is verified against its digest before it is loaded.

The folder is private to one user. Besides artifacts, it holds lock files and cargo target folders. An artifact never
changes: it is prepared in ``tmp``, published by one rename, and loaded only if its digest equals the recorded digest.
Only this room writes into the folder; the rest of the package fills a `Store.workspace`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyo3magic.errors import LostCellError, StoreError

from .artifact import Artifact, Inputs, read_artifact, record_file, write_artifact
from .digests import digest_file, digest_folder, digest_libraries
from .files import PRIVATE, replace_file, write_files
from .layers import VARIABLE, own_folder, read_only_folders
from .places import failure, prepare, read_key
from .trust import is_trusted
from .unfinished import unfinished_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .artifact import Description

__all__ = ["Store"]

_ATTEMPTS = 3
"""Number of attempts to replace a damaged folder that another process keeps publishing."""


class Store:
    """A store on disk.

    Args:
        folder: its path; the folder is created if missing.
        read_only: whether it is a layer under a user's own store. A layer is never changed, and its files are used
            only if nobody except root and the user can change them.

    Raises:
        StoreError: the folder cannot be created, is a file, belongs to another user or has another format.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._read_only = read_only
        self.layers: tuple[Store, ...] = ()
        self._key: bytes | None = None
        if not read_only:
            prepare(self.folder)
            if os.pathsep in os.environ.get(VARIABLE, "") or folder == own_folder(os.environ):
                others = (other for other in read_only_folders(os.environ) if other != folder)
                self.layers = tuple(Store(other, read_only=True) for other in others)

    @classmethod
    def holding(cls, artifact: Artifact) -> Store:
        """Return the store that contains an artifact: the user's own, or a layer."""
        return cls(artifact.store, read_only=artifact.store in read_only_folders(os.environ))

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def place(self, name: str, *parts: str) -> Path:
        """Return the path of a top-level folder of the store, or of ``parts`` below it."""
        return self.folder.joinpath(name, *parts)

    def existing(self, name: str, *parts: str) -> Path:
        """Return the path of a file or folder in the store, or in the first layer that has it if the store does not."""
        own = self.place(name, *parts)
        if self.layers and not own.exists():
            candidates = (layer.place(name, *parts) for layer in self.layers)
            return next(filter(is_trusted, candidates), own)
        return own

    def digest_of(self, key: str, environ: Mapping[str, str], cells: Mapping[str, str] = MappingProxyType({})) -> str:
        """Return the digest of a cell's artifact for the current files, variables, path dependencies and cells.

        Args:
            key: the cell's key (`Context.key`).
            environ: the environment.
            cells: digest of each cell of the session, by name.
        """
        for store in (self, *self.layers):
            file = store.place("variants", f"{key}.json")
            if store is self or is_trusted(file):
                with contextlib.suppress(OSError, ValueError, TypeError):
                    stored = json.loads(file.read_bytes())
                    return Inputs(**stored).refreshed(environ, cells, store.conceal).digest(key)
        return key

    def conceal(self, value: str) -> str:
        """Return a keyed digest of a variable's value, which reveals changes but not the value.

        Args:
            value: the value.

        Raises:
            OSError: the store's key cannot be read or written.
        """
        import hmac

        if self._key is None:
            self._key = read_key(self.place("secret"), self._unfinished(), may_write=not self._read_only)
        return hmac.digest(self._key, value.encode("utf-8", "surrogateescape"), "sha256").hex()

    def find(
        self, key: str, environ: Mapping[str, str], cells: Mapping[str, str] = MappingProxyType({})
    ) -> Artifact | None:
        """Return a cell's verified artifact; None if there is none for the current inputs.

        Args:
            key: the cell's key (`Context.key`).
            environ: the environment.
            cells: digest of each cell of the session, by name.
        """
        return self.get(self.digest_of(key, environ, cells))

    def get(self, digest: str) -> Artifact | None:
        """Return the verified artifact with a digest, from this store or the first layer that has it; otherwise None.

        A damaged artifact is removed, and the next run builds it again.
        """
        own = self._get(digest)
        return own or next(filter(None, (layer.get(digest) for layer in self.layers)), None)

    def _get(self, digest: str) -> Artifact | None:
        folder = self._artifact_folder(digest)
        if self._read_only and not is_trusted(folder):
            return None
        try:
            artifact = read_artifact(folder)
            is_whole = artifact.digest == digest and digest_file(artifact.file) == artifact.sha256
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            is_whole = False
        if not is_whole:
            self.remove(folder)
            return None
        if not self._has_all(artifact) or (self._read_only and not is_trusted(artifact.file)):
            return None
        if not self._read_only:
            self.touch(record_file(folder))
        return artifact

    def need(self, name: str, digest: str) -> Artifact:
        """Return the verified artifact of a cell that the next build or export uses.

        Args:
            name: the cell's name, for the message.
            digest: the artifact's digest.

        Raises:
            LostCellError: the artifact, its cargo package, or a library that it is linked with, is missing or damaged.
        """
        artifact = self._get_whole(digest)
        if artifact is None:
            raise LostCellError(name)
        return artifact

    def _get_whole(self, digest: str) -> Artifact | None:
        """Return an artifact whose cargo package is undamaged, too."""
        artifact = self.get(digest)
        with contextlib.suppress(OSError):
            if artifact is not None and digest_folder(artifact.crate) == artifact.crate_sha256:
                return artifact
        return None

    def _has_all(self, artifact: Artifact) -> bool:
        """Return whether all libraries and cells that an artifact is linked with exist and are undamaged."""
        for file, sha256 in artifact.providers:
            folder = Path(file).parent
            if digest_libraries(folder) != sha256:
                return False
            self.touch(folder)
        return all(self.get(digest) is not None for digest in artifact.cells.values())

    def publish(
        self,
        key: str,
        inputs: Inputs,
        description: Description,
        *,
        built: Path,
        write_crate: Callable[[Path], None],
    ) -> Artifact:
        """Put a built module into the store, whole or not at all, and return it.

        Args:
            key: the cell's key.
            inputs: the inputs of the build besides the cell.
            description: the module's metadata.
            built: the file from cargo or rustc, on the store's file system; it is moved.
            write_crate: writes the cargo package into a given folder.

        Raises:
            StoreError: the store cannot be written, for example because the disk is full.
        """
        digest = inputs.digest(key)
        described = {each.name: getattr(description, each.name) for each in fields(description)}
        described["seconds"] = round(description.seconds, 3)
        try:
            with self.workspace() as staging:
                built.rename(staging / description.file_name)
                write_crate(staging / "crate")
                sha256 = digest_file(staging / description.file_name)
                package = digest_folder(staging / "crate")
                write_artifact(
                    Artifact(digest=digest, folder=staging, sha256=sha256, crate_sha256=package, **described)
                )
                _make_read_only(staging)
                artifact = self._get_whole(digest)
                if artifact is None:
                    target = self._artifact_folder(digest)
                    ours = self.replace_folder(staging, target, is_good=lambda _: self._get_whole(digest) is not None)
                    artifact = read_artifact(target) if ours else self.get(digest)
            if inputs:
                self.write_text(self.place("variants", f"{key}.json"), json.dumps(asdict(inputs)))
        except OSError as error:
            raise self._failure(error) from error
        if artifact is None:
            raise StoreError(
                f"The module was built, but was removed from the store at {self.folder} at the same moment.",
                advice="Run the cell again.",
            )
        return artifact

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Yield a new private folder in the store, removed afterwards unless it was published.

        Raises:
            StoreError: the folder cannot be created.
        """
        folder = self._unfinished()
        with self._writing():
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _delete(folder)

    def replace_folder(self, staging: Path, target: Path, *, is_good: Callable[[Path], bool] = lambda _: False) -> bool:
        """Publish a prepared folder under its final name, unless another process has just published a good one.

        Args:
            staging: the prepared folder.
            target: its final name.
            is_good: returns whether an existing folder is usable; otherwise it is replaced.

        Returns:
            Whether the prepared folder was published.

        Raises:
            StoreError: the folder cannot be renamed.
        """
        for _ in range(_ATTEMPTS):
            failure = _rename(staging, target)
            if failure is None:
                return True
            if not target.exists():
                raise self._failure(failure) from failure
            if is_good(target):
                return False
            self.remove(target)
        raise StoreError(
            f"{target} in the store is damaged and cannot be replaced.",
            advice="Remove it, or set PYO3MAGIC_STORE to another folder.",
        )

    def write_text(self, path: Path, text: str, *, executable: bool = False) -> None:
        """Write a small file atomically: a reader sees either the old content or the new.

        Args:
            path: a path in the store; its folder is created if missing.
            text: its content.
            executable: whether it is a program.

        Raises:
            StoreError: the file cannot be written.
        """
        mode = 0o700 if executable else PRIVATE
        with self._writing():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                replace_file(path, text.encode(), staging=self._unfinished(), mode=mode)
            except IsADirectoryError:  # damage
                self.remove(path)
                replace_file(path, text.encode(), staging=self._unfinished(), mode=mode)

    def write_files(self, folder: Path, files: Mapping[str, bytes], *, only: bool = False) -> None:
        """Write files into a folder of the store; unchanged files are not rewritten.

        Args:
            folder: the folder, created if missing.
            files: relative path and content of each file.
            only: remove all other files below the folder.

        Raises:
            StoreError: a file cannot be written.
        """
        with self._writing():
            write_files(folder, files, only=only)

    def make_folder(self, folder: Path) -> Path:
        """Create a private folder in the store, and its parents, if missing; return it.

        Raises:
            StoreError: the folder cannot be created.
        """
        with self._writing():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def touch(self, *folders: Path) -> None:
        """Mark folders as used now; the least recently used ones are the first to be pruned."""
        for folder in folders:
            with contextlib.suppress(OSError):
                os.utime(folder)

    def link(self, path: Path, target: Path) -> None:
        """Make ``path`` in the store a symbolic link to ``target``, unless ``path`` already exists.

        Raises:
            StoreError: the link cannot be created, for example because the file system has no symbolic links.
        """
        self.make_folder(path.parent)
        with self._writing(), contextlib.suppress(FileExistsError):
            path.symlink_to(target)

    def remove(self, path: Path) -> bool:
        """Remove a file or folder of the store in one step, and return whether it was removed."""
        if self._read_only:
            return False
        grave = self._unfinished()
        try:
            path.rename(grave)
        except OSError:
            return False
        _delete(grave)
        return True

    def _unfinished(self) -> Path:
        return self.place("tmp", unfinished_name())

    def _artifact_folder(self, digest: str) -> Path:
        return self.place("artifacts", digest[:2], digest)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if not self.place("tmp").exists():
            prepare(self.folder)
        try:
            yield
        except OSError as error:
            raise self._failure(error) from error

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


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
