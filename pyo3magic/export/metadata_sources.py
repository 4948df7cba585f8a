"""The metadata of an export, collected from options, front matter, settings and the cells themselves.

Each value is checked by :mod:`pyo3magic.export.metadata_rules`, before anything is built.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError, OptionError

from .metadata import Metadata
from .metadata_rules import (
    SUMMARY_LIMIT,
    check_classifiers,
    check_dependencies,
    check_license,
    check_name,
    check_python,
    check_summary,
    check_version,
    parse_author,
    python_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .metadata import MetadataOptions

__all__ = ["make_metadata"]

_CONTENT_TYPES = {".md": "text/markdown", ".rst": "text/x-rst", ".txt": "text/plain", "": "text/plain"}
_SYNONYMS = {"description": "summary", "author": "authors", "license-file": "license-files"}
_TOOL_KEYS = frozenset({
    *("name", "version", "summary", "description", "author", "authors", "license", "license-files", "requires-python"),
    *("readme", "classifiers", "dependencies", "urls", "keywords"),
})  # fmt: skip


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
    given = _given(options, front_matter, defaults or {})
    base = directory or Path.cwd()
    authors = tuple(_list(given.get("authors")))
    expression = check_license(str(given.get("license", "")))
    readme, readme_type = _readme(given.get("readme"), base, docs)
    metadata = Metadata(
        name=check_name(str(given.get("name", module))),
        version=check_version(str(given.get("version", "0.1.0"))),
        summary=check_summary(str(given.get("summary") or _first_line(docs))),
        authors=tuple(parse_author(text) for text in authors),
        license=expression,
        license_files=_license_files(given.get("license-files"), base) or _license_texts(expression, authors),
        requires_python=check_python(str(given.get("requires-python", "")), minimum_python),
        readme=readme,
        readme_type=readme_type,
        classifiers=check_classifiers(tuple(_list(given.get("classifiers")))),
        dependencies=check_dependencies(_list(given.get("dependencies")), crates),
        urls=tuple(given["urls"].items()),
        keywords=tuple(_list(given.get("keywords"))),
    )
    metadata.text()
    return metadata if readme else replace(metadata, readme=_default_readme(metadata, module))


def _given(options: MetadataOptions, front_matter: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What is said, by the keys of ``[tool.pyo3magic]``, from the weakest source to the strongest."""
    package = _table(front_matter.get("package", {}), "package")
    tool = _table(_table(front_matter.get("tool", {}), "tool").get("pyo3magic", {}), "tool.pyo3magic")
    by_option = {field.name.replace("_", "-"): getattr(options, field.name) for field in fields(options)}
    sources = (
        _check_keys(defaults, "the setting"),
        {**package, "urls": _package_urls(package)},
        _check_keys(tool, "[tool.pyo3magic]"),
        by_option,
    )
    given: dict[str, Any] = {"urls": {}}
    for source in sources:
        for written, value in source.items():
            key = _SYNONYMS.get(written, written)
            if value in (None, "", [], ()):
                continue
            if key == "urls":
                given[key] |= _table(value, "urls")
            elif key == "classifiers" and source is by_option:
                given[key] = [*_list(given.get(key)), *value]
            else:
                given[key] = python_version(str(value)) if key == "version" and source is sources[1] else value
    return given


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestError(f"[{name}] in the front matter has to be a table, not {value!r}.", advice="Correct it.")
    return value


def _check_keys(table: Mapping[str, Any], where: str) -> Mapping[str, Any]:
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
