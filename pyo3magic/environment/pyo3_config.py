"""PyO3's description of an interpreter: its configuration file and its cfgs (pyo3-build-config 0.30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interpreter import Interpreter

__all__ = ["cfgs", "config", "python_check_cfgs"]

_FIRST_CFG, _LAST_CFG = 9, 16
"""The oldest Python 3 minor version that pyo3-build-config 0.30 supports, and its newest known version plus one."""


def config(interpreter: Interpreter, *, embed: bool = False) -> str:
    """Return the text of a PYO3_CONFIG_FILE (keys and rules of ``from_reader``).

    For modules it contains only facts about the ABI, so every environment of one Python shares the same file and cargo
    never sees it change.

    Args:
        interpreter: the Python.
        embed: add the Python library, for a program that embeds Python.
    """
    lines = {
        "implementation": "GraalVM" if interpreter.implementation == "GraalPy" else interpreter.implementation,
        "version": f"{interpreter.version[0]}.{interpreter.version[1]}",
        "shared": str(interpreter.shared or not embed).lower(),
        "pointer_width": str(interpreter.pointer_width),
        "build_flags": ",".join(_build_flags(interpreter)),
    }
    if embed or interpreter.is_windows:
        lines |= {"lib_name": interpreter.lib_name, "lib_dir": interpreter.lib_dir}
    if embed:
        lines |= {"python_framework_prefix": interpreter.framework_prefix, "executable": interpreter.executable}
    elif not (interpreter.is_windows or interpreter.platform.startswith(("android", "ios", "aix", "cygwin"))):
        # This also works for PyO3 before 0.26, which does not know PYO3_BUILD_EXTENSION_MODULE.
        lines["suppress_build_script_link_lines"] = "true"
    return "".join(f"{key}={value}\n" for key, value in lines.items() if value or key == "build_flags")


def cfgs(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the cfgs that PyO3 sets for an interpreter (``build_script_outputs``)."""
    implementation = () if interpreter.implementation == "CPython" else (interpreter.implementation,)
    return (
        *(f"Py_3_{minor}" for minor in range(_FIRST_CFG, interpreter.version[1] + 1)),
        *implementation,
        *(("Py_GIL_DISABLED",) if interpreter.gil_disabled else ()),
        *(f'py_sys_config="{flag}"' for flag in _build_flags(interpreter) if flag != "Py_GIL_DISABLED"),
    )


def _build_flags(interpreter: Interpreter) -> tuple[str, ...]:
    debug = ("Py_DEBUG", "Py_REF_DEBUG") if interpreter.debug else ()  # the first implies the second, in PyO3 too
    return debug + (("Py_GIL_DISABLED",) if interpreter.gil_disabled else ())


def python_check_cfgs() -> tuple[str, ...]:
    """Return the arguments of ``--check-cfg`` for PyO3's cfgs (``print_expected_cfgs``)."""
    names = ("Py_LIMITED_API", "Py_GIL_DISABLED", "PyPy", "GraalPy", "RustPython")
    minors = range(_FIRST_CFG, _LAST_CFG + 1)
    return (
        *(f"cfg({name})" for name in names),
        'cfg(py_sys_config, values("Py_DEBUG", "Py_REF_DEBUG", "Py_TRACE_REFS", "COUNT_ALLOCS"))',
        *(f"cfg(Py_3_{minor})" for minor in minors),
    )
