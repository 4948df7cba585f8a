"""A wheel of one or several cells: built, stubbed, audited, written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .audit import audit_abi3, audit_linux
from .build_target import make_variant, plain_platform
from .extension_module import build_extension, build_inspected, extension_suffix, wheel_crate
from .linked_crates import license_files, linked_crates
from .rust_syntax import exception_bases
from .sbom import make_sbom
from .stubs import FIRST_PYO3, make_stubs, plain_stubs, read_chunks
from .tags import Tag, parse_platform
from .wheel_file import wheel_bytes
from .write_files import check_folder, place_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact

    from .build_target import Variant
    from .linked_crates import LinkedCrate
    from .source_tree import Package

__all__ = ["Wheel", "make_wheel", "type_stubs", "wheel_files"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A written wheel.

    Attributes:
        path: where it is.
        tag: its tag.
        grafted: external libraries that were copied into it.
        size: its size in bytes.
    """

    path: Path
    tag: Tag
    grafted: tuple[str, ...]
    size: int


def make_wheel(
    context: Context,
    package: Package,
    folder: Path,
    *,
    platform: str = "",
    target: str = "",
    stubs: bool = True,
    force: bool = False,
) -> Wheel:
    """Write a wheel.

    Args:
        context: where and with what to build.
        package: what to export.
        folder: where to put it.
        platform: platform tag to make true (``manylinux2014``, ``linux``, ...); empty for the best that is true.
        target: target triple to build for.
        stubs: whether to make type stubs.
        force: overwrite an existing wheel of other content.

    Returns:
        The wheel. Nothing else is left in ``folder``, whatever goes wrong.

    Raises:
        OptionError: an option is invalid, or the file exists already with other content.
        CompileError: the compiler refuses the exported code.
        BuildError: the build failed, or the promise of a tag is not true.
        ToolchainError: a program or library that this needs is missing.
    """
    wanted = parse_platform(platform)
    check_folder(folder)
    triple = target
    if wanted.kind == "musllinux" and not target:
        triple = context.toolchain.host.replace("-gnu", "-musl")
    variant = make_variant(context, target=triple, glibc=wanted.version if wanted.kind == "manylinux" else None)
    with ThreadPoolExecutor(2) as pool:
        # rustc for the stubs and cargo for the list of crates run beside the build of the module itself.
        later_stubs = pool.submit(type_stubs, context, package) if stubs else None
        later_crates = pool.submit(linked_crates, variant, wheel_crate(package), package.manifest)
        artifact = build_extension(variant, package)
        crates = later_crates.result()
        complete = package.with_stubs(later_stubs.result()) if later_stubs is not None else package
    files = wheel_files(complete, variant, artifact, crates)
    stem = package.metadata.file_stem
    tag = Tag.of(variant.context.interpreter, plain_platform(variant), package.abi3)
    if package.abi3 is not None:
        audit_abi3(stem, tag, files)
    grafted: tuple[str, ...] = ()
    if variant.libc and wanted.kind != "linux":
        audited = audit_linux(stem, tag, files, wanted, variant.machine)
        files, tag, grafted = audited.files, audited.tag, audited.grafted
    content = wheel_bytes(stem, tag, files)
    path = place_file(folder / f"{stem}-{tag}.whl", content, force=force)
    return Wheel(path, tag, grafted, len(content))


def wheel_files(
    package: Package, variant: Variant, artifact: Artifact, crates: tuple[LinkedCrate, ...]
) -> Mapping[str, bytes]:
    """Path and content of every file of a wheel but ``WHEEL`` and ``RECORD``."""
    metadata = package.metadata
    texts = license_files(crates)
    info = f"{metadata.file_stem}.dist-info"
    files = {f"{package.module}/{name}": text.encode() for name, text in package.python_files().items()}
    suffix = extension_suffix(package, variant)
    files[f"{package.module}/{package.module}{suffix}"] = artifact.file.read_bytes()
    files[f"{info}/METADATA"] = metadata.text(more_license_files=sorted(texts))
    for name, text in (*metadata.license_files, *texts.items()):
        files[f"{info}/licenses/{name}"] = text.encode()
    files[f"{info}/sboms/{package.manifest.package}.cyclonedx.json"] = make_sbom(crates)
    return files


def type_stubs(context: Context, package: Package) -> dict[str, str]:
    """Type stubs of a package, by PyO3's introspection of a build made for them; from its syntax with an old PyO3.

    Raises:
        CompileError: the compiler refuses the exported code.
        BuildError: the build failed otherwise.
    """
    members = package.members
    if members[0].pyo3 < FIRST_PYO3:
        return plain_stubs(members, package.root)
    # Types are the same for every target, so the notebook's own machine is good for all.
    artifact = build_inspected(make_variant(context), package)
    generated = {
        package.module if member is package.root else f"{package.module}.{member.module}"
        for member in members
        if member.syntax.main_module is None and "#[pymodule_init]" not in member.cell.source
    }
    if package.root is None:
        generated.add(package.module)
    exceptions = {member.syntax.main_module or member.module: exception_bases(member) for member in members}
    found = make_stubs(read_chunks(artifact.file), package.module, complete=frozenset(generated), exceptions=exceptions)
    return found or plain_stubs(members, package.root)
