"""Collects the metadata of an export from options, front matter, settings and the cells themselves."""

from __future__ import annotations

import os
import re
from dataclasses import fields, replace
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.cell.tool_table import check_metadata
from pyo3magic.errors import ManifestError, OptionError
from pyo3magic.user_paths import user_path

from .metadata import Metadata
from .metadata_rules import SUMMARY_LIMIT, python_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .metadata import MetadataOptions

__all__ = ["make_metadata"]

_CONTENT_TYPES = {".md": "text/markdown", ".rst": "text/x-rst", ".txt": "text/plain", "": "text/plain"}
_SYNONYMS = {"description": "summary", "author": "authors", "license-file": "license-files"}
_AUTHOR = re.compile(r"\s*([^<>]*?)\s*(?:<([^<>\s]+@[^<>\s]+)>)?\s*")
_SHORT = frozenset({"name", "version", "license", "requires-python"})
_LONGEST = 500
_PYTHON_NEEDS = {"numpy": "numpy"}
"""Crates that import a Python package at run time, and that package."""
_IMPLIED = ("Programming Language :: Python :: 3", "Programming Language :: Rust")


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
    """Collect and check the metadata of an export.

    Options outweigh ``[tool.pyo3magic]``, which outweighs ``[package]``, the settings and the cells' documentation.

    Args:
        options: the magic's options.
        front_matter: the cells' front matter.
        module: the module's name, which is the project's name by default.
        defaults: the setting, a table with the keys of ``[tool.pyo3magic]``.
        docs: the module's documentation, for summary and readme.
        directory: the folder to which the paths of readme and licence files are relative; the working directory by
            default.
        crates: the crates that the cells depend on.
        minimum_python: oldest Python that the build can serve.

    Returns:
        The metadata, checked by PyPI's rules.

    Raises:
        OptionError: a value is invalid; the message names the nearest valid one.
        ManifestError: a table of the front matter has an unknown key or a value of the wrong type.
    """
    given = _given(options, front_matter, defaults or {})
    base = directory or Path.cwd()
    authors = tuple(_author(text) for text in _list(given.get("authors")))
    readme, readme_type = _readme(given.get("readme"), base, docs, is_option=options.readme is not None)
    metadata = Metadata(
        name=str(given.get("name", module)),
        version=str(given.get("version", "0.1.0")),
        summary=str(given.get("summary") or _first_line(docs)),
        authors=authors,
        license=str(given.get("license", "")).replace("/", " OR "),
        requires_python=str(given.get("requires-python") or f">={minimum_python[0]}.{minimum_python[1]}"),
        readme=readme,
        readme_type=readme_type,
        classifiers=tuple(dict.fromkeys((*_list(given.get("classifiers")), *_IMPLIED))),
        dependencies=_dependencies(_list(given.get("dependencies")), crates),
        urls=tuple(given["urls"].items()),
        keywords=tuple(_list(given.get("keywords"))),
    ).checked()
    files = [_inside(name, base, "licence file") for name in _list(given.get("license-files"))]
    _check_names(files)
    return replace(
        metadata,
        license_files=tuple((path.name, _read(path, "licence file")) for path in files)
        or _license_texts(metadata.license, authors),
        readme=readme or _default_readme(metadata, module),
    )


def _given(options: MetadataOptions, front_matter: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given, by key of ``[tool.pyo3magic]``; a stronger source replaces a weaker one."""
    package = _table(front_matter.get("package", {}), "package")
    package = {key: value for key, value in package.items() if not isinstance(value, dict)}  # version.workspace = true
    tool = _table(_table(front_matter.get("tool", {}), "tool").get("pyo3magic", {}), "tool.pyo3magic")
    by_option = {field.name.replace("_", "-"): getattr(options, field.name) for field in fields(options)}
    try:
        check_metadata(tool, "The table [tool.pyo3magic]")
    except OptionError as error:
        raise ManifestError(error.message, advice=error.advice) from None
    check_metadata(defaults)
    from_package = {**package, "urls": _package_urls(package)}
    if len(str(package.get("version", ""))) <= _LONGEST and "version" in package:
        from_package["version"] = python_version(str(package["version"]))
    _check_options(by_option)
    given: dict[str, Any] = {"urls": {}}
    for source in (defaults, from_package, tool, by_option):
        for written, value in source.items():
            key = _SYNONYMS.get(written, written)
            if key in _SHORT and len(str(value)) > _LONGEST:
                raise OptionError(f"The {key} has more than {_LONGEST} characters.", advice="Shorten it.")
            if value in (None, "", [], ()):
                continue
            if key == "urls":
                given[key] |= value
            elif key == "classifiers" and source is by_option:
                given[key] = [*_list(given.get(key)), *value]
            else:
                given[key] = value
    return given


def _check_options(given: Mapping[str, Any]) -> None:
    """Raise OptionError if no metadata file can hold the text of an option."""
    for name, value in given.items():
        for text in [value] if isinstance(value, str) else value or ():
            if "\x00" in text or text.encode("utf-8", "replace").decode() != text:
                raise OptionError(
                    f"The {name}, {text[:60]!a}, has a character that text cannot have.", advice="Type it again."
                )


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestError(f"[{name}] in the front matter has to be a table, not {value!r}.", advice="Write a table.")
    return value


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _first_line(docs: str) -> str:
    paragraph = docs.strip().partition("\n\n")[0]
    line = " ".join(paragraph.split()).lstrip("# ")
    return line if len(line) <= SUMMARY_LIMIT else ""


def _inside(name: str, base: Path, what: str) -> Path:
    """Return the path of a file that front matter or a setting names; like pip and PEP 639, only inside the project."""
    path = base / user_path(name, f"The path of the {what}")
    inside = os.path.normpath(path)
    if Path(name).is_absolute() or not Path(inside).is_relative_to(os.path.normpath(base)) or Path(inside) == base:
        raise OptionError(
            f"The {what} {name[:200]!r} is outside the project, whose folder is {base}.",
            advice="Copy the file into that folder, and name it by its relative path (PEP 639).",
        )
    return Path(inside)


def _check_names(files: Iterable[Path]) -> None:
    """Raise OptionError if two licence files would have the same name in the package."""
    seen: dict[str, Path] = {}
    for path in files:
        if seen.setdefault(path.name, path) != path:
            raise OptionError(
                f"Two licence files are called {path.name}: {seen[path.name]} and {path}.", advice="Rename one of them."
            )


def _readme(given: Any, base: Path, docs: str, *, is_option: bool) -> tuple[str, str]:
    if not given or given is True:
        return (f"{docs}\n", "text/markdown") if docs else ("", "text/markdown")
    # An option is the user's own word at this moment: it may name any file.
    path = base / user_path(str(given), "The readme") if is_option else _inside(str(given), base, "readme")
    kind = _CONTENT_TYPES.get(path.suffix.lower())
    if kind is None:
        raise OptionError(
            f"The readme {given} is neither Markdown, reStructuredText nor text.", advice="Use .md, .rst or .txt."
        )
    return _read(path, "readme"), kind


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"The {what} {path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            advice="The path is relative to the notebook's working directory.",
        ) from None


def _author(text: str) -> tuple[str, str]:
    """Name and e-mail address of ``Name <address>``; either may be empty."""
    match = _AUTHOR.fullmatch(" ".join(text.split())) if len(text) <= _LONGEST else None
    if match is None or not (match[1] or match[2]):
        raise OptionError(
            f"{text[:200]!r} is not an author.", advice="Write --author 'Name <name@example.org>' or a name."
        )
    name, email = match[1], match[2] or ""
    name, email = ("", name) if "@" in name and " " not in name and not email else (name, email)
    if email:
        user, _, domain = email.rpartition("@")
        try:
            Address(name, user, domain)
        except (ValueError, HeaderParseError, IndexError):
            raise OptionError(
                f"{email[:200]!r} is not an e-mail address.",
                advice="Write --author 'Name <name@example.org>' or a name.",
            ) from None
    return name, email


def _dependencies(given: list[str], crates: Iterable[str]) -> tuple[str, ...]:
    """Requirements, one for each project, with the Python packages that crates import."""
    found = {re.split(r"[^A-Za-z0-9._-]", text.strip())[0].lower(): text for text in given}
    for crate in crates:
        if crate in _PYTHON_NEEDS:
            found.setdefault(_PYTHON_NEEDS[crate], _PYTHON_NEEDS[crate])
    return tuple(found[name] for name in sorted(found))


def _license_texts(expression: str, authors: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The texts of the well-known licences in an expression, from the package's templates."""
    from .templates import license_text

    holder = ", ".join(name or email for name, email in authors) or "the authors"
    found = []
    for identifier in dict.fromkeys(re.split(r"[\s()]+", expression)):
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
