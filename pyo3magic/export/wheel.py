"""Makes a wheel of one or several cells: checks first, then builds, audits and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.parallel import threads

from .audit import audit_abi3, audit_linux
from .build_target import plain_platform, program, target_of_platform
from .extension_module import build_extension, extension_suffix, wheel_crate
from .linked_crates import license_files, linked_crates
from .sbom import make_sbom
from .tags import Tag, parse_platform
from .type_stubs import type_stubs
from .wheel_file import wheel_bytes
from .write_files import check_folder, place_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyo3magic.environment.context import Context
    from pyo3magic.store import Artifact

    from .build_target import BuildTarget
    from .linked_crates import LinkedCrate
    from .source_tree import Package

__all__ = ["Wheel", "make_wheel", "wheel_files"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A written wheel.

    Attributes:
        path: the file.
        tag: the wheel's tag.
        grafted: names of the external libraries that were copied into the wheel.
        size: size in bytes.
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
    """Write a wheel. Options, folder and tools are checked before cargo is started.

    Args:
        context: where and with what to build.
        package: the package to export.
        folder: the folder for the wheel.
        platform: platform tag that must be true (``manylinux2014``, ``linux``, ...); empty for the best that is true.
        target: Rust target to build for; this machine's by default.
        stubs: whether to make type stubs.
        force: overwrite an existing wheel with different content.

    Returns:
        The wheel. Nothing else is left in ``folder``, whatever goes wrong.

    Raises:
        OptionError: an option is invalid, or the file already exists with different content.
        CompileError: the compiler refuses the exported code.
        BuildError: the build failed, or the promise of a tag is not true.
        ToolchainError: a program or library that this needs is missing.
    """
    wanted = parse_platform(platform)
    check_folder(folder)
    chosen = target_of_platform(context, wanted, target)
    if package.abi3 is not None:
        program("abi3audit")
    package = package.locked(context)
    with threads(2) as others:
        # rustc for the stubs and cargo for the list of crates run during the build of the module itself.
        later_stubs = others.start(type_stubs, context, package) if stubs else None
        later_crates = others.start(linked_crates, chosen, wheel_crate(package), package.manifest)
        artifact = build_extension(chosen, package)
        crates = later_crates.result()
        complete = package.with_stubs(later_stubs.result()) if later_stubs is not None else package
    files = wheel_files(complete, chosen, artifact, crates)
    stem = package.metadata.file_stem
    tag = Tag.of(chosen.context.interpreter, plain_platform(chosen), package.abi3)
    if package.abi3 is not None:
        audit_abi3(stem, tag, files)
    grafted: tuple[str, ...] = ()
    if chosen.libc and wanted.kind != "linux":
        audited = audit_linux(stem, tag, files, wanted, chosen.machine)
        files, tag, grafted = audited.files, audited.tag, audited.grafted
    content = wheel_bytes(stem, tag, files)
    path = place_file(folder / f"{stem}-{tag}.whl", content, force=force)
    return Wheel(path, tag, grafted, len(content))


def wheel_files(
    package: Package, target: BuildTarget, artifact: Artifact, crates: tuple[LinkedCrate, ...]
) -> Mapping[str, bytes]:
    """Path and content of every file of a wheel except ``WHEEL`` and ``RECORD``.

    Args:
        package: the package, its type stubs included.
        target: what the build is for.
        artifact: the extension module.
        crates: the package's dependency graph.
    """
    metadata = package.metadata
    texts = license_files(crates)
    info = f"{metadata.file_stem}.dist-info"
    files = {f"{package.module}/{name}": text.encode() for name, text in package.python_files().items()}
    suffix = extension_suffix(package, target)
    files[f"{package.module}/{package.module}{suffix}"] = artifact.file.read_bytes()
    files[f"{info}/METADATA"] = metadata.text(more_license_files=sorted(texts))
    for name, text in (*metadata.license_files, *texts.items()):
        files[f"{info}/licenses/{name}"] = text.encode()
    files[f"{info}/sboms/{package.manifest.package}.cyclonedx.json"] = make_sbom(crates)
    return files
