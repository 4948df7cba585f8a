"""The rules that PyPI applies to metadata, each with the nearest valid value in its message.

Sources: PEP 440 (versions), PEP 508 (names, requirements), PEP 639 (licences), and PyPI's own upload checks.
"""

from __future__ import annotations

import importlib
import re
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "SUMMARY_LIMIT",
    "cargo_version",
    "check_classifiers",
    "check_dependencies",
    "check_license",
    "check_name",
    "check_python",
    "check_summary",
    "check_version",
    "normalised",
    "oldest_python",
    "parse_author",
    "python_version",
]

SUMMARY_LIMIT = 512
"""The longest summary that PyPI takes."""

_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE)
_PROHIBITED = frozenset({"requirements-txt", "rrequirements-txt", "requirements-txt-", "none", "null"})
_AUTHOR = re.compile(r"\s*([^<>]*?)\s*(?:<([^<>\s]+@[^<>\s]+)>)?\s*")
_COMMON_LICENSES = {"gpl": "GPL-3.0-or-later", "bsd": "BSD-3-Clause", "apache": "Apache-2.0", "mit": "MIT"}
_PYTHON_NEEDS: Mapping[str, str] = {"numpy": "numpy"}
"""Crates that import a Python package at run time, and that package."""


def normalised(name: str) -> str:
    """A project's name as file names have it (binary distribution format, "Escaping and Unicode")."""
    return re.sub(r"[-_.]+", "_", name).lower()


def check_name(name: str) -> str:
    """Return a project's name that PyPI can take.

    Raises:
        OptionError: it is no name (PEP 508), or one that PyPI refuses; the nearest valid one is named.
    """
    if not _NAME.fullmatch(name):
        nearest = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "my-package"
        raise OptionError(
            f"{name!r} is not a valid project name: it may only have ASCII letters, digits, '-', '_' and '.', and has "
            "to begin and end with a letter or digit (PEP 508).",
            advice=f"For example: --name {nearest}",
        )
    plain = normalised(name)
    if plain in {module.lower() for module in sys.stdlib_module_names} or plain.replace("_", "-") in _PROHIBITED:
        raise OptionError(
            f"PyPI refuses {name!r} as a project's name: it is one of Python's own modules, or reserved.",
            advice=f"For example: --name rust-{name.lower()}",
        )
    return name


def check_version(version: str) -> str:
    """Return a version in its normal form.

    Raises:
        OptionError: it is no version (PEP 440) or one that PyPI refuses; the nearest valid one is named.
    """
    from packaging.version import InvalidVersion, Version

    try:
        parsed = Version(version)
    except InvalidVersion:
        raise OptionError(
            f"{version!r} is not a valid version (PEP 440).",
            advice=f"For example: --version {_nearest_version(version)}",
        ) from None
    if parsed.local:
        raise OptionError(
            f"The version {version!r} has a local part (after '+'), which PyPI refuses.",
            advice=f"For example: --version {parsed.public}",
        )
    return str(parsed)


def _nearest_version(text: str) -> str:
    from packaging.version import InvalidVersion, Version

    numbers = re.findall(r"\d+", text)
    kinds = {"alpha": "a", "beta": "b", "preview": "rc", "pre": "rc", "snapshot": ".dev", "dev": ".dev", "rc": "rc"}
    kind = next((short for word, short in kinds.items() if word in text.lower()), "")
    head = re.match(r"[^\d]*((?:\d+)(?:[._ ,-]+\d+)*)", text)
    release = ".".join(re.findall(r"\d+", head[1])) if head else ""
    tail = numbers[len(release.split(".")) :] if release else numbers
    for candidate in (f"{release}{kind}{tail[0] if tail else 0}" if kind else release, release, ".".join(numbers[:3])):
        try:
            return str(Version(candidate))
        except InvalidVersion:  # noqa: PERF203 - three candidates
            continue
    return "0.1.0"


def cargo_version(version: str) -> str:
    """The semantic version nearest to a PEP 440 one, for ``Cargo.toml``."""
    from packaging.version import Version

    parsed = Version(version)
    release = ".".join(str(part) for part in (*parsed.release, 0, 0)[:3])
    words = {"a": "alpha", "b": "beta", "rc": "rc"}
    pre = [f"{words[parsed.pre[0]]}.{parsed.pre[1]}"] if parsed.pre else []
    pre += [f"dev.{parsed.dev}"] if parsed.dev is not None else []
    build = [f"post.{parsed.post}"] if parsed.post is not None else []
    build += [".".join(str(part) for part in parsed.release[3:])] if len(parsed.release) > 3 else []  # noqa: PLR2004
    return release + (f"-{'.'.join(pre)}" if pre else "") + (f"+{'.'.join(build)}" if build else "")


def python_version(cargo: str) -> str:
    """A PEP 440 version from cargo's (semantic) one."""
    from packaging.version import InvalidVersion, Version

    text = re.sub(r"-(alpha|beta|rc|dev)\.?(\d*)", lambda match: f"{match[1]}{match[2] or 0}", cargo.partition("+")[0])
    try:
        return str(Version(text))
    except InvalidVersion:
        return _nearest_version(cargo)


def check_license(expression: str) -> str:
    """Return an SPDX expression in its normal form; cargo's old ``MIT/Apache-2.0`` is understood.

    Raises:
        OptionError: it is no SPDX expression; near identifiers are named.
    """
    if not expression:
        return ""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
    from packaging.licenses._spdx import LICENSES

    try:
        return canonicalize_license_expression(expression.replace("/", " OR "))
    except InvalidLicenseExpression:
        plain = re.sub(r"[^a-z]", "", expression.lower()).removeprefix("the")
        common = next((identifier for word, identifier in _COMMON_LICENSES.items() if plain.startswith(word)), "")
        near = get_close_matches(expression, [str(entry["id"]) for entry in LICENSES.values()], n=1)
        raise OptionError(
            f"{expression!r} is not an SPDX licence expression (PEP 639).",
            advice=f"For example: --license {common or (near or ['MIT'])[0]!r}, or LicenseRef-Proprietary for one of "
            "your own.",
        ) from None


def check_summary(summary: str) -> str:
    """Return a summary of one line that is not too long."""
    if "\n" in summary or len(summary) > SUMMARY_LIMIT:
        raise OptionError(
            f"The summary has to be one line of at most {SUMMARY_LIMIT} characters.",
            advice="Move the rest to --readme.",
        )
    return summary


def parse_author(text: str) -> tuple[str, str]:
    """Name and e-mail address of ``Name <address>``; either may be empty."""
    match = _AUTHOR.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise OptionError(f"{text!r} is not an author.", advice="Write --author 'Name <name@example.org>' or a name.")
    name, email = match[1], match[2] or ""
    return ("", name) if "@" in name and " " not in name and not email else (name, email)


def check_python(specifier: str, minimum: tuple[int, int]) -> str:
    """Return a specifier of Python versions; from ``minimum`` on by default."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = specifier or f">={minimum[0]}.{minimum[1]}"
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        digits = re.search(r"\d+(\.\d+)?", text)
        nearest = f">={digits[0]}" if digits else ">=3.10"
        raise OptionError(
            f"{text!r} is not a version specifier (PEP 440).", advice=f"For example: --requires-python '{nearest}'"
        ) from None


def oldest_python(specifier: str) -> tuple[int, int]:
    """The oldest Python 3 that a specifier allows; 3.0 where it allows none or says nothing."""
    from packaging.specifiers import SpecifierSet

    allowed = SpecifierSet(specifier)
    minors = (minor for minor in range(100) if allowed.contains(f"3.{minor}.99", prereleases=True))
    return 3, next(minors, 0)


def check_classifiers(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return classifiers that PyPI knows, with those that every export has."""
    try:
        known: set[str] = importlib.import_module("trove_classifiers").classifiers
    except ImportError:
        return tuple(dict.fromkeys(given))
    for text in given:
        if text not in known and not text.startswith("Private ::"):
            near = get_close_matches(text, known, n=1)
            raise OptionError(
                f"{text!r} is not one of PyPI's classifiers.",
                advice=f"Did you mean {near[0]!r}?" if near else "They are listed at pypi.org/classifiers.",
            )
        if text.startswith("License ::"):
            raise OptionError(
                f"The classifier {text!r} is replaced by an SPDX expression (PEP 639).", advice="Use --license."
            )
    implied = ("Programming Language :: Python :: 3", "Programming Language :: Rust")
    return tuple(dict.fromkeys((*given, *implied)))


def check_dependencies(given: list[str], crates: Iterable[str]) -> tuple[str, ...]:
    """Return requirements, with the Python packages that the crates themselves import."""
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str] = {}
    for text in given:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise OptionError(f"{text!r} is not a requirement (PEP 508).", advice="For example: numpy>=1.26") from None
        if requirement.url:
            raise OptionError(f"PyPI refuses the requirement {text!r}, since it has a URL.", advice="Use a version.")
        found[requirement.name.lower()] = str(requirement)
    for crate in crates:
        if crate in _PYTHON_NEEDS:
            found.setdefault(_PYTHON_NEEDS[crate], _PYTHON_NEEDS[crate])
    return tuple(found[name] for name in sorted(found))
