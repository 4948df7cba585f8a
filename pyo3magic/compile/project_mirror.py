"""A project's folder once more, of symbolic links: cargo writes ``Cargo.lock`` there and never into the user's own.

Only the folder of the workspace, and those between it and what the project names outside it, are real folders. cargo
takes relative paths by their text, so ``path = "../other"`` finds its way from there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["make_mirror"]

_LEFT_OUT = frozenset({"Cargo.lock", "target", ".git"})


def make_mirror(mirror: Path, root: Path, folders: tuple[Path, ...]) -> Path:
    """Bring a mirror up to date, and return the folder in it that stands for ``root``.

    Args:
        mirror: the mirror's folder, made when it does not exist.
        root: the folder of the workspace, whose ``Cargo.lock`` is copied when there is one.
        folders: what else must be reachable by relative paths.

    Raises:
        OSError: it cannot be written.
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
        if link.is_dir():  # a real folder of an earlier arrangement
            shutil.rmtree(link)
        link.symlink_to(there / name)
