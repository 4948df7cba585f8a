"""The source tree that wheels, source distributions and projects share, assembled from cells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyo3magic.cell import check_module_name, parse_cell
from pyo3magic.cell.syntax import analyse
from pyo3magic.cell.tool_table import check_tool_table
from pyo3magic.crate.companions import attached_files
from pyo3magic.crate.package import ufunc_files
from pyo3magic.errors import CellError, OptionError

from .array_functions import arrays_module, check_stable_abi, module_files
from .lock_file import settled_lock
from .metadata_rules import cargo_version
from .metadata_sources import make_metadata
from .project_manifest import ANONYMOUS, BUILD_CONFIG, anonymous_manifest, export_manifest, relabelled_lock, tables
from .rust_source import crate_root, placed_files, submodule_file
from .rust_syntax import Member
from .ufunc_source import ufuncs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pyo3magic.cell import Options
    from pyo3magic.crate import Manifest
    from pyo3magic.environment.context import Context
    from pyo3magic.environment.interpreter import Interpreter

    from .metadata import Metadata, MetadataOptions

__all__ = ["BuiltCell", "Package", "assemble_package"]

_BUILD_SCRIPT = """\
fn main() {
    // PyO3's cfgs, such as Py_3_12 and Py_LIMITED_API, for this crate's own code.
    pyo3_build_config::use_pyo3_cfgs();
}
"""


@dataclass(frozen=True, slots=True)
class BuiltCell:
    """A cell that has been built.

    Attributes:
        module: the module's name.
        options: the options of the cell's ``%%rust`` line.
        body: the text below that line.
        lock: text of the ``Cargo.lock`` that the cell was built with.
        attached: content of the files that the cell names, as they were built, by path in the cell's own package.
    """

    module: str
    options: Options
    body: str
    lock: str
    attached: Mapping[str, bytes] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, module: str, options: Options, body: str, crate: Path) -> BuiltCell:
        """A cell that was built from the package in the folder ``crate``."""
        attached = {name: path.read_bytes() for name, path in attached_files(crate).items()}
        return cls(module, options, body, (crate / "Cargo.lock").read_text(encoding="utf-8"), attached)

    def member(self) -> Member:
        """The cell, parsed."""
        cell = parse_cell(self.options, self.body)
        check_tool_table(cell)
        return Member(self.module, cell, analyse(cell.source, self.options.ufunc), self.lock, self.attached)


@dataclass(frozen=True, slots=True)
class Package:
    """Metadata and sources of an export.

    Attributes:
        metadata: the checked metadata.
        module: the name of the import package, and of the extension module in it.
        root: the cell whose items the package itself exports, or None.
        submodules: the other cells.
        manifest: the ``Cargo.toml``.
        lock: text of the ``Cargo.lock``; empty until `locked` has been called.
        build_lock: text of the ``Cargo.lock`` for the package without its name, as it is built for wheels.
        abi3: oldest Python whose stable ABI is used, or None.
        stubs: path below the import package and text of each type stub.
    """

    metadata: Metadata
    module: str
    root: Member | None
    submodules: tuple[Member, ...]
    manifest: Manifest
    lock: str = ""
    build_lock: str = ""
    abi3: tuple[int, int] | None = None
    stubs: Mapping[str, str] = field(default_factory=dict)

    @property
    def members(self) -> tuple[Member, ...]:
        """All cells, the root first."""
        return (self.root, *self.submodules) if self.root is not None else self.submodules

    @property
    def docs(self) -> str:
        """The module's documentation."""
        return self.root.syntax.docs if self.root is not None else self.metadata.summary

    def rust_files(self) -> dict[str, str]:
        """Relative path and text of each Rust file."""
        arrays = arrays_module(self.members)
        docs = self.metadata.summary
        root = crate_root(self.root, self.submodules, self.module, package=self.module, docs=docs, arrays=arrays)
        files = {"src/lib.rs": root, **module_files(self.members)}
        names = [member.module for member in self.members if member is not self.root]
        for member in self.submodules:
            others = [name for name in names if name != member.module]
            files[member.file] = submodule_file(member, others, package=self.module, arrays=arrays)
        if ufuncs_of(self.members):
            files |= ufunc_files(self.members[0].pyo3)
        if any(member.syntax.uses_python_cfgs for member in self.members):
            files["build.rs"] = _BUILD_SCRIPT
        return files

    def attached_files(self, others: Mapping[str, bytes] = MappingProxyType({})) -> dict[str, bytes]:
        """Relative path and content of each file that the cells name.

        Args:
            others: the files next to which these will be, besides those of `rust_files`.

        Raises:
            OptionError: two files have the same place.
        """
        taken = {**others, **{name: text.encode() for name, text in self.rust_files().items()}}
        found: dict[str, bytes] = {}
        for member in self.members:
            for name, data in placed_files(member, is_root=member is self.root).items():
                if {**taken, **found}.get(name, data) != data:
                    raise OptionError(
                        f"The cell of {member.module!r} names a file that would be {name} in the package, and another "
                        "file has that place.",
                        advice="Rename the file, or the cell with -m.",
                    )
                found[name] = data
        return found

    def python_files(self) -> dict[str, str]:
        """Path below the import package and text of each file next to the extension module."""
        files = {"__init__.py": _init(self.module, self.docs)}
        if self.stubs:
            files |= {**self.stubs, "py.typed": ""}
        return files

    def with_stubs(self, stubs: Mapping[str, str]) -> Package:
        """The same package with type stubs (path below the import package, text)."""
        return replace(self, stubs=stubs)

    def locked(self, context: Context) -> Package:
        """The same package with its lock files, which cargo completes.

        Raises:
            DependencyError: the dependencies cannot be resolved together, or a registry cannot be reached.
        """
        if self.lock:
            return self
        build_lock, lock = _locks(context, self.members[0], self.manifest, cargo_version(self.metadata.version))
        return replace(self, build_lock=build_lock, lock=lock)


def assemble_package(
    context: Context,
    cells: tuple[BuiltCell, ...],
    *,
    options: MetadataOptions,
    available: Mapping[str, BuiltCell],
    defaults: Mapping[str, Any] | None = None,
    abi3: tuple[int, int] | None = None,
    interpreter: Interpreter | None = None,
) -> Package:
    """Assemble one package from cells and the cells that they use. Cargo is not started.

    Args:
        context: where and with what the package will be built.
        cells: the cells to export. One gives its name to the package; several become submodules.
        options: the metadata from the magic's options.
        available: every cell of the session by its module's name.
        defaults: the metadata from the settings.
        abi3: oldest Python whose stable ABI is to be used, or None.
        interpreter: the Python that the package will be built for, if not the context's.

    Returns:
        The package, without lock files (`Package.locked`) and type stubs.

    Raises:
        OptionError: names, versions or other options are invalid or contradict each other, or no readable Rust can be
            written for the cells.
        ManifestError: the cells' front matter does not fit together.
    """
    main = tuple(cell.member() for cell in cells)
    used = _used(main, available)
    root = main[0] if len(main) == 1 else None
    module = root.module if root is not None else _package_module(options, defaults)
    submodules = (*(main if root is None else ()), *used)
    members = (root, *submodules) if root is not None else submodules
    if root is None and module in {member.module for member in members}:
        raise OptionError(
            f"The package cannot be called {module!r}, because it will contain a submodule of that name.",
            advice="Choose another name with --name.",
        )
    _check_editions(members)
    check_stable_abi(members, abi3)
    front = _merged_front_matter(members)
    metadata = make_metadata(
        options,
        front,
        module=module,
        defaults=defaults,
        docs=root.syntax.docs if root is not None else "",
        directory=context.directory,
        # Ufuncs need NumPy in Python, as code with the crate numpy does.
        crates=_crates(members) | ({"numpy"} if ufuncs_of(members) else set()),
        minimum_python=abi3 or (interpreter or context.interpreter).version,
    )
    manifest = export_manifest(
        members, metadata, module=module, edition=context.edition, abi3=abi3, base=context.directory
    )
    package = Package(metadata, module, root, submodules, manifest, abi3=abi3)
    package.attached_files()  # refuses here what no readable Rust can be written for
    return package


def _used(main: tuple[Member, ...], available: Mapping[str, BuiltCell]) -> tuple[Member, ...]:
    """The cells that the main cells use, directly or through other cells."""
    found: dict[str, Member] = {member.module: member for member in main}
    queue = list(main)
    while queue:
        member = queue.pop(0)
        crates = _crates((member,))
        for name in member.syntax.crates:
            if name in available and name not in found and name not in crates:
                found[name] = available[name].member()
                queue.append(found[name])
    return tuple(member for name, member in found.items() if member not in main)


def _crates(members: Iterable[Member]) -> frozenset[str]:
    names: set[str] = set()
    for member in members:
        names |= {dependency.name for dependency in member.cell.dependencies}
        table = member.cell.front_matter.get("dependencies", {})
        names |= {str(name) for name in table} if isinstance(table, dict) else set()
    return frozenset(name.replace("-", "_") for name in names)


def _package_module(options: MetadataOptions, defaults: Mapping[str, Any] | None) -> str:
    name = options.name or (defaults or {}).get("name")
    if not name:
        raise OptionError(
            "Several modules make one package with submodules, and the package has no name.",
            advice="Name it, for example: --name my-package",
        )
    module = re.sub(r"[^A-Za-z0-9_]", "_", str(name)).lower()
    try:
        check_module_name(module)
    except CellError as error:
        raise OptionError(
            f"No module can be called {module!r}, like the package.", advice="Choose another --name."
        ) from error
    return module


def _check_editions(members: tuple[Member, ...]) -> None:
    editions = {member.cell.options.edition for member in members if member.cell.options.edition}
    if len(members) > 1 and len(editions) > 1:
        raise OptionError(
            f"The cells have different editions ({', '.join(sorted(editions))}), but a crate has only one.",
            advice="Give them the same --edition and run them again.",
        )


def _merged_front_matter(members: tuple[Member, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for member in reversed(members):
        for key in ("package", "tool"):
            table = member.cell.front_matter.get(key, {})
            merged[key] = {**merged.get(key, {}), **table} if isinstance(table, dict) else table
    return merged


def _locks(context: Context, first: Member, manifest: Manifest, version: str) -> tuple[str, str]:
    """Texts of two lock files: of the package without its name, and with it."""
    own = str(first.cell.front_matter.get("package", {}).get("name", "cell"))
    seed = relabelled_lock(first.lock, root=own, name=ANONYMOUS, version="0.0.0")
    settled = settled_lock(context, anonymous_manifest(manifest), seed)
    dropped = () if BUILD_CONFIG in tables(manifest).get("build-dependencies", {}) else (BUILD_CONFIG,)
    lock = relabelled_lock(settled, root=ANONYMOUS, name=manifest.package, version=version, dropped=dropped)
    if f'\nname = "{manifest.package}"\n' in settled:
        # If a dependency has the name of the package, cargo writes versions after both names.
        lock = settled_lock(context, manifest, lock)
    return settled, lock


def _init(module: str, docs: str) -> str:
    head = ""
    if docs:
        text = docs.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        end = "\n" if "\n" in text or text.endswith('"') else ""
        head = f'"""{text}{end}"""\n\n'
    return (
        f"{head}from . import {module} as _extension\n"
        f"from .{module} import *\n\n"
        + ("" if docs else "__doc__ = _extension.__doc__\n")
        + 'if hasattr(_extension, "__all__"):\n    __all__ = _extension.__all__\n'
    )
