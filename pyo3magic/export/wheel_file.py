"""Reads and writes wheels; the same content gives the same bytes (binary distribution format)."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic._version import __version__

from .write_files import source_date

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tags import Tag

__all__ = ["read_wheel", "wheel_bytes", "wheel_text"]

_BINARY = (".so", ".pyd", ".dylib", ".dll")


def wheel_text(tag: Tag) -> bytes:
    """The content of the ``WHEEL`` file for a tag."""
    lines = ["Wheel-Version: 1.0", f"Generator: pyo3magic {__version__}", "Root-Is-Purelib: false"]
    return "\n".join([*lines, *(f"Tag: {line}" for line in tag.lines())]).encode() + b"\n"


def wheel_bytes(stem: str, tag: Tag, files: Mapping[str, bytes], *, compress: bool = True) -> bytes:
    """The content of a wheel.

    Args:
        stem: ``name-version``.
        tag: the wheel's tag.
        files: path and content of every file except ``RECORD``; ``WHEEL`` is written anew for ``tag``.
        compress: whether to compress.
    """
    from wheel.wheelfile import WheelFile  # type: ignore[import-untyped]

    class Reproducible(WheelFile):  # type: ignore[misc]
        """Gives each file, ``RECORD`` included, the same time and permissions."""

        def writestr(self, name: Any, data: Any, compress_type: int | None = None) -> None:
            info = zipfile.ZipInfo(str(name), date_time=source_date())
            info.compress_type = self.compression
            info.create_system = 3  # Unix, whose permissions count
            mode = 0o755 if info.filename.endswith(_BINARY) or ".so." in info.filename else 0o644
            info.external_attr = (mode | stat.S_IFREG) << 16
            super().writestr(info, data, compress_type)

    info_folder = f"{stem}.dist-info"
    contents = {**files, f"{info_folder}/WHEEL": wheel_text(tag)}
    with tempfile.TemporaryDirectory(prefix="pyo3magic-") as folder:
        path = Path(folder) / f"{stem}-{tag}.whl"
        with Reproducible(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
            for name in sorted(contents, key=lambda name: (".dist-info/" in name, name)):
                archive.writestr(name, contents[name])
        return path.read_bytes()


def read_wheel(path: Path) -> dict[str, bytes]:
    """Path and content of every file in a wheel except ``RECORD``."""
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        return {name: archive.read(name) for name in names if not name.endswith(".dist-info/RECORD")}
