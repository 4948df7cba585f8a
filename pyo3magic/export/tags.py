"""The three parts of a wheel's tag, and their meaning in words (PEP 425, 600, 656; binary distribution format)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.environment.toolchain import MINIMUM_GLIBC
from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from pyo3magic.environment.interpreter import Interpreter


__all__ = [
    "DEPLOYMENT_TARGET",
    "MACOS_WITHOUT_MINOR",
    "MANYLINUX_NAMES",
    "Platform",
    "Tag",
    "check_abi3",
    "macos_version",
    "parse_abi3",
    "parse_platform",
]

MANYLINUX_NAMES = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
"""Older names of manylinux policies, and the glibc that each promises (PEP 600, "Legacy manylinux tags")."""
_DEFAULT_ABI3 = "3.10"
MACOS_WITHOUT_MINOR = 11
"""Tags of macOS 11 and newer have the minor version 0 (packaging.tags)."""
DEPLOYMENT_TARGET = "MACOSX_DEPLOYMENT_TARGET"
_MACHINE_WORDS = {"x86_64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64", "amd64": "x86-64", "win32": "x86"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A wheel's tag; ``str()`` gives its text.

    Attributes:
        python: the Python tag, ``cp311``.
        abi: the ABI tag, ``cp311`` or ``abi3``.
        platform: the platform tag; several are joined by dots.
    """

    python: str
    abi: str
    platform: str

    def __str__(self) -> str:
        return f"{self.python}-{self.abi}-{self.platform}"

    @classmethod
    def of(cls, interpreter: Interpreter, platform: str, abi3: tuple[int, int] | None) -> Tag:
        """The tag of a module.

        Args:
            interpreter: the Python that the module was built for.
            platform: the platform tag.
            abi3: oldest Python whose stable ABI the module uses, or None.
        """
        if abi3 is not None:
            return cls(f"cp{abi3[0]}{abi3[1]}", "abi3", platform)
        return cls(interpreter.python_tag, interpreter.abi_tag, platform)

    def lines(self) -> list[str]:
        """The ``Tag:`` values of the ``WHEEL`` file: one for each platform in a compressed set."""
        return [f"{self.python}-{self.abi}-{platform}" for platform in self.platform.split(".")]

    def words(self) -> str:
        """The tag for people: ``Linux x86-64 with glibc 2.17 or newer, CPython 3.11``."""
        first = self.platform.split(".")[0]
        return f"{_platform_words(first)}, {_python_words(self.python, self.abi)}"


@dataclass(frozen=True, slots=True)
class Platform:
    """The value of ``--platform``.

    Attributes:
        kind: ``auto`` (the best that is true), ``linux`` (no promise), ``manylinux`` or ``musllinux``.
        version: the promised version of glibc or musl, or None.
        machine: the machine that the tag names, or empty.
    """

    kind: str
    version: tuple[int, int] | None = None
    machine: str = ""

    @property
    def policy(self) -> str:
        """The tag without the machine, ``manylinux_2_17``; only for ``manylinux`` and ``musllinux``."""
        assert self.version is not None  # noqa: S101 - asked only for promises
        return f"{self.kind}_{self.version[0]}_{self.version[1]}"


def parse_platform(text: str) -> Platform:
    """Parse ``manylinux2014``, ``manylinux_2_28``, ``musllinux_1_2``, ``linux`` (also with ``_x86_64``) or nothing.

    Raises:
        OptionError: the text is something else, or a promise that no Rust module can keep.
    """
    if text in {"", "auto"}:
        return Platform("auto")
    match = re.fullmatch(r"(manylinux(?:1|20\d\d|_\d+_\d+)|musllinux_\d+_\d+|linux)(?:_([a-z0-9_]+))?", text)
    name, machine = match.groups() if match else ("", "")
    if name == "linux":
        return Platform("linux", machine=machine or "")
    kind = "musllinux" if name.startswith("musl") else "manylinux"
    numbers = re.fullmatch(r"(?:many|musl)linux_(\d+)_(\d+)", name)
    version = (int(numbers[1]), int(numbers[2])) if numbers else MANYLINUX_NAMES.get(name)
    if version is None:
        raise OptionError(
            f"{text!r} is not a platform that wheels can be made for.",
            advice="Write --platform manylinux2014, manylinux_2_28, musllinux_1_2 or linux.",
        )
    if kind == "manylinux" and version < MINIMUM_GLIBC:
        raise OptionError(
            f"{text} promises glibc {version[0]}.{version[1]}, but Rust's standard library needs glibc "
            f"{MINIMUM_GLIBC[0]}.{MINIMUM_GLIBC[1]}.",
            advice="Write --platform manylinux2014, which is the oldest possible.",
        )
    return Platform(kind, version, machine or "")


def macos_version(machine: str, wanted: str) -> tuple[int, int]:
    """The oldest macOS that a module runs on: the requested version, but not older than Rust's own minimum.

    These are maturin's rules (its ``macosx_deployment_target``).

    Args:
        machine: the processor, ``x86_64`` or ``arm64``.
        wanted: the value of MACOSX_DEPLOYMENT_TARGET, or empty.

    Returns:
        Major and minor version.

    Raises:
        OptionError: the variable is not a version.
    """
    oldest = (11, 0) if machine == "arm64" else (10, 12)
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.\d+)?", wanted or "0")
    if match is None:
        raise OptionError(
            f"{DEPLOYMENT_TARGET} is {wanted!r}, which is not a version of macOS.",
            advice=f"Set it to {oldest[0]}.{oldest[1]}, for example, or unset it.",
        )
    return max(oldest, (int(match[1]), int(match[2] or 0)))


def parse_abi3(text: str | None) -> tuple[int, int] | None:
    """Parse the value of ``--abi3``.

    Args:
        text: ``3.X``; empty for the default, 3.10; None without the option.

    Raises:
        OptionError: the text is not a version of Python 3.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(?:cp|py)?3\.?(\d+)", text or _DEFAULT_ABI3)
    if match is None:
        raise OptionError(f"--abi3 {text!r} is not a Python version.", advice="Write --abi3 3.10, for example.")
    return 3, int(match[1])


def check_abi3(version: tuple[int, int], interpreter: Interpreter, pyo3_oldest: tuple[int, int] = (3, 9)) -> None:
    """Check that modules for the stable ABI of a Python version can be built (PyO3 guide, ``abi3``).

    Args:
        version: the oldest Python that the module must run on.
        interpreter: the Python to build with.
        pyo3_oldest: the oldest version that PyO3 builds for.

    Raises:
        OptionError: the interpreter has no stable ABI, or is older than the version; or the version is too old for
            PyO3.
    """
    wanted = f"{version[0]}.{version[1]}"
    if interpreter.implementation != "CPython" or interpreter.gil_disabled:
        raise OptionError(
            f"{interpreter.name} has no stable ABI that PyO3 can build for.",
            advice="Leave out --abi3, or use an ordinary CPython.",
        )
    if version > interpreter.version:
        raise OptionError(
            f"The stable ABI of Python {wanted} cannot be built with Python {interpreter.version[0]}."
            f"{interpreter.version[1]}.",
            advice=f"Write --abi3 {interpreter.version[0]}.{interpreter.version[1]} or an older version.",
        )
    if version < pyo3_oldest:
        raise OptionError(
            f"PyO3 does not build for the stable ABI of Python {wanted}.",
            advice=f"Write --abi3 {pyo3_oldest[0]}.{pyo3_oldest[1]} or a newer version.",
        )


def _platform_words(platform: str) -> str:
    machine = re.sub(r"^[a-z]+(?:\d+|_\d+_\d+)?_", "", platform)
    machine = _MACHINE_WORDS.get(machine, machine)
    if match := re.match(r"(many|musl)linux(?:_(\d+)_(\d+)|(\d+))_", platform):
        version = MANYLINUX_NAMES.get(f"manylinux{match[4]}") if match[4] else (int(match[2]), int(match[3]))
        libc = "musl" if match[1] == "musl" else "glibc"
        return f"Linux {machine} with {libc} {version[0]}.{version[1]} or newer" if version else platform
    if match := re.match(r"macosx_(\d+)_(\d+)_", platform):
        return f"macOS {match[1]}.{match[2]} or newer on {machine}"
    if platform.startswith("linux_"):
        return f"Linux {machine} like this one (PyPI refuses it)"
    return f"Windows {machine}" if platform.startswith("win") else platform


def _python_words(python: str, abi: str) -> str:
    match = re.fullmatch(r"(cp|pp|graalpy)(\d)(\d+)", python)
    if match is None:
        return f"{python}-{abi}"
    name = {"cp": "CPython", "pp": "PyPy", "graalpy": "GraalPy"}[match[1]]
    more = " or newer" if abi == "abi3" else ", free-threaded" if abi.endswith("t") and match[1] == "cp" else ""
    return f"{name} {match[2]}.{match[3]}{more}"
