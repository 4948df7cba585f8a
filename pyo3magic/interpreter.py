"""Facts of a Python, and PyO3's build configuration made from them.

The facts are gathered by one function that runs in this process, in another Python (``Interpreter.probe``) or in a
remote kernel (``probe_source``). What comes back from elsewhere is data that is checked before it is believed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import sys
import sysconfig
from dataclasses import dataclass, fields
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import InterpreterError
from pyo3magic.process import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Interpreter", "probe_source", "python_check_cfgs"]

_OLDEST = (3, 7)
_TOO_OLD = "PyO3 0.23 and newer need Python 3.7, and PyO3 0.30 needs 3.9. Choose a newer Python with --python."
_FIRST_CFG, _LAST_CFG = 9, 16
"""Oldest minor version of pyo3-build-config 0.30, and the newest it knows plus one."""


# These two run elsewhere too (see probe_source): Python 3.7 and later, only the modules of _IMPORTS, no other name.
def _collect_libc() -> list[str] | None:
    if sys.platform != "linux" or hasattr(sys, "getandroidapilevel"):
        return None
    try:
        words = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, OSError, ValueError):
        words = []
    if len(words) == 2:  # noqa: PLR2004  # "glibc 2.36"
        return words
    # musl has no call that tells its version; its loader, which is the whole libc, holds it as a string.
    for loader in sorted(pathlib.Path("/lib").glob("ld-musl-*")):
        versions = set(re.findall(rb"\0(1\.[0-9]+\.[0-9]+)\0", loader.read_bytes()))
        return ["musl", versions.pop().decode() if len(versions) == 1 else ""]
    return None


def _collect_facts() -> dict[str, object]:
    variable = sysconfig.get_config_var
    known = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
    implementation = known.get(sys.implementation.name, sys.implementation.name)
    version = "{}.{}".format(*sys.version_info)
    platform = sysconfig.get_platform()
    windows = os.name == "nt"
    base_prefix = getattr(sys, "base_prefix", sys.prefix)
    suffix = EXTENSION_SUFFIXES[0]
    gil_disabled = bool(variable("Py_GIL_DISABLED"))
    debug = bool(variable("Py_DEBUG")) or suffix.startswith("_d.")
    flags = ("t" if gil_disabled else "") + ("d" if debug else "")
    if implementation == "PyPy":
        lib_name = f"libpypy{version}-c" if windows else "pypy{}-c".format(variable("LDVERSION") or version)
    elif implementation == "GraalPy":
        lib_name = "python-native"
    elif platform.startswith("mingw"):
        lib_name = f"libpython{version}{flags}"
    elif windows:
        lib_name = "python" + version.replace(".", "") + flags.replace("d", "_d")
    else:
        lib_name = "python{}".format(variable("LDVERSION") or version + flags)
    if hasattr(os, "uname"):
        machine = os.uname().machine
    else:
        machine = {"win-amd64": "AMD64", "win-arm64": "ARM64", "win32": "x86"}.get(platform, platform)
    return {
        "implementation": implementation,
        "version": list(sys.version_info[:2]),
        "full_version": sys.version.split()[0],
        "abiflags": getattr(sys, "abiflags", ""),
        "ext_suffix": suffix,
        "soabi": variable("SOABI") or "",
        "pointer_width": struct.calcsize("P") * 8,
        "debug": debug,
        "gil_disabled": gil_disabled,
        "shared": implementation in {"PyPy", "GraalPy"}
        or windows
        or bool(variable("PYTHONFRAMEWORK"))
        or bool(variable("Py_ENABLE_SHARED"))
        or pathlib.Path(base_prefix, "conda-meta").exists(),
        "lib_name": lib_name,
        "lib_dir": base_prefix + "\\libs" if windows else variable("LIBDIR") or "",
        "framework_prefix": variable("PYTHONFRAMEWORKPREFIX") or "",
        "platform": platform,
        "machine": machine,
        "libc": _collect_libc(),
        "executable": sys.executable or "",
        "base_prefix": base_prefix,
    }


_IMPORTS = "import json, os, pathlib, re, struct, sys, sysconfig\nfrom importlib.machinery import EXTENSION_SUFFIXES\n"
# Python 2 and other old ones must get as far as saying who they are.
_BOOTSTRAP = """import sys
if sys.version_info < (3, 7): sys.stdout.write("old " + sys.version.split()[0])
else: exec({source!r})"""


@functools.cache
def probe_source() -> str:
    """Return a standard-library-only script for Python 3.7 and later that prints the facts as one line of JSON."""
    import inspect  # costs milliseconds, only probes need it

    functions = "\n".join(inspect.getsource(function) for function in (_collect_libc, _collect_facts))
    return f"from __future__ import annotations\n{_IMPORTS}\n{functions}\nprint(json.dumps(_collect_facts()))\n"


_PATH = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,4096}"
_PATTERNS = {
    "implementation": r"CPython|PyPy|GraalPy",
    "full_version": r"[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}[0-9A-Za-z.+]{0,20}",
    "abiflags": r"[a-z]{0,8}",
    "ext_suffix": r"(?:_d)?\.(?:[A-Za-z0-9_-]{1,80}\.)?(?:so|pyd)",
    "soabi": r"[A-Za-z0-9_.-]{0,80}",
    "lib_name": r"[A-Za-z0-9_.-]{1,60}",
    "platform": r"[A-Za-z0-9_.-]{1,60}",
    "machine": r"[A-Za-z0-9_.-]{1,40}",
    **dict.fromkeys(("lib_dir", "framework_prefix", "executable", "base_prefix"), _PATH),
}


def _is_plausible(name: str, value: Any) -> bool:
    """Whether ``value`` is what the fact called ``name`` can be, in type and content."""
    if name in _PATTERNS:
        return isinstance(value, str) and re.fullmatch(_PATTERNS[name], value) is not None
    if name in {"debug", "gil_disabled", "shared"}:
        return isinstance(value, bool)
    if name == "pointer_width":
        return type(value) is int and value in {32, 64}
    if name == "libc" and value is None:
        return True
    if not isinstance(value, (list, tuple)) or len(value) != 2:  # noqa: PLR2004  # the rest are pairs
        return False
    return _is_libc(*value) if name == "libc" else _is_version(*value)


def _is_libc(kind: Any, version: Any) -> bool:
    texts = isinstance(kind, str) and isinstance(version, str)
    return texts and kind in {"glibc", "musl"} and re.fullmatch(r"[0-9.]{0,12}", version) is not None


def _is_version(major: Any, minor: Any) -> bool:
    return type(major) is type(minor) is int and major == 3 and 0 <= minor < 100  # noqa: PLR2004  # any Python 3


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The facts of one Python that building for it needs.

    ``shared``, ``lib_name``, ``lib_dir`` and ``framework_prefix`` follow PyO3's own rules (pyo3-build-config 0.30,
    ``from_interpreter``); ``platform`` is ``sysconfig.get_platform()``; ``libc`` is kind and version, on Linux only.
    """

    implementation: str
    version: tuple[int, int]
    full_version: str
    abiflags: str
    ext_suffix: str
    soabi: str
    pointer_width: int
    debug: bool
    gil_disabled: bool
    shared: bool
    lib_name: str
    lib_dir: str
    framework_prefix: str
    platform: str
    machine: str
    libc: tuple[str, str] | None
    executable: str
    base_prefix: str

    @classmethod
    def current(cls) -> Interpreter:
        """Return the facts of the running Python; gathered once, without starting a process."""
        return _current()

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> Interpreter:
        """Make an interpreter from facts that may come from anywhere.

        Raises:
            InterpreterError: naming the fact that is missing, unknown or not what such a fact can be.
        """
        names = [field.name for field in fields(cls)]
        missing, unknown = [name for name in names if name not in facts], [name for name in facts if name not in names]
        if missing or unknown:
            what = f"lacks {missing[0]!r}" if missing else f"contains {unknown[0]!r:.60}, which is none"
            raise InterpreterError(f"The description of the Python interpreter {what}.", advice=_DISTRUST)
        for name in names:
            if not _is_plausible(name, facts[name]):
                message = f"The Python interpreter says its {name} is {facts[name]!r:.120}, which cannot be."
                raise InterpreterError(message, advice=_DISTRUST)
        checked: dict[str, Any] = {
            name: tuple(value) if isinstance(value := facts[name], list) else value for name in names
        }
        number, full = "{}.{}".format(*checked["version"]), checked["full_version"]
        if not full.startswith(f"{number}."):
            message = f"The Python interpreter says its full_version is {full} and its version {number}."
            raise InterpreterError(message, advice=_DISTRUST)
        if checked["version"] < _OLDEST:
            raise InterpreterError(f"Python {full} is too old.", advice=_TOO_OLD)
        return cls(**checked)

    @classmethod
    def probe(cls, executable: str | pathlib.Path, *, timeout: float = 20.0) -> Interpreter:
        """Ask another Python, given by path or by its name on PATH.

        Raises:
            InterpreterError: when it is not there, cannot be started, is no Python, is too old, or does not answer.
        """
        path = _find_executable(executable)
        command: list[str | pathlib.Path] = [path, "-I", "-S", "-c", _BOOTSTRAP.format(source=probe_source())]
        try:
            answer = ask(command, timeout=timeout)
        except TimeoutError:
            message = f"{path} did not answer within {timeout:g} seconds, so nothing is known about it."
            raise InterpreterError(message, advice=_WHICH) from None
        except OSError as error:
            message = f"{path} cannot be started: {error.strerror or error}."
            raise InterpreterError(message, advice=_WHICH) from None
        return cls.from_facts(_parse(path, answer))

    def facts(self) -> dict[str, object]:
        """Return what ``from_facts`` takes; JSON can carry it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def identity(self) -> str:
        """What decides whether a module fits: the same for every environment made from one Python."""
        parts = {
            "implementation": self.implementation,
            "version": f"{self.version[0]}.{self.version[1]}",
            "abiflags": self.abiflags,
            "debug": int(self.debug),
            "gil_disabled": int(self.gil_disabled),
            "pointer_width": self.pointer_width,
            "ext_suffix": self.ext_suffix,
            "platform": self.platform,
            "machine": self.machine,
            "libc": self.libc[0] if self.libc else "",
        }
        return ";".join(f"{name}={value}" for name, value in parts.items())

    @property
    def digest(self) -> str:
        """SHA-256 of the identity (hexadecimal)."""
        return _digest(self)

    def is_abi_equal(self, other: Interpreter) -> bool:
        """Whether a module built for one of the two can be imported by the other."""
        return self.identity == other.identity

    @property
    def name(self) -> str:
        """The interpreter for people: ``CPython 3.13.1, x86_64, free-threaded``."""
        extras = (("debug", self.debug), ("free-threaded", self.gil_disabled), ("32-bit", self.pointer_width == 32))  # noqa: PLR2004
        return ", ".join((f"{self.implementation} {self.full_version}", self.machine, *(e for e, on in extras if on)))

    @property
    def python_tag(self) -> str:
        """The Python tag of a wheel for this interpreter (PEP 425)."""
        short = {"CPython": "cp", "PyPy": "pp", "GraalPy": "graalpy"}[self.implementation]
        return f"{short}{self.version[0]}{self.version[1]}"

    @property
    def abi_tag(self) -> str:
        """The ABI tag of a wheel for this interpreter (PEP 425; the rules are those of ``packaging.tags``)."""
        if self.implementation == "CPython":
            pymalloc = "m" if "m" in self.abiflags else ""  # ended with Python 3.8
            return f"{self.python_tag}{'t' if self.gil_disabled else ''}{'d' if self.debug else ''}{pymalloc}"
        parts = self.ext_suffix.split(".")[1].split("-")
        return "_".join(parts[: 2 if self.implementation == "PyPy" else 3])

    @property
    def is_windows(self) -> bool:
        """Whether it runs on Windows, mingw included."""
        return self.platform.startswith(("win", "mingw"))

    def _build_flags(self) -> tuple[str, ...]:
        debug = ("Py_DEBUG", "Py_REF_DEBUG") if self.debug else ()  # the first implies the second, in PyO3 too
        return debug + (("Py_GIL_DISABLED",) if self.gil_disabled else ())

    def pyo3_config(self, *, embed: bool = False) -> str:
        """Return the text of a PYO3_CONFIG_FILE (keys and rules of pyo3-build-config 0.30's ``from_reader``).

        The text for modules holds what is relevant to the ABI only, so that one file serves every environment of one
        Python and cargo never sees it change. ``embed`` adds what a binary that starts Python must be linked with.
        """
        lines = {
            "implementation": "GraalVM" if self.implementation == "GraalPy" else self.implementation,
            "version": f"{self.version[0]}.{self.version[1]}",
            "shared": _lower(self.shared) if embed else "true",
            "pointer_width": str(self.pointer_width),
            "build_flags": ",".join(self._build_flags()),
        }
        if embed or self.is_windows:
            lines |= {"lib_name": self.lib_name, "lib_dir": self.lib_dir}
        if embed:
            lines |= {"python_framework_prefix": self.framework_prefix, "executable": self.executable}
        elif not (self.is_windows or self.platform.startswith(("android", "ios", "aix", "cygwin"))):
            # Also right for a PyO3 before 0.26, which does not know PYO3_BUILD_EXTENSION_MODULE.
            lines["suppress_build_script_link_lines"] = "true"
        return "".join(f"{key}={value}\n" for key, value in lines.items() if value or key == "build_flags")

    def python_cfgs(self) -> tuple[str, ...]:
        """Return the cfgs PyO3 sets for this interpreter (pyo3-build-config 0.30's ``build_script_outputs``)."""
        implementation = () if self.implementation == "CPython" else (self.implementation,)
        return (
            *(f"Py_3_{minor}" for minor in range(_FIRST_CFG, self.version[1] + 1)),
            *implementation,
            *(("Py_GIL_DISABLED",) if self.gil_disabled else ()),
            *(f'py_sys_config="{flag}"' for flag in self._build_flags() if flag != "Py_GIL_DISABLED"),
        )


_DISTRUST = "It is not used. Choose another Python with --python, or connect to the kernel again."
_WHICH = "Give --python the path of a Python executable, such as one of an environment's bin folder."


def python_check_cfgs() -> tuple[str, ...]:
    """Return the arguments of ``--check-cfg`` for them (pyo3-build-config 0.30's ``print_expected_cfgs``)."""
    names = ("Py_LIMITED_API", "Py_GIL_DISABLED", "PyPy", "GraalPy", "RustPython")
    minors = range(_FIRST_CFG, _LAST_CFG + 1)
    return (
        *(f"cfg({name})" for name in names),
        'cfg(py_sys_config, values("Py_DEBUG", "Py_REF_DEBUG", "Py_TRACE_REFS", "COUNT_ALLOCS"))',
        *(f"cfg(Py_3_{minor})" for minor in minors),
    )


@functools.lru_cache(maxsize=8)
def _digest(interpreter: Interpreter) -> str:
    return hashlib.sha256(interpreter.identity.encode()).hexdigest()


@functools.cache
def _current() -> Interpreter:
    return Interpreter.from_facts(_collect_facts())


def _lower(value: bool) -> str:  # noqa: FBT001
    return str(value).lower()


def _find_executable(executable: str | pathlib.Path) -> pathlib.Path:
    text = os.fspath(executable)
    if os.path.basename(text) == text:  # noqa: PTH119  # Path("./python").name would lose the "./"
        found = shutil.which(text)
        if found is None:
            raise InterpreterError(f"There is no Python called {text!r} on PATH.", advice=_WHICH)
        return pathlib.Path(found)
    path = pathlib.Path(text).expanduser().absolute()
    problem = ""
    if path.is_dir():
        problem = "is a folder, not a Python executable"
    elif not path.exists():
        problem = "does not exist"
    elif not os.access(path, os.X_OK):
        problem = "is not executable"
    if problem:
        raise InterpreterError(f"{path} {problem}.", advice=_WHICH)
    return path


def _parse(path: pathlib.Path, answer: Answer) -> dict[str, object]:
    lines = answer.stdout.strip().splitlines()
    last = lines[-1] if lines else ""
    if last.startswith("old ") or "Unknown option: -I" in answer.stderr:  # Python 2 does not know -I
        version = last.removeprefix("old ") or "2"
        raise InterpreterError(f"{path} is Python {version:.20}, which is too old.", advice=_TOO_OLD)
    said = (answer.stderr.strip().splitlines() or [last])[-1]
    if answer.returncode:
        message = f"{path} is not a working Python: it ended with code {answer.returncode}"
        raise InterpreterError(f"{message} and said: {said:.200}" if said else f"{message}.", advice=_WHICH)
    try:
        facts = json.loads(last)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise InterpreterError(f"{path} is not a Python: asked about itself it printed {last!r:.80}.", advice=_WHICH)
    return facts
