"""Make the environment variables for cargo and rustc."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["cargo_environment"]

_DISTURBING = frozenset((
    *("CARGO_BUILD_BUILD_DIR", "CARGO_BUILD_TARGET", "CARGO_BUILD_TARGET_DIR", "CARGO_TARGET_DIR"),
    *("CARGO_CRATE_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PRIMARY_PACKAGE"),
    *("CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"),  # file descriptors of a make or cargo that did not start this process
    *("CARGO_TERM_QUIET", "CARGO_TERM_VERBOSE"),  # would hide the progress, or print too much
    *("PYO3_PRINT_CONFIG", "PYO3_NO_PYTHON", "PYTHON_SYS_EXECUTABLE"),
    *("RUSTUP_FORCE_ARG0", "RUST_RECURSION_COUNT"),
))  # fmt: skip


def cargo_environment(
    environ: Mapping[str, str],
    *,
    cargo: Path,
    pyo3_config: Path | None = None,
    extension_module: bool = True,
    progress_width: int | None = None,
    color: bool = False,
    extra: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Return the environment for cargo or rustc: the user's own, plus the variables that a build needs.

    Args:
        environ: the user's environment.
        cargo: the cargo to start; its folder is prepended to PATH if PATH has no cargo.
        pyo3_config: absolute path for PYO3_CONFIG_FILE.
        extension_module: whether PyO3 leaves libpython out (modules) or links it (``--test``, ``--bin``).
        progress_width: width of the progress bar in columns, printed even on a pipe; None for no bar.
        color: whether diagnostics have ANSI colours.
        extra: variables of the toolchain itself (``Toolchain.variables``).

    Raises:
        ValueError: ``pyo3_config`` is a relative path, which PyO3 rejects.
    """
    result = {name: value for name, value in environ.items() if name not in _DISTURBING}
    result.update(extra)
    old = environ.get("PYTHON_SYS_EXECUTABLE")
    if old:
        result.setdefault("PYO3_PYTHON", old)
    result.pop("PYO3_CONFIG_FILE", None)
    if pyo3_config is not None:
        if not pyo3_config.is_absolute():
            raise ValueError(f"PYO3_CONFIG_FILE must be an absolute path, not {pyo3_config}")
        result["PYO3_CONFIG_FILE"] = str(pyo3_config)
    result.pop("PYO3_BUILD_EXTENSION_MODULE", None)
    if extension_module:
        result["PYO3_BUILD_EXTENSION_MODULE"] = "1"
    result["CARGO_TERM_COLOR"] = "always" if color else "never"
    result["CARGO_TERM_PROGRESS_WHEN"] = "never"
    if progress_width is not None:
        result["CARGO_TERM_PROGRESS_WHEN"] = "always"
        result["CARGO_TERM_PROGRESS_WIDTH"] = str(progress_width)
    path = result.get("PATH", "")
    if shutil.which("cargo", path=path) is None:
        result["PATH"] = os.pathsep.join(filter(None, (str(cargo.parent), path)))
    return result
