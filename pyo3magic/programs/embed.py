"""Find the libpython that a program or test is linked with, and the variables with which it finds it at run time.

An extension module must not be linked with libpython. A program or test must be, and must find the library when it runs
(PyO3 guide, 'Building and distribution': 'Dynamically embedding the Python interpreter' and 'Statically embedding').
"""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.errors import InterpreterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyo3magic.environment.interpreter import Interpreter
    from pyo3magic.store import Store

__all__ = ["LIBRARY_PATHS", "Embedding", "Library", "find_embedding", "find_library"]

LIBRARY_PATHS: Mapping[str, str] = {
    "linux": "LD_LIBRARY_PATH",
    "darwin": "DYLD_LIBRARY_PATH",
    "win32": "PATH",
}
"""``sys.platform`` to the variable with the search path for shared libraries; LD_LIBRARY_PATH for other systems."""

_SHARED_SUFFIXES: Mapping[str, str] = {"darwin": ".dylib"}


@dataclass(frozen=True, slots=True)
class Library:
    """An existing libpython.

    Attributes:
        file: the library.
        is_shared: whether it is a shared library; otherwise it is static and becomes part of the program.
    """

    file: Path
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Embedding:
    """How to build and run a program that embeds Python.

    Attributes:
        config: text of the PYO3_CONFIG_FILE.
        link_arguments: linker arguments in addition to PyO3's.
        variables: environment variables that the program needs, each with its full value.
    """

    config: str
    link_arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)


def find_embedding(interpreter: Interpreter, environ: Mapping[str, str], *, store: Store, links: Path) -> Embedding:
    """Find the library to link with programs that embed the running Python.

    Args:
        interpreter: the running Python.
        environ: the program's environment.
        store: the store, which contains ``links``.
        links: a folder for a symbolic link with the name that the linker expects, if the library has another name.

    Raises:
        InterpreterError: this Python has no library to link with.
        StoreError: the link cannot be created.
    """
    variables = _found_at_start(interpreter, environ)
    if interpreter.is_windows or interpreter.framework_prefix:
        folder = interpreter.base_prefix if interpreter.is_windows else interpreter.framework_prefix
        name = "PATH" if interpreter.is_windows else "DYLD_FRAMEWORK_PATH"
        return Embedding(interpreter.pyo3_config(embed=True), (), {**variables, name: _before(folder, name, environ)})
    library = find_library(interpreter)
    if library is None:
        raise InterpreterError(
            f"A program or test with PyO3 must be linked with libpython, which {interpreter.name} does not have: "
            f"neither lib{interpreter.lib_name}{_shared_suffix()} nor lib{interpreter.lib_name}.a is in "
            f"{', '.join(str(folder) for folder in _folders(interpreter))}.",
            advice=_advice(interpreter),
        )
    return (
        _shared(interpreter, library, environ, variables, store, links)
        if library.is_shared
        else _static(interpreter, library, variables)
    )


def find_library(interpreter: Interpreter) -> Library | None:
    """Return the running Python's library, shared if possible, otherwise static; None if it has neither."""
    folders = _folders(interpreter)
    names = [f"lib{interpreter.lib_name}{_shared_suffix()}", str(sysconfig.get_config_var("INSTSONAME") or "")]
    for name in names:
        for folder in folders:
            if name and not name.endswith(".a") and (folder / name).is_file():
                return Library(folder / name, is_shared=True)
    for folder in folders:
        if (folder / f"lib{interpreter.lib_name}.a").is_file():
            return Library(folder / f"lib{interpreter.lib_name}.a", is_shared=False)
    return None


def _folders(interpreter: Interpreter) -> list[Path]:
    base = Path(interpreter.base_prefix, "lib")
    named = [interpreter.lib_dir, sysconfig.get_config_var("LIBPL"), str(base)]
    if architecture := sysconfig.get_config_var("MULTIARCH"):
        named.append(str(base / architecture))
    return list(dict.fromkeys(Path(name) for name in named if name))


def _shared_suffix() -> str:
    return _SHARED_SUFFIXES.get(sys.platform, ".so")


def _shared(
    interpreter: Interpreter,
    library: Library,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    store: Store,
    links: Path,
) -> Embedding:
    wanted = f"lib{interpreter.lib_name}{_shared_suffix()}"
    folder = library.file.parent
    if library.file.name != wanted:
        # The linker looks for a name without a version, which only a distribution's -dev package provides.
        folder = links
        store.link(folder / wanted, library.file)
    name = LIBRARY_PATHS.get(sys.platform, "LD_LIBRARY_PATH")
    config = _config(interpreter, folder=folder)
    return Embedding(config, (), {**variables, name: _before(str(library.file.parent), name, environ)})


def _static(interpreter: Interpreter, library: Library, variables: Mapping[str, str]) -> Embedding:
    """Link the whole library, because the standard library's extension modules need all of its functions."""
    system = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("LIBS", "SYSLIBS")).split()
    needed = dict.fromkeys(word for word in system if word.startswith("-l"))
    lines = [
        "suppress_build_script_link_lines=true",
        f"extra_build_script_line=cargo:rustc-link-search=native={library.file.parent}",
        f"extra_build_script_line=cargo:rustc-link-lib=static:+whole-archive,-bundle={interpreter.lib_name}",
    ]
    # PyO3 rejects `auto-initialize` for a static library, which usually lacks functions that modules need. Here all
    # functions are linked, so the library is declared as shared.
    config = _config(interpreter, folder=library.file.parent) + "".join(f"{line}\n" for line in lines)
    return Embedding(config, (*needed, "-Wl,--export-dynamic"), variables)


def _config(interpreter: Interpreter, *, folder: Path) -> str:
    facts = {"shared": "true", "lib_dir": str(folder)}
    lines = [line.partition("=") for line in interpreter.pyo3_config(embed=True).splitlines()]
    return "".join(f"{key}={facts.get(key, value)}\n" for key, _, value in lines)


def _found_at_start(interpreter: Interpreter, environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables that make the program's Python the kernel's: Python finds itself on PATH (``getpath.py``)."""
    if not interpreter.executable:
        return {}
    found = {"PATH": _before(str(Path(interpreter.executable).parent), "PATH", environ)}
    return found | {"PYTHONHOME": interpreter.base_prefix} if interpreter.is_windows else found


def _before(folder: str, name: str, environ: Mapping[str, str]) -> str:
    return os.pathsep.join(filter(None, (folder, environ.get(name, ""))))


def _advice(interpreter: Interpreter) -> str:
    version = "{}.{}".format(*interpreter.version)
    return (
        "Use a Python with a shared libpython:\n"
        f"  Debian, Ubuntu: sudo apt install libpython{version}\n"
        f"  pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force {version}\n"
        "  conda and uv: their Pythons have one\n"
        "Cells without --bin or --test do not need it."
    )
