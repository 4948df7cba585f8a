"""The facts of the Python to build for, gathered by `interpreter_facts`."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from .interpreter_facts import collect_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Interpreter"]

_TAGS = {"CPython": "cp", "PyPy": "pp", "GraalPy": "graalpy"}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The facts of a Python that are needed to build for it.

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
        """Return the facts of the running Python, gathered once and without starting a process."""
        return _current()

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> Interpreter:
        """Make an interpreter from facts that come from another process or machine.

        Args:
            facts: a value for each field, as decoded from JSON.

        Raises:
            InterpreterError: a fact is missing, unknown or implausible; the message names it.
        """
        from .interpreter_checks import checked  # only for facts from another process or machine

        return cls(**checked(facts, [field.name for field in fields(cls)]))

    @classmethod
    def probe(cls, executable: str | Path, *, timeout: float = 20.0) -> Interpreter:
        """Ask another Python for its facts.

        Args:
            executable: its path, or its name on PATH.
            timeout: seconds to wait for the answer.

        Raises:
            InterpreterError: it does not exist, cannot be started, is not Python, is too old, or does not answer.
        """
        from .interpreter_probe import probe  # starts a process

        return cls.from_facts(probe(executable, timeout))

    def facts(self) -> dict[str, object]:
        """Return the facts by name, as `from_facts` takes them and JSON can represent them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def identity(self) -> str:
        """The facts that determine whether a module can be imported, the same for every environment of one Python."""
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
        """Return whether a module built for one of the two Pythons can be imported by the other."""
        return self.identity == other.identity

    @property
    def name(self) -> str:
        """A name to show, such as ``CPython 3.13.1, x86_64, free-threaded``."""
        extras = (("debug", self.debug), ("free-threaded", self.gil_disabled), ("32-bit", self.pointer_width == 32))  # noqa: PLR2004
        return ", ".join((f"{self.implementation} {self.full_version}", self.machine, *(e for e, on in extras if on)))

    @property
    def python_tag(self) -> str:
        """The Python tag of a wheel for this interpreter (PEP 425)."""
        return f"{_TAGS[self.implementation]}{self.version[0]}{self.version[1]}"

    @property
    def abi_tag(self) -> str:
        """The ABI tag of a wheel for this interpreter (PEP 425, by the rules of ``packaging.tags``)."""
        if self.implementation == "CPython":
            pymalloc = "m" if "m" in self.abiflags else ""  # ended with Python 3.8
            return f"{self.python_tag}{'t' if self.gil_disabled else ''}{'d' if self.debug else ''}{pymalloc}"
        parts = self.ext_suffix.split(".")[1].split("-")
        return "_".join(parts[: 2 if self.implementation == "PyPy" else 3])

    @property
    def is_windows(self) -> bool:
        """Whether it runs on Windows, mingw included."""
        return self.platform.startswith(("win", "mingw"))

    def pyo3_config(self, *, embed: bool = False) -> str:
        """Return the text of a PYO3_CONFIG_FILE; see `pyo3magic.environment.pyo3_config.config`."""
        from .pyo3_config import config  # only for builds

        return config(self, embed=embed)

    def python_cfgs(self) -> tuple[str, ...]:
        """Return the cfgs PyO3 sets for this interpreter; see `pyo3magic.environment.pyo3_config.cfgs`."""
        from .pyo3_config import cfgs

        return cfgs(self)


@functools.lru_cache(maxsize=8)
def _digest(interpreter: Interpreter) -> str:
    return hashlib.sha256(interpreter.identity.encode()).hexdigest()


@functools.cache
def _current() -> Interpreter:
    facts = collect_facts()
    if facts["implementation"] not in _TAGS:
        return Interpreter.from_facts(facts)  # raises InterpreterError
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return Interpreter(**values)
