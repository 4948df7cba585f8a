"""Core metadata of a distribution, and the file that tells it.

Sources: core metadata 2.4 (packaging.python.org), PEP 440 (versions), PEP 508 (names, requirements), PEP 639
(licences); names and versions that PyPI refuses are those of its upload checks ("warehouse").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import OptionError

from .metadata_rules import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Metadata", "MetadataOptions"]


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """What the options of ``%pyo3_wheel`` and its like say; None and empty where they say nothing."""

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
    """Checked metadata of one distribution.

    Attributes:
        name: the project's name, as written.
        version: its version, normalised.
        summary: one line.
        authors: pairs of name and e-mail address, either may be empty.
        license: SPDX expression, or empty.
        license_files: relative path and text of the project's own licence files.
        requires_python: version specifier.
        readme: text of the long description.
        readme_type: its content type.
        classifiers: trove classifiers.
        dependencies: requirements.
        urls: label and address.
        keywords: words to find it by.
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
        """``name-version`` as the file names of wheels and sdists have it (binary distribution format, PEP 625)."""
        return f"{normalised(self.name)}-{self.version}"

    def text(self, *, more_license_files: Iterable[str] = ()) -> bytes:
        """The ``METADATA`` or ``PKG-INFO`` file.

        Args:
            more_license_files: further licence files, relative to the licences folder.

        Raises:
            OptionError: ``packaging`` finds a field invalid.
        """
        from packaging.metadata import InvalidMetadata, RawMetadata
        from packaging.metadata import Metadata as Checked

        raw: RawMetadata = {"metadata_version": "2.4", "name": self.name, "version": self.version}
        names = ", ".join(name for name, email in self.authors if name and not email)
        emails = ", ".join(
            f"{_display_name(name)} <{email}>" if name else email for name, email in self.authors if email
        )
        given: dict[str, Any] = {
            "summary": self.summary,
            "author": names,
            "author_email": emails,
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
        try:
            return _capitalised(bytes(Checked.from_raw(raw).as_rfc822()))
        except Exception as error:  # an ExceptionGroup, which Python 3.10 does not have
            first = next((item for item in getattr(error, "exceptions", (error,))), error)
            if not isinstance(first, InvalidMetadata):
                raise
            raise OptionError(f"The metadata is invalid: {first}.", advice="Correct that field.") from error


def _capitalised(text: bytes) -> bytes:
    """The headers' names as the specification writes them; ``packaging`` writes them in lower case."""
    head, blank, body = text.partition(b"\n\n")
    names = {b"Author-Email": b"Author-email", b"Project-Url": b"Project-URL"}

    def written(match: re.Match[bytes]) -> bytes:
        name = match[0].title()
        return names.get(name, name)

    return re.sub(rb"(?m)^[a-z-]+(?=:)", written, head) + blank + body


def _display_name(name: str) -> str:
    return name if re.fullmatch(r"[\w .'-]+", name) and "." not in name else '"' + name.replace('"', "'") + '"'
