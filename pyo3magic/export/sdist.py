"""Writes source distributions, which ``pip install`` builds without the notebook (PEP 625 and 721)."""

from __future__ import annotations

import calendar
import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from pyo3magic.crate import path_dependencies
from pyo3magic.errors import OptionError

from .project import source_files
from .type_stubs import complete_package
from .write_files import check_folder, place_file, source_date

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.context import Context

    from .project import Backend
    from .source_tree import Package

__all__ = ["make_sdist"]


def make_sdist(
    context: Context,
    package: Package,
    folder: Path,
    *,
    backend: Backend = "maturin",
    stubs: bool = True,
    force: bool = False,
) -> Path:
    """Write a source distribution: the exported sources, their ``Cargo.lock`` and type stubs.

    Options and folder are checked before cargo is started.

    Args:
        context: where and with what to build the type stubs.
        package: the package to export.
        folder: the folder for the file.
        backend: the build backend that pip will use.
        stubs: whether to make type stubs.
        force: overwrite an existing file with different content.

    Returns:
        The file's path.

    Raises:
        OptionError: a cell depends on a crate by path, or names a file by its absolute path, which others do not
            have; or the file cannot be written.
        DependencyError: the dependencies cannot be resolved together.
        CompileError: the compiler refuses the exported code.
        BuildError: the build for the type stubs failed otherwise.
    """
    outside = path_dependencies(package.manifest)
    if outside:
        raise OptionError(
            f"The cells depend on a crate by its path ({outside[0]}), which others do not have.",
            advice="Publish that crate, or depend on it by its git address.",
        )
    fixed = [path for member in package.members for path in member.absolute_paths()]
    if fixed:
        raise OptionError(
            f"The cells name a file by its absolute path ({fixed[0]}), which others do not have.",
            advice="Name the file by a path from the notebook's folder, and run the cell again.",
        )
    check_folder(folder)
    package = complete_package(context, package, stubs=stubs)
    stem = package.metadata.file_stem
    files = {name: text.encode() for name, text in source_files(package, backend).items()}
    files["PKG-INFO"] = package.metadata.text()
    files |= package.attached_files(files)
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            info = tarfile.TarInfo(f"{stem}/{name}")
            info.size, info.mode = len(files[name]), 0o644
            info.mtime = calendar.timegm(source_date())
            archive.addfile(info, io.BytesIO(files[name]))
    return place_file(folder / f"{stem}.tar.gz", buffer.getvalue(), force=force)
