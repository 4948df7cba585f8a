"""Names of unfinished files in the store; a name says which process is at work on the file."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import time
from pathlib import Path

__all__ = ["age", "is_abandoned", "unfinished_name"]

_NAME = re.compile(r"([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}")
_ABANDONED_AFTER = 6 * 3600
"""Age in seconds from which an unfinished file counts as abandoned if its process cannot be looked up here."""


def unfinished_name() -> str:
    """Return a new name for an unfinished file or folder of this process."""
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(8)}"


def is_abandoned(path: Path) -> bool:
    """Return whether the process that was at work on a file has ended, or probably has."""
    match = _NAME.fullmatch(path.name)
    if match and match[1] == _machine() and os.name == "posix":
        return not _is_running(int(match[2]))
    return age(path) > _ABANDONED_AFTER


def age(path: Path) -> float:
    """Return the seconds since a file or folder was last changed; 0 if there is none."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@functools.cache
def _machine() -> str:
    """Return a short name for this machine and its process numbers; containers that share a store have their own."""
    import hashlib

    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    name = os.uname().nodename if os.name == "posix" else os.environ.get("COMPUTERNAME", "")
    return hashlib.sha256(f"{name} {namespace}".encode()).hexdigest()[:8]
