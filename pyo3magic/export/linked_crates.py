"""Lists a package's crates, as ``cargo metadata`` reports them, with the texts of their licences."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.compile.hints.cargo_failures import explain_cargo_failure
from pyo3magic.process import run

from .project_manifest import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyo3magic.crate import Manifest

    from .build_target import BuildTarget
    from .extension_module import ExportCrate

__all__ = ["LinkedCrate", "license_files", "linked_crates"]

_LICENSE_NAMES = ("license", "licence", "copying", "notice", "unlicense", "copyright")
_TEXT_LIMIT = 200_000


@dataclass(frozen=True, slots=True)
class LinkedCrate:
    """One crate of the dependency graph.

    Attributes:
        name: the crate's name.
        version: the crate's version.
        license: the licence expression, as its author wrote it.
        source: the registry or repository that the crate came from; empty for a path.
        checksum: SHA-256 of the package file, from the lock file.
        authors: the authors, as written in the manifest.
        description: the crate's own summary.
        repository: address of the repository.
        homepage: address of the home page.
        documentation: address of the documentation.
        linked: whether the crate's code is in the module (not only in build scripts and procedural macros).
        dependencies: the crates that it depends on, as ``name@version``.
        texts: file name and text of each licence file.
    """

    name: str
    version: str
    license: str
    source: str
    checksum: str
    authors: tuple[str, ...]
    description: str
    repository: str
    homepage: str
    documentation: str
    linked: bool
    dependencies: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]

    @property
    def identity(self) -> str:
        """Name and version as one word."""
        return f"{self.name}@{self.version}"


def linked_crates(target: BuildTarget, crate: ExportCrate, manifest: Manifest) -> tuple[LinkedCrate, ...]:
    """The crates of a package's dependency graph for a target; the store keeps the list.

    Args:
        target: what the build is for.
        crate: the package as it is built.
        manifest: the package's ``Cargo.toml`` as it is published.

    Returns:
        The package itself, then its dependencies by name and version.

    Raises:
        DependencyError: cargo cannot resolve or download the dependencies.
    """
    context = target.context
    parts = (crate.manifest.text, crate.lock, target.triple, context.toolchain.digest)
    kept = context.store.place("plans", f"sbom-{hashlib.sha256(repr(parts).encode()).hexdigest()}.json")
    if kept.exists():
        found = tuple(_from_json(item) for item in json.loads(kept.read_bytes()))
    else:
        found = _ask_cargo(target, crate)
        context.store.write_text(kept, json.dumps([asdict(item) for item in found]))
    return _named(found[0], manifest), *found[1:]


def _ask_cargo(target: BuildTarget, crate: ExportCrate) -> tuple[LinkedCrate, ...]:
    context = target.context
    with context.store.workspace() as folder:
        crate.write(folder)
        command: list[str | Path] = [context.toolchain.cargo, "metadata", "--format-version=1", "--locked"]
        command += ["--filter-platform", target.triple, "--manifest-path", folder / "Cargo.toml"]
        if context.offline:
            command.append("--offline")
        finished = run(command, cwd=folder, environ=context.environ)
    if finished.status != 0:
        raise explain_cargo_failure(finished.stderr)
    return tuple(_crates(json.loads(finished.stdout), crate.lock))


def _named(root: LinkedCrate, manifest: Manifest) -> LinkedCrate:
    """The package itself with its published name and metadata, which the built manifest does not have."""
    package = tables(manifest)["package"]
    return replace(
        root,
        name=package["name"],
        version=package["version"],
        license=package.get("license", ""),
        authors=tuple(package.get("authors", ())),
        description=package.get("description", ""),
        repository=package.get("repository", ""),
        homepage=package.get("homepage", ""),
        documentation=package.get("documentation", ""),
    )


def license_files(crates: Iterable[LinkedCrate]) -> dict[str, str]:
    """Path below the licences folder and text of each licence file of the crates whose code is in the module.

    A text that several crates share is included once; ``third-party/CRATES.txt`` says which file belongs to which
    crate.
    """
    files: dict[str, str] = {}
    places: dict[str, str] = {}
    lines = ["The crates whose code is in this module, their licences, and the files with the texts:", ""]
    for crate in crates:
        if not crate.linked or not crate.source:
            continue
        own = []
        for name, text in crate.texts:
            place = places.setdefault(text, f"third-party/{crate.name}-{crate.version}/{name}")
            files[place] = text
            own.append(place.removeprefix("third-party/"))
        lines += [
            f"{crate.name} {crate.version}: {crate.license or 'no licence named'}",
            *(f"    {place}" for place in own),
        ]
    return {**files, "third-party/CRATES.txt": "\n".join(lines) + "\n"} if files or len(lines) > 2 else {}  # noqa: PLR2004


def _from_json(item: dict[str, Any]) -> LinkedCrate:
    lists = {"authors": tuple(item["authors"]), "dependencies": tuple(item["dependencies"])}
    return LinkedCrate(**{**item, **lists, "texts": tuple((name, text) for name, text in item["texts"])})


def _crates(metadata: Mapping[str, Any], lock: str) -> Iterable[LinkedCrate]:
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    reached = _reached(nodes, root, lambda _: True)
    linked = _reached(nodes, root, lambda kinds: any(kind["kind"] is None for kind in kinds), packages)
    checksums = _checksums(lock)
    for identifier in (
        root,
        *sorted(reached - {root}, key=lambda item: (packages[item]["name"], packages[item]["version"])),
    ):
        package = packages[identifier]
        needed = (packages[item["pkg"]] for item in nodes[identifier]["deps"] if item["pkg"] in reached)
        yield LinkedCrate(
            name=package["name"],
            version=package["version"],
            license=package.get("license") or "",
            source=package.get("source") or "",
            checksum=checksums.get((package["name"], package["version"]), ""),
            authors=tuple(package.get("authors") or ()),
            description=(package.get("description") or "").strip(),
            repository=package.get("repository") or "",
            homepage=package.get("homepage") or "",
            documentation=package.get("documentation") or "",
            linked=identifier in linked,
            dependencies=tuple(sorted({f"{item['name']}@{item['version']}" for item in needed})),
            texts=_texts(Path(package["manifest_path"]).parent, package.get("license_file"))
            if package.get("source")
            else (),
        )


def _reached(nodes: Mapping[str, Any], root: str, wanted: Any, packages: Mapping[str, Any] | None = None) -> set[str]:
    """The crates that the root depends on; with ``packages``, without those that only procedural macros need."""
    found, queue = {root}, [root]
    while queue:
        for item in nodes[queue.pop()]["deps"]:
            name = item["pkg"]
            kinds = [kind for kind in item["dep_kinds"] if kind["kind"] != "dev"]
            if name in found or not kinds or not wanted(kinds) or (packages is not None and _is_macro(packages[name])):
                continue
            found.add(name)
            queue.append(name)
    return found


def _is_macro(package: Mapping[str, Any]) -> bool:
    return any("proc-macro" in target["kind"] for target in package["targets"])


def _checksums(lock: str) -> dict[tuple[str, str], str]:
    import tomlkit

    listed = tomlkit.parse(lock).unwrap().get("package", [])
    return {(item["name"], item["version"]): item.get("checksum", "") for item in listed}


def _texts(folder: Path, named: str | None) -> tuple[tuple[str, str], ...]:
    paths = [
        path for path in sorted(folder.iterdir()) if path.name.lower().startswith(_LICENSE_NAMES) and path.is_file()
    ]
    if named and (folder / named).is_file() and folder / named not in paths:
        paths.append(folder / named)
    texts = []
    for path in paths:
        if path.suffix.lower() in {".rs", ".toml", ".png", ".pdf"} or path.stat().st_size > _TEXT_LIMIT:
            continue
        texts.append((path.name, path.read_text(encoding="utf-8", errors="replace")))
    return tuple(texts)
