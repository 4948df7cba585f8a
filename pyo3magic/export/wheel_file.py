"""Reading and writing wheels so that the same content gives the same bytes (binary distribution format)."""

from __future__ import annotations

import importlib
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic._version import __version__
from pyo3magic.errors import ToolchainError

from .build_target import DIST_ADVICE
from .write_files import source_date

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tags import Tag

__all__ = ["read_wheel", "wheel_bytes", "wheel_text"]

_BINARY = (".so", ".pyd", ".dylib", ".dll")


def wheel_text(tag: Tag) -> bytes:
    """The ``WHEEL`` file."""
    lines = ["Wheel-Version: 1.0", f"Generator: pyo3magic {__version__}", "Root-Is-Purelib: false"]
    return "\n".join([*lines, *(f"Tag: {line}" for line in tag.lines())]).encode() + b"\n"


def wheel_bytes(stem: str, tag: Tag, files: Mapping[str, bytes], *, compress: bool = True) -> bytes:
    """A whole wheel.

    Args:
        stem: ``name-version``.
        tag: its tag.
        files: path and content of every file but ``RECORD``; the ``WHEEL`` file's tags are set to ``tag``.
        compress: whether to compress.

    Raises:
        ToolchainError: the library ``wheel`` is not installed.
    """
    try:
        base: Any = importlib.import_module("wheel.wheelfile").WheelFile
    except ImportError:
        raise ToolchainError(
            "The library wheel is needed for this, and is not installed.", advice=DIST_ADVICE
        ) from None

    class Reproducible(base):  # type: ignore[misc]
        """Gives each file, ``RECORD`` included, the same time and permissions."""

        def writestr(self, name: Any, data: Any, compress_type: int | None = None) -> None:
            info = zipfile.ZipInfo(str(name), date_time=source_date())
            info.compress_type = self.compression
            info.create_system = 3  # Unix, so that the permissions count
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
    """Path and content of every file in a wheel but ``RECORD``."""
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        return {name: archive.read(name) for name in names if not name.endswith(".dist-info/RECORD")}
