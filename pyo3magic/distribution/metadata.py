"""Core metadata of a distribution, from options, front matter and settings, checked by the rules that PyPI applies.

Sources: core metadata 2.4 (packaging.python.org), PEP 440 (versions), PEP 508 (names, requirements), PEP 639
(licences); names and versions that PyPI refuses are those of its upload checks ("warehouse").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError, OptionError

from .validation import (
    SUMMARY_LIMIT,
    check_classifiers,
    check_dependencies,
    check_license,
    check_name,
    check_python,
    check_summary,
    check_version,
    normalised,
    parse_author,
    python_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Metadata", "MetadataOptions", "make_metadata"]

_CONTENT_TYPES = {".md": "text/markdown", ".rst": "text/x-rst", ".txt": "text/plain", "": "text/plain"}
_TOOL_KEYS = frozenset({
    *("name", "version", "summary", "description", "author", "authors", "license", "license-files", "requires-python"),
    *("readme", "classifiers", "dependencies", "urls", "keywords"),
})  # fmt: skip


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


def make_metadata(
    options: MetadataOptions,
    front_matter: Mapping[str, Any],
    *,
    module: str,
    defaults: Mapping[str, Any] | None = None,
    docs: str = "",
    directory: Path | None = None,
    crates: Iterable[str] = (),
    minimum_python: tuple[int, int] = (3, 10),
) -> Metadata:
    """Collect and check the metadata: options before ``[tool.pyo3magic]``, ``[package]``, settings and what is known.

    Args:
        options: the magic's options.
        front_matter: the cell's front matter.
        module: the module, after which the project is named if nothing else says.
        defaults: the settings' table, with the keys of ``[tool.pyo3magic]``.
        docs: the module's documentation, for summary and readme.
        directory: what the path of a readme is relative to.
        crates: the crates that the cells depend on.
        minimum_python: oldest Python that the build can serve.

    Raises:
        OptionError: a value is invalid; the message names the nearest valid one.
        ManifestError: a table of the front matter has an unknown key or a value of the wrong type.
    """
    tool = _table(front_matter.get("tool", {}), "tool").get("pyo3magic", {})
    tool = {
        **_check_keys(dict(defaults or {}), "the setting"),
        **_check_keys(_table(tool, "tool.pyo3magic"), "[tool.pyo3magic]"),
    }
    package = {
        key: value for key, value in _table(front_matter.get("package", {}), "package").items() if value not in ("", [])
    }
    base = directory or Path.cwd()
    version = (
        options.version
        or tool.get("version")
        or (python_version(str(package["version"])) if "version" in package else "")
    )
    summary = (
        options.summary
        or tool.get("summary")
        or tool.get("description")
        or package.get("description")
        or _first_line(docs)
    )
    authors = (
        options.authors or tuple(_list(tool.get("authors", tool.get("author")))) or tuple(_list(package.get("authors")))
    )
    expression = check_license(str(options.license or tool.get("license") or package.get("license") or ""))
    readme, readme_type = _readme(options.readme or tool.get("readme") or package.get("readme"), base, docs)
    files = _license_files(tool.get("license-files") or package.get("license-file"), base)
    metadata = Metadata(
        name=check_name(str(options.name or tool.get("name") or package.get("name") or module)),
        version=check_version(str(version or "0.1.0")),
        summary=check_summary(str(summary)),
        authors=tuple(parse_author(text) for text in authors),
        license=expression,
        license_files=files or _license_texts(expression, authors),
        requires_python=check_python(options.requires_python or tool.get("requires-python") or "", minimum_python),
        readme=readme,
        readme_type=readme_type,
        classifiers=check_classifiers((*_list(tool.get("classifiers")), *options.classifiers)),
        dependencies=check_dependencies(_list(tool.get("dependencies")), crates),
        urls=tuple({**_package_urls(package), **_table(tool.get("urls", {}), "urls")}.items()),
        keywords=tuple(_list(tool.get("keywords") or package.get("keywords"))),
    )
    metadata.text()
    return (
        metadata
        if metadata.readme
        else replace(metadata, readme=_default_readme(metadata, module), readme_type="text/markdown")
    )


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestError(f"[{name}] in the front matter has to be a table, not {value!r}.", advice="Correct it.")
    return value


def _check_keys(table: dict[str, Any], where: str) -> dict[str, Any]:
    for key in table:
        if key not in _TOOL_KEYS:
            near = get_close_matches(key, sorted(_TOOL_KEYS), n=1)
            raise ManifestError(
                f"{where} has an unknown key {key!r}.",
                advice=f"Did you mean {near[0]!r}?" if near else f"The keys are {', '.join(sorted(_TOOL_KEYS))}.",
            )
    return table


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _first_line(docs: str) -> str:
    paragraph = docs.strip().partition("\n\n")[0]
    line = " ".join(paragraph.split()).lstrip("# ")
    return line if len(line) <= SUMMARY_LIMIT else ""


def _display_name(name: str) -> str:
    return name if re.fullmatch(r"[\w .'-]+", name) and "." not in name else '"' + name.replace('"', "'") + '"'


def _readme(given: Any, base: Path, docs: str) -> tuple[str, str]:
    if not given or given is True:
        return (f"{docs}\n", "text/markdown") if docs else ("", "text/markdown")
    path = base / str(given)
    kind = _CONTENT_TYPES.get(path.suffix.lower())
    if kind is None:
        raise OptionError(
            f"The readme {given} is neither Markdown, reStructuredText nor text.", advice="Use .md, .rst or .txt."
        )
    try:
        return path.read_text(encoding="utf-8"), kind
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"The readme {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            advice="The path is relative to the notebook's working directory.",
        ) from None


def _license_files(given: Any, base: Path) -> tuple[tuple[str, str], ...]:
    files = []
    for name in _list(given):
        path = base / name
        try:
            files.append((path.name, path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(
                f"The licence file {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
                advice="The path is relative to the notebook's working directory.",
            ) from None
    return tuple(files)


def _license_texts(expression: str, authors: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The texts of the well-known licences in an expression, from the package's templates."""
    from .templates import license_text

    holder = ", ".join(name or email for name, email in (parse_author(text) for text in authors)) or "the authors"
    found = []
    identifiers = [word for word in re.split(r"[\s()]+", expression) if word not in {"", "OR", "AND", "WITH"}]
    for identifier in dict.fromkeys(identifiers):
        text = license_text(identifier, holder)
        if text:
            found.append((identifier, text))
    if len(found) == 1:
        return (("LICENSE", found[0][1]),)
    return tuple((f"LICENSE-{identifier.split('-')[0].upper()}", text) for identifier, text in found)


def _package_urls(package: Mapping[str, Any]) -> dict[str, str]:
    labels = {"homepage": "Homepage", "repository": "Repository", "documentation": "Documentation"}
    return {label: str(package[key]) for key, label in labels.items() if isinstance(package.get(key), str)}


def _default_readme(metadata: Metadata, module: str) -> str:
    summary = f"{metadata.summary}\n\n" if metadata.summary else ""
    return (
        f"# {metadata.name}\n\n{summary}A Python extension module written in Rust with PyO3.\n\n"
        f"```sh\npip install {metadata.name}\n```\n\n```python\nimport {module}\n```\n"
    )
