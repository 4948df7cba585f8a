"""The metadata of an export, collected from options, front matter, settings and the cells themselves.

Each value is checked by :mod:`pyo3magic.distribution.validation`, before anything is built.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import ManifestError, OptionError

from .metadata import Metadata
from .validation import (
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
