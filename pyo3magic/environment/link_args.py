"""The link arguments that an extension module needs on each system.

Sources: ``add_extension_module_link_args`` of pyo3-build-config 0.30, "Building and distribution" in PyO3's guide, and
maturin's ``src/compile.rs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interpreter import Interpreter

__all__ = ["extension_link_args", "is_darwin"]

_EMSCRIPTEN_STABLE = (1, 93)
"""The first rustc that builds for emscripten without ``-Z link-native-libraries=no`` (maturin's ``compile.rs``)."""


def is_darwin(target: str) -> bool:
    """Return whether a target triple is macOS, as opposed to iOS and similar, which link the Python framework."""
    return target.endswith("-apple-darwin")


def _is_musl(target: str) -> bool:
    """Return whether a target triple uses musl (including ``musleabihf`` and similar)."""
    return target.rpartition("-")[2].startswith("musl")


def _is_emscripten(target: str) -> bool:
    """Return whether a target triple is emscripten, the system of Pyodide."""
    return target.rpartition("-")[2] == "emscripten"


def extension_link_args(
    target: str, interpreter: Interpreter, *, module: str = "", rustc: tuple[int, ...] = _EMSCRIPTEN_STABLE
) -> tuple[str, ...]:
    """Return the rustc arguments that an extension module needs in addition to PyO3's build script.

    They belong in RUSTFLAGS (or on a bare rustc line): cargo decides from RUSTFLAGS whether musl supports cdylibs, and
    dependencies that are cdylibs need the macOS flags too (maturin issue 1080).

    Args:
        target: the target triple.
        interpreter: the Python to build for; its suffix is part of macOS's install name.
        module: the module's name, for the install name that a macOS wheel should have; empty to set no install name.
        rustc: version of the compiler; it matters only for emscripten.
    """
    if is_darwin(target):
        name = f"link-arg=-Wl,-install_name,@rpath/{module}{interpreter.ext_suffix}"
        return _codegen("link-arg=-undefined", "link-arg=dynamic_lookup", *([name] if module else []))
    if _is_musl(target):
        return _codegen("target-feature=-crt-static")
    if _is_emscripten(target):
        early = ("-Z", "link-native-libraries=no") if tuple(rustc[:2]) < _EMSCRIPTEN_STABLE else ()
        return early + _codegen("link-arg=-sSIDE_MODULE=2", "link-arg=-sWASM_BIGINT")
    return ()


def _codegen(*options: str) -> tuple[str, ...]:
    return tuple(argument for option in options for argument in ("-C", option))
