"""Who else can change a folder of modules, which this process would load.

The whole path counts, as for sshd's ``StrictModes``: who can rename a parent folder can put a different store there.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WeakPoint", "is_trusted", "weak_parent"]


WeakPoint = tuple["Path", str, str]
"""A folder that other users can change, who can change the folder, and the command that prevents changes."""


def is_trusted(path: Path) -> bool:
    """Return whether only root and this user can change the file or folder at a path.

    Every parent folder must belong to root or the user, and must not be writable by others. Sticky folders (``/tmp``)
    are accepted as parents, because nobody can rename other users' files in them.
    """
    if not hasattr(os, "getuid"):
        return True
    try:
        real = path.resolve(strict=True)
        return _weakness(real, os.stat(real), may_be_sticky=False) is None and weak_parent(path) is None
    except OSError:
        return False


def weak_parent(path: Path) -> WeakPoint | None:
    """Return a folder above a path, or above the target of a symbolic link, that other users can change; else None.

    Args:
        path: an absolute path.

    Raises:
        OSError: a folder above the path cannot be looked up.
    """
    if not hasattr(os, "getuid"):
        return None
    real = path.resolve()
    for folder in dict.fromkeys((*real.parents, *path.parents)):
        weakness = _weakness(folder, os.stat(folder), may_be_sticky=True)
        if weakness is not None:
            return weakness
    return None


def _weakness(folder: Path, status: os.stat_result, *, may_be_sticky: bool) -> WeakPoint | None:
    # In some containers root's files belong to another number; the owner of / has the same power.
    if status.st_uid not in {0, os.getuid(), os.stat("/").st_uid}:
        return folder, f"belongs to another user (uid {status.st_uid})", f"chown root {folder}"
    if may_be_sticky and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return folder, "can be changed by every user", f"chmod o-w {folder}"
    if status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid):
        return folder, f"can be changed by its group (gid {status.st_gid})", f"chmod g-w {folder}"
    return None


def _is_private_group(gid: int) -> bool:
    """Return whether nobody but root and this user is in a group, as in distributions with a group for each user."""
    import grp
    import pwd

    try:
        own = {"root", pwd.getpwuid(os.getuid()).pw_name}
        members = {*grp.getgrgid(gid).gr_mem, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == gid)}
    except KeyError:
        return False
    return members <= own
