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
"""From this rustc on, emscripten builds without ``-Z link-native-libraries=no`` (maturin's ``compile.rs``)."""


def is_darwin(target: str) -> bool:
    """Whether a target triple is macOS; iOS and its relatives, which link the Python framework, are not counted."""
    return target.endswith("-apple-darwin")


def _is_musl(target: str) -> bool:
    """Whether a target triple uses musl (``musleabihf`` and the like included)."""
    return target.rpartition("-")[2].startswith("musl")


def _is_emscripten(target: str) -> bool:
    """Whether a target triple is emscripten, which is what Pyodide runs."""
    return target.rpartition("-")[2] == "emscripten"


def extension_link_args(
    target: str, interpreter: Interpreter, *, module: str = "", rustc: tuple[int, ...] = _EMSCRIPTEN_STABLE
) -> tuple[str, ...]:
    """The rustc arguments that an extension module needs, besides those of PyO3's build script.

    They belong in RUSTFLAGS (or on a bare rustc line): cargo decides from RUSTFLAGS whether musl can make a cdylib
    at all, and dependencies that are cdylibs themselves need the macOS flags too (maturin issue 1080).

    Args:
        target: the target triple.
        interpreter: what the module is built for; its suffix names the file in macOS's install name.
        module: the module's name, for the install name that a macOS wheel should have; none is set without it.
        rustc: version of the compiler, of importance for emscripten only.
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
