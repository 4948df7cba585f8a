"""Check an interpreter's facts that come from another process or machine before they are used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import InterpreterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OLDEST_PYTHON", "TOO_OLD", "checked"]

OLDEST_PYTHON = (3, 7)
"""The oldest Python that PyO3 0.23 supports."""
TOO_OLD = "PyO3 0.23 and newer need Python 3.7, and PyO3 0.30 needs 3.9. Choose a newer Python with --python."
_DISTRUST = "It is not used. Choose another Python with --python, or connect to the kernel again."
_PATH = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,4096}"
_PATTERNS = {
    "implementation": r"CPython|PyPy|GraalPy",
    "full_version": r"[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}[0-9A-Za-z.+]{0,20}",
    "abiflags": r"[a-z]{0,8}",
    "ext_suffix": r"(?:_d)?\.(?:[A-Za-z0-9_-]{1,80}\.)?(?:so|pyd)",
    "soabi": r"[A-Za-z0-9_.-]{0,80}",
    "lib_name": r"[A-Za-z0-9_.-]{1,60}",
    "platform": r"[A-Za-z0-9_.-]{1,60}",
    "machine": r"[A-Za-z0-9_.-]{1,40}",
    **dict.fromkeys(("lib_dir", "framework_prefix", "executable", "base_prefix"), _PATH),
}


def _is_plausible(name: str, value: Any) -> bool:
    """Return whether a value has the type and form of the fact ``name``."""
    if name in _PATTERNS:
        return isinstance(value, str) and re.fullmatch(_PATTERNS[name], value) is not None
    if name in {"debug", "gil_disabled", "shared"}:
        return isinstance(value, bool)
    if name == "pointer_width":
        return type(value) is int and value in {32, 64}
    if name == "libc" and value is None:
        return True
    if not isinstance(value, (list, tuple)) or len(value) != 2:  # noqa: PLR2004  # the rest are pairs
        return False
    return _is_libc(*value) if name == "libc" else _is_version(*value)


def _is_libc(kind: Any, version: Any) -> bool:
    texts = isinstance(kind, str) and isinstance(version, str)
    return texts and kind in {"glibc", "musl"} and re.fullmatch(r"[0-9.]{0,12}", version) is not None


def _is_version(major: Any, minor: Any) -> bool:
    return type(major) is type(minor) is int and major == 3 and 0 <= minor < 100  # noqa: PLR2004  # any Python 3


def checked(facts: Mapping[str, object], names: Sequence[str]) -> dict[str, Any]:
    """Check a description of an interpreter.

    Args:
        facts: the description, as decoded from JSON.
        names: the names of its fields, all of which are required.

    Returns:
        The same facts, lists as tuples.

    Raises:
        InterpreterError: a fact is missing, unknown or implausible; the message names it.
    """
    missing, unknown = [name for name in names if name not in facts], [name for name in facts if name not in names]
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"contains an unknown field, {unknown[0]!r:.60}"
        raise InterpreterError(f"The interpreter description {what}.", advice=_DISTRUST)
    for name in names:
        if not _is_plausible(name, facts[name]):
            message = f"The Python interpreter says its {name} is {facts[name]!r:.120}, which is not possible."
            raise InterpreterError(message, advice=_DISTRUST)
    result: dict[str, Any] = {name: tuple(value) if isinstance(value := facts[name], list) else value for name in names}
    number, full = "{}.{}".format(*result["version"]), result["full_version"]
    if not full.startswith(f"{number}."):
        message = f"The Python interpreter says its full_version is {full} and its version {number}."
        raise InterpreterError(message, advice=_DISTRUST)
    if result["version"] < OLDEST_PYTHON:
        raise InterpreterError(f"Python {full} is too old.", advice=TOO_OLD)
    return result
