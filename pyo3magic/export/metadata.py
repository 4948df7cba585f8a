"""Core metadata of a distribution: the values, and the ``METADATA`` or ``PKG-INFO`` file with them.

Source: core metadata specification 2.4 (packaging.python.org).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from email.headerregistry import Address
from typing import TYPE_CHECKING, Any

from .metadata_rules import check_metadata_fields, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.metadata import RawMetadata

__all__ = ["Metadata", "MetadataOptions"]


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """The metadata options of ``%pyo3_wheel``, ``%pyo3_sdist`` and ``%pyo3_project``; None or empty if not given."""

    name: str | None = None
    version: str | None = None
    summary: str | None = None
    authors: tuple[str, ...] = ()
    license: str | None = None
    requires_python: str | None = None
    readme: str | None = None
    classifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of one distribution.

    Attributes:
        name: the project's name.
        version: PEP 440 version.
        summary: one line.
        authors: pairs of name and e-mail address; either may be empty.
        license: SPDX expression, or empty.
        license_files: relative path and text of the project's own licence files.
        requires_python: version specifier.
        readme: text of the long description.
        readme_type: content type of the long description.
        classifiers: trove classifiers.
        dependencies: requirements (PEP 508).
        urls: pairs of label and address.
        keywords: words to find the project by.
    """

    name: str
    version: str
    summary: str = ""
    authors: tuple[tuple[str, str], ...] = ()
    license: str = ""
    license_files: tuple[tuple[str, str], ...] = ()
    requires_python: str = ""
    readme: str = ""
    readme_type: str = "text/markdown"
    classifiers: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    urls: tuple[tuple[str, str], ...] = ()
    keywords: tuple[str, ...] = ()

    @property
    def file_stem(self) -> str:
        """``name-version`` as in the file names of wheels and sdists (binary distribution format, PEP 625)."""
        return f"{normalised(self.name)}-{self.version}"

    def checked(self) -> Metadata:
        """The same metadata with version, licence, Python versions and requirements in their normal form.

        Raises:
            OptionError: PyPI would refuse a value; the message names the nearest valid one.
        """
        found = check_metadata_fields(self._raw())
        return replace(
            self,
            version=str(found.version),
            license=str(found.license_expression or ""),
            requires_python=str(found.requires_python or ""),
            dependencies=tuple(str(requirement) for requirement in found.requires_dist or ()),
        )

    def text(self, *, more_license_files: Iterable[str] = ()) -> bytes:
        """The ``METADATA`` or ``PKG-INFO`` file.

        Args:
            more_license_files: further licence files, relative to the licences folder.
        """
        from packaging.metadata import Metadata as CoreMetadata

        return _capitalised(bytes(CoreMetadata.from_raw(self._raw(more_license_files)).as_rfc822()))

    def _raw(self, more_license_files: Iterable[str] = ()) -> RawMetadata:
        raw: RawMetadata = {"metadata_version": "2.4", "name": self.name, "version": self.version}
        given: dict[str, Any] = {
            "summary": self.summary,
            "author": ", ".join(name for name, email in self.authors if name and not email),
            "author_email": ", ".join(_address(name, email) for name, email in self.authors if email),
            "license_expression": self.license,
            "license_files": [*(name for name, _ in self.license_files), *more_license_files],
            "requires_python": self.requires_python,
            "classifiers": list(self.classifiers),
            "requires_dist": list(self.dependencies),
            "project_urls": dict(self.urls),
            "keywords": list(self.keywords),
            "description": self.readme,
            "description_content_type": self.readme_type if self.readme else "",
        }
        raw.update({key: value for key, value in given.items() if value})  # type: ignore[typeddict-item]
        return raw


def _address(name: str, email: str) -> str:
    user, _, domain = email.rpartition("@")
    return str(Address(name, user, domain))


def _capitalised(text: bytes) -> bytes:
    """Header names as the specification writes them; ``packaging`` writes them in lower case."""
    head, blank, body = text.partition(b"\n\n")
    names = {b"Author-Email": b"Author-email", b"Project-Url": b"Project-URL"}

    def written(match: re.Match[bytes]) -> bytes:
        name = match[0].title()
        return names.get(name, name)

    return re.sub(rb"(?m)^[a-z-]+(?=:)", written, head) + blank + body
