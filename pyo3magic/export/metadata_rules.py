"""The rules for metadata: the specifications, which ``packaging`` checks, and PyPI's own.

Sources: PEP 440 (versions), PEP 508 (names, requirements), PEP 639 (licences), and the checks of PyPI's upload.
"""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from packaging.metadata import Metadata as CoreMetadata
    from packaging.metadata import RawMetadata

__all__ = ["SUMMARY_LIMIT", "cargo_version", "check_metadata_fields", "normalised", "oldest_python", "python_version"]

SUMMARY_LIMIT = 512
"""The longest summary that PyPI takes, in characters."""

_PROHIBITED = frozenset({"requirements-txt", "rrequirements-txt", "none", "null"})
_COMMON_LICENSES = {"gpl": "GPL-3.0-or-later", "bsd": "BSD-3-Clause", "apache": "Apache-2.0", "mit": "MIT"}
_PRE_RELEASES = {"alpha": "a", "beta": "b", "pre": "rc", "snapshot": ".dev", "dev": ".dev", "rc": "rc"}


def normalised(name: str) -> str:
    """A project's name as file names have it (binary distribution format, "Escaping and Unicode")."""
    return re.sub(r"[-_.]+", "_", name).lower()


def check_metadata_fields(raw: RawMetadata) -> CoreMetadata:
    """Check metadata by the specifications and by PyPI's rules.

    Args:
        raw: the fields, by the names that ``packaging`` has for them.

    Returns:
        The same fields, parsed.

    Raises:
        OptionError: a value is invalid, or PyPI would refuse it; the message names the nearest valid one.
    """
    from packaging.metadata import ExceptionGroup, InvalidMetadata
    from packaging.metadata import Metadata as CoreMetadata

    errors: list[InvalidMetadata] = []
    try:
        found = CoreMetadata.from_raw(raw)
    except ExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, InvalidMetadata)]
    if not errors:
        _check_pypi(found)
        return found
    # Raised outside the handler: IPython shows a traceback for each error whose context is a group.
    error = min(errors, key=lambda error: error.field)
    value = raw.get(error.field.replace("-", "_"))
    what, nearest = _FIELDS.get(error.field, ("", lambda _: "Correct the value."))
    message = f"{value!r} is not a valid {what}." if what else f"In the project's metadata, {error}."
    raise OptionError(message, advice=nearest(str(value)))


def _check_pypi(found: CoreMetadata) -> None:
    """Apply the rules that PyPI has in addition to the specifications."""
    plain = normalised(found.name)
    if plain in {module.lower() for module in sys.stdlib_module_names} or plain.replace("_", "-") in _PROHIBITED:
        raise OptionError(
            f"PyPI refuses {found.name!r} as a project's name: it is one of Python's own modules, or reserved.",
            advice=f"For example: --name rust-{found.name.lower()}",
        )
    if found.version.local:
        raise OptionError(
            f"The version '{found.version}' has a local part (after '+'), which PyPI refuses.",
            advice=f"For example: --version {found.version.public}",
        )
    if len(found.summary or "") > SUMMARY_LIMIT:
        raise OptionError(f"The summary has more than {SUMMARY_LIMIT} characters.", advice=_FIELDS["summary"][1](""))
    for requirement in found.requires_dist or ():
        if requirement.url:
            raise OptionError(
                f"PyPI refuses the requirement '{requirement}', because it has a URL.", advice="Use a version."
            )
    _check_classifiers(found.classifiers or ())


def _check_classifiers(given: Iterable[str]) -> None:
    try:
        from trove_classifiers import classifiers as known
    except ImportError:
        return
    for text in given:
        if text not in known and not text.startswith("Private ::"):
            near = get_close_matches(text, known, n=1)
            raise OptionError(
                f"{text[:200]!r} is not one of PyPI's classifiers.",
                advice=f"Did you mean {near[0]!r}?" if near else "They are listed at pypi.org/classifiers.",
            )
        if text.startswith("License ::"):
            raise OptionError(
                f"The classifier {text!r} is replaced by an SPDX expression (PEP 639).", advice="Use --license."
            )


def _nearest_name(name: str) -> str:
    nearest = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "my-package"
    return f"For example: --name {nearest}"


def _nearest_version(text: str) -> str:
    return f"For example: --version {_version_near(text)}"


def _version_near(text: str) -> str:
    from packaging.version import InvalidVersion, Version

    numbers = re.findall(r"\d+", text)
    kind = next((short for word, short in _PRE_RELEASES.items() if word in text.lower()), "")
    head = re.match(r"[^\d]*((?:\d+)(?:[._ ,-]+\d+)*)", text)
    release = ".".join(re.findall(r"\d+", head[1])) if head else ""
    tail = numbers[release.count(".") + 1 :]
    for candidate in (f"{release}{kind}{tail[0] if tail else 0}" if kind else release, release):
        try:
            return str(Version(candidate))
        except InvalidVersion:  # noqa: PERF203 - two candidates
            continue
    return "0.1.0"


def _nearest_license(expression: str) -> str:
    from packaging.licenses._spdx import LICENSES

    plain = re.sub(r"[^a-z]", "", expression.lower()).removeprefix("the")
    common = next((identifier for word, identifier in _COMMON_LICENSES.items() if plain.startswith(word)), "")
    near = get_close_matches(expression, [str(entry["id"]) for entry in LICENSES.values()], n=1)
    nearest = common or (near or ["MIT"])[0]
    return f"For example: --license {nearest!r}, or LicenseRef-Proprietary for a licence of your own."


def _nearest_python(specifier: str) -> str:
    digits = re.search(r"\d+(\.\d+)?", specifier)
    return f"For example: --requires-python '>={digits[0] if digits else '3.10'}'"


_FIELDS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "name": (
        "project name: ASCII letters, digits, '-', '_' and '.', with a letter or digit at both ends (PEP 508)",
        _nearest_name,
    ),
    "version": ("version (PEP 440)", _nearest_version),
    "license-expression": ("SPDX licence expression (PEP 639)", _nearest_license),
    "requires-python": ("specifier of Python versions (PEP 440)", _nearest_python),
    "requires-dist": ("", lambda _: "Write requirements as in PEP 508, for example: numpy>=1.26"),
    "summary": ("", lambda _: f"Write one line of at most {SUMMARY_LIMIT} characters, and move the rest to --readme."),
}
"""By field of the core metadata, what a valid value is, and the advice for an invalid one."""


def cargo_version(version: str) -> str:
    """The semantic version nearest to a PEP 440 version, for ``Cargo.toml``."""
    from packaging.version import Version

    parsed = Version(version)
    release = ".".join(str(part) for part in (*parsed.release, 0, 0)[:3])
    words = {"a": "alpha", "b": "beta", "rc": "rc"}
    pre = [f"{words[parsed.pre[0]]}.{parsed.pre[1]}"] if parsed.pre else []
    pre += [f"dev.{parsed.dev}"] if parsed.dev is not None else []
    build = [f"post.{parsed.post}"] if parsed.post is not None else []
    build += [".".join(str(part) for part in parsed.release[3:])] if parsed.release[3:] else []
    return release + (f"-{'.'.join(pre)}" if pre else "") + (f"+{'.'.join(build)}" if build else "")


def python_version(cargo: str) -> str:
    """A PEP 440 version from cargo's semantic version."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(cargo.partition("+")[0]))
    except InvalidVersion:
        return _version_near(cargo)


def oldest_python(specifier: str) -> tuple[int, int]:
    """The oldest Python 3 that a specifier allows; 3.0 where the specifier is empty or allows none."""
    from packaging.specifiers import SpecifierSet

    allowed = SpecifierSet(specifier)
    minors = (minor for minor in range(100) if allowed.contains(f"3.{minor}.99"))
    return 3, next(minors, 0)
