"""Mirror a project with symbolic links, so cargo writes ``Cargo.lock`` into the mirror and not into the project.

Only the workspace's folder and its parents up to the common parent of all local dependencies are real folders. cargo
resolves relative paths by their text, so ``path = "../other"`` works from the mirror.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["make_mirror"]

_LEFT_OUT = frozenset({"Cargo.lock", "target", ".git"})


def make_mirror(mirror: Path, root: Path, folders: tuple[Path, ...]) -> Path:
    """Create or update a mirror, and return its counterpart of ``root``.

    Args:
        mirror: the mirror's folder, created if missing.
        root: the folder of the workspace; its ``Cargo.lock``, if any, is copied.
        folders: other folders that must be reachable by relative paths.

    Raises:
        OSError: the mirror cannot be written.
    """
    top = Path(os.path.commonpath((root, *folders)))
    mirror.mkdir(mode=0o700, parents=True, exist_ok=True)
    here, there = mirror, top
    for part in root.relative_to(top).parts:
        _link_entries(here, there, beside={part})
        here, there = here / part, there / part
        if here.is_symlink():
            here.unlink()
        here.mkdir(exist_ok=True)
    _link_entries(here, there, beside=_LEFT_OUT)
    lock, kept = there / "Cargo.lock", here / "Cargo.lock"
    if lock.is_file():
        text = lock.read_bytes()
        origin = here / ".Cargo.lock.origin"
        if not kept.exists() or not origin.exists() or origin.read_bytes() != text:
            kept.write_bytes(text)
            origin.write_bytes(text)
    return here


def _link_entries(here: Path, there: Path, *, beside: frozenset[str] | set[str]) -> None:
    wanted = {entry.name for entry in there.iterdir() if entry.name not in beside}
    for entry in here.iterdir():
        if entry.is_symlink() and (entry.name not in wanted or entry.readlink() != there / entry.name):
            entry.unlink()
    for name in wanted:
        link = here / name
        if link.is_symlink():
            continue
        if link.is_dir():  # a real folder that an earlier mirror needed
            shutil.rmtree(link)
        link.symlink_to(there / name)
