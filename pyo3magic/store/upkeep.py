"""Measure the store, remove the least recently used folders when it grows too large, and empty it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .artifact import record_file
from .leftovers import living_sessions, sweep
from .locking import exclusive, is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .folder import Store

__all__ = ["Entry", "Usage", "clear", "enforce", "forget_versions", "in_use", "measure", "prune"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_YOUNG = 3600
"""Age in seconds up to which a folder may belong to a build that is still running, and is kept."""
_CHECK_EVERY = 600
_KEEP = 0.8
"""Share of the limit to prune to; the room below the limit saves the next builds from pruning again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder in the store that can be removed on its own.

    Attributes:
        path: the folder.
        kind: ``artifact``, ``runtime``, ``plan`` or ``target``.
        size: bytes on disk.
        used: when it was last used, in seconds since 1970.
    """

    path: Path
    kind: str
    size: int
    used: float


@dataclass(frozen=True, slots=True)
class Usage:
    """The contents of the store by size.

    Attributes:
        entries: artifacts, the libraries that linked cells share, plans and cargo target folders.
        other: bytes of everything else.
    """

    entries: tuple[Entry, ...]
    other: int

    @property
    def total(self) -> int:
        """Bytes of everything in the store."""
        return self.other + sum(entry.size for entry in self.entries)

    def of(self, kind: str) -> tuple[int, int]:
        """Number and bytes of the entries of one kind (``artifact``, ``runtime``, ``plan``, ``target``)."""
        sizes = [entry.size for entry in self.entries if entry.kind == kind]
        return len(sizes), sum(sizes)


def measure(store: Store) -> Usage:
    """Measure every folder of the store; this is slow because it visits all files."""
    entries = [
        Entry(folder, "artifact", _size(folder), _used(record_file(folder)))
        for group in _folders(store.place("artifacts"))
        for folder in _folders(group)
    ]
    for kind in ("runtime", "plan", "target"):
        entries += [Entry(folder, kind, _size(folder), _used(folder)) for folder in _folders(store.place(f"{kind}s"))]
    others = ("crashes", "interpreters", "locks", "sessions", "support", "tmp", "toolchains", "variants")
    return Usage(tuple(entries), sum(_size(store.place(name)) for name in others))


def in_use(store: Store) -> frozenset[str]:
    """Return the names of folders that running kernels need: their artifacts, and the folders these are linked with."""
    digests: set[str] = set()
    for session in living_sessions(store):
        for file in session.glob("*.py"):
            with contextlib.suppress(OSError):
                digests.update(_DIGEST.findall(file.read_text(encoding="utf-8")))
    return frozenset().union(digests, *(_linked(store, digest) for digest in digests))


def _linked(store: Store, digest: str) -> Iterator[str]:
    """Yield the names of folders that an artifact is linked with: libraries, and cells used directly or indirectly."""
    todo = [digest]
    while todo:
        artifact = store.get(todo.pop())
        if artifact is not None:
            yield from (Path(file).parent.name for file, _ in artifact.providers)
            yield from artifact.cells.values()
            todo += artifact.cells.values()


def prune(store: Store, limit: int) -> int:
    """Remove the least recently used folders until the store is no larger than a limit.

    Artifacts of running kernels, target folders of running builds, and folders used within the last hour are kept:
    another kernel's build may be about to use them.

    Args:
        store: the store.
        limit: bytes.

    Returns:
        The bytes freed.
    """
    return _prune(store, limit, young=_YOUNG)


def _prune(store: Store, limit: int, *, young: float) -> int:
    sweep(store)
    usage = measure(store)
    kept = in_use(store)
    now = time.time()
    excess, freed = usage.total - limit, 0
    for entry in sorted(usage.entries, key=lambda entry: (entry.kind == "target", entry.used)):
        if freed >= excess:
            break
        if entry.path.name not in kept and abs(now - entry.used) >= young and _remove(store, entry):
            freed += entry.size
    return freed


def clear(store: Store, *, own: Path | None = None) -> int:
    """Remove everything that no running kernel needs, including the chosen versions of dependencies.

    While other kernels use the store, folders used within the last hour are kept.

    Args:
        store: the store.
        own: the session folder of the caller's own kernel, if there is one.

    Returns:
        The bytes freed.
    """
    is_alone = all(session == own for session in living_sessions(store))
    freed = _prune(store, 0, young=0 if is_alone else _YOUNG)
    if not any(entry.kind == "target" for entry in measure(store).entries):
        # Target folders refer to these packages by path; without target folders they are not needed.
        for folder in _folders(store.place("support")):
            store.remove(folder)
    for name in ("variants", "toolchains"):
        for path in list(store.place(name).iterdir()):
            store.remove(path)
    for folder in _folders(store.place("crashes")):
        store.remove(folder)
    forget_versions(store)
    return freed


def forget_versions(store: Store) -> None:
    """Forget the chosen versions of dependencies; the next build of each cell chooses again."""
    for file in store.place("locks").glob("*.lock.toml"):
        store.remove(file)
    store.write_text(store.place("locks", "generation"), secrets.token_hex(8))


def enforce(store: Store, limit: int) -> None:
    """Prune the store to 80 % of ``limit`` bytes if it exceeds the limit; measure at most every ten minutes."""
    marker = store.place("locks", "measured")
    if abs(time.time() - _used(marker)) < _CHECK_EVERY:
        return
    store.write_text(marker, "")
    if measure(store).total > limit:
        prune(store, int(limit * _KEEP))


def _remove(store: Store, entry: Entry) -> bool:
    if entry.kind != "target":
        return store.remove(entry.path)
    lock = store.place("locks", f"target-{entry.path.name}.lock")
    if is_locked(lock):
        return False
    with exclusive(lock):
        return store.remove(entry.path)


def _folders(path: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (child for child in sorted(path.iterdir()) if child.is_dir() and not child.is_symlink())


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    """Return the bytes on disk below a folder; a file with several hard links counts once."""
    total, seen = 0, set()
    for base, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(base, name))  # noqa: PTH118 - this walks tens of thousands of files
                if stat.S_ISREG(status.st_mode) and (status.st_nlink == 1 or status.st_ino not in seen):
                    seen.add(status.st_ino)
                    total += status.st_size
    return total


def tend(
    store: Store,
    *,
    clear_all: bool = False,
    update: bool = False,
    limit: int | None = None,
    own: Path | None = None,
) -> tuple[str, dict[str, object]]:
    """Clear, prune or measure the store for ``%pyo3_cache`` and ``python -m pyo3magic cache``.

    Args:
        store: the store.
        clear_all: remove everything that no running kernel needs.
        update: forget the chosen versions of dependencies.
        limit: prune to this many bytes.
        own: the session folder of the caller's own kernel, if there is one.

    Returns:
        A report on what was done and on the store's size now, as text and as data.
    """
    said = []
    if update:
        forget_versions(store)
        said.append("The next build of each cell chooses the versions of its dependencies again.")
    freed = clear(store, own=own) if clear_all else prune(store, limit) if limit is not None else None
    if freed is not None:
        said.append(f"{_human(freed)} freed.")
    usage = measure(store)
    names = {
        "artifact": "built modules",
        "runtime": "libraries they share",
        "plan": "sets of dependencies",
        "target": "cargo target folders",
    }
    rows = {kind: usage.of(kind) for kind in names}
    said.append(f"{store.folder}: {_human(usage.total)}")
    said += [f"  {count:5d}  {names[kind]:<22} {_human(size):>10}" for kind, (count, size) in rows.items()]
    said.append(f"         {'everything else':<22} {_human(usage.other):>10}")
    data: dict[str, object] = {"store": str(store.folder), "bytes": usage.total, "freed": freed}
    data |= {f"{kind}s": {"count": count, "bytes": size} for kind, (count, size) in rows.items()}
    return "\n".join(said), data


def _human(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
