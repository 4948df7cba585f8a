"""Writes a software bill of materials for the crates in a wheel: CycloneDX 1.5 as JSON, like maturin's (PEP 770).

The document has no serial number and no time, so the same sources give the same bytes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyo3magic._version import __version__

if TYPE_CHECKING:
    from .linked_crates import LinkedCrate

__all__ = ["make_sbom"]

_CRATES_IO = ("registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/")


def make_sbom(crates: tuple[LinkedCrate, ...]) -> bytes:
    """The document for a dependency graph (`linked_crates`), whose first crate is the package itself."""
    references = {crate.identity: _reference(crate) for crate in crates}
    root, *others = crates
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": _component(root, references[root.identity]),
            "tools": [{"vendor": "pyo3magic", "name": "pyo3magic", "version": __version__}],
        },
        "components": [_component(crate, references[crate.identity]) for crate in others],
        "dependencies": [
            {
                "ref": references[crate.identity],
                **({"dependsOn": [references[name] for name in crate.dependencies]} if crate.dependencies else {}),
            }
            for crate in crates
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _reference(crate: LinkedCrate) -> str:
    return f"{crate.source}#{crate.name}@{crate.version}" if crate.source else _purl(crate)


def _purl(crate: LinkedCrate) -> str:
    """A package URL of the type ``cargo`` (purl specification)."""
    qualifiers = ""
    if crate.source.startswith("git+"):
        qualifiers = f"?vcs_url={quote(crate.source, safe='')}"
    elif crate.source and crate.source not in _CRATES_IO:
        qualifiers = f"?repository_url={quote(re.sub('^(registry|sparse)[+]', '', crate.source), safe='')}"
    return f"pkg:cargo/{quote(crate.name)}@{quote(crate.version)}{qualifiers}"


def _component(crate: LinkedCrate, reference: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        **({"author": ", ".join(crate.authors)} if crate.authors else {}),
        "name": crate.name,
        "version": crate.version,
        **({"description": crate.description} if crate.description else {}),
        "scope": "required" if crate.linked else "excluded",
    }
    if crate.checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    if crate.license:
        component["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", crate.license)}]
    component["purl"] = _purl(crate)
    links = [("documentation", crate.documentation), ("website", crate.homepage), ("vcs", crate.repository)]
    addresses = [{"type": kind, "url": url} for kind, url in links if url]
    if addresses:
        component["externalReferences"] = addresses
    return component
