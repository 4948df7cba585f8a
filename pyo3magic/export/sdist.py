"""Source distributions, which ``pip install`` builds without the notebook (PEP 625 and 721)."""

from __future__ import annotations

import calendar
import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from pyo3magic.crate import path_dependencies
from pyo3magic.errors import OptionError

from .project import source_files
from .write_files import check_folder, place_file, source_date

if TYPE_CHECKING:
    from pathlib import Path

    from .project import Backend
    from .source_tree import Package

__all__ = ["make_sdist"]


def make_sdist(package: Package, folder: Path, *, backend: Backend = "maturin", force: bool = False) -> Path:
    """Write a source distribution: the exported sources, their ``Cargo.lock`` and type stubs.

    Args:
        package: what to export.
        folder: where to put it.
        backend: what builds it where it is installed.
        force: overwrite an existing one of other content.

    Raises:
        OptionError: a cell depends on a crate by path, which others do not have; or the file cannot be written.
    """
    outside = path_dependencies(package.manifest)
    if outside:
        raise OptionError(
            f"The cells depend on a crate by its path ({outside[0]}), which nobody else has.",
            advice="Publish that crate, or depend on it by its git address.",
        )
    check_folder(folder)
    stem = package.metadata.file_stem
    files = {name: text.encode() for name, text in source_files(package, backend).items()}
    files["PKG-INFO"] = package.metadata.text()
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
