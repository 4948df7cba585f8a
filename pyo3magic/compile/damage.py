"""Recover from damage in cargo's target folder, which cargo itself does not notice."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from pyo3magic.crate.toml import tables_of
from pyo3magic.diagnostics import ansi
from pyo3magic.errors import CompileError
from pyo3magic.store.locking import exclusive

if TYPE_CHECKING:
    from pyo3magic.crate.package import Crate
    from pyo3magic.environment.context import Context
    from pyo3magic.errors import PyO3MagicError

__all__ = ["recover"]

_log = logging.getLogger(__name__)

_SIGNS = re.compile(
    # Crates that rustc cannot read (rustc's error index).
    r"E0786|E0462|found invalid metadata files|found staticlib|"
    r"only metadata stub found|failed to (?:mmap|map) |"
    # A library or a build script that was cut short.
    r"file too short|invalid ELF header|file truncated|file (?:format )?not recognized|malformed archive|"
    r"truncated or malformed|Exec format error|cannot load proc-macro|"
    # A file in place of a folder, or a folder in place of a file.
    r"Not a directory \(os error 20\)|Is a directory \(os error 21\)|"
    r"failed to (?:parse|read|load|determine|open|link or copy|create directory|remove)"
    r"[^\n]*(?:fingerprint|dep-info|\.d\b|target)"
)
_MISSING = re.compile(r"can't find crate for `([A-Za-z0-9_]+)`")
_NOT_DAMAGE = re.compile(
    r"No space left|quota|Read-only file system|Permission denied|Operation not permitted|signal: \d"
)


def recover(context: Context, error: PyO3MagicError, crate: Crate) -> bool:
    """Remove the target folder if an error comes from damage in it.

    Args:
        context: where and with what the build ran.
        error: the error of the build.
        crate: the crate that was built; only its dependencies can be missing from the target folder.

    Returns:
        Whether the build is worth a second attempt.
    """
    if isinstance(error, CompileError):
        text = "\n".join(item.rendered for item in error.diagnostics if item.is_error)
        names = list(tables_of(crate.manifest.text).get("dependencies", {}))
    else:
        text, names = error.details, re.findall(r'^name = "([^"]+)"', crate.lock, re.MULTILINE)
    text = ansi.strip(text)
    known = {name.replace("-", "_") for name in names}
    is_missing = any(name in known for name in _MISSING.findall(text))
    if _NOT_DAMAGE.search(text) or not (is_missing or _SIGNS.search(text)):
        return False
    _log.info("the target folder %s is damaged and is removed", context.target_folder)
    with exclusive(context.target_lock):
        return context.store.remove(context.target_folder)
