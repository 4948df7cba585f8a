"""Installs a wheel into an environment with pip or uv."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

from pyo3magic.errors import BuildError, ToolchainError
from pyo3magic.process import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["install_wheel", "installer"]

_TIMEOUT = 900


def installer(python: str, environ: Mapping[str, str]) -> list[str]:
    """The command that installs into the environment of a Python, with its own pip or else with uv.

    Args:
        python: the Python's path.
        environ: the environment, whose PATH may have uv.

    Returns:
        The command's arguments, to be followed by a wheel's path.

    Raises:
        ToolchainError: neither pip nor uv is installed.
    """
    own = python == sys.executable
    has_pip = importlib.util.find_spec("pip") is not None if own else _has_pip(python)
    if has_pip:
        return [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv:
        return [uv, "pip", "install", "--python", python, "--quiet"]
    raise ToolchainError(
        "Installing the wheel needs pip or uv, and neither is installed.",
        advice=f"Run `{python} -m ensurepip`, or install uv.",
    )


def install_wheel(wheel: Path, environ: Mapping[str, str], *, python: str = sys.executable) -> None:
    """Install a wheel; an installed one with the same name and version is replaced.

    Args:
        wheel: the wheel's path.
        environ: the environment for pip or uv.
        python: the Python whose environment the wheel goes into; the running Python by default.

    Raises:
        BuildError: pip or uv failed; the message contains the last line of its output.
        ToolchainError: neither pip nor uv is installed.
    """
    command = installer(python, environ)
    again = "--reinstall-package" if command[0] != python else "--force-reinstall"
    name = wheel.name.split("-")[0].replace("_", "-")
    # The first step installs the dependencies, so the second has to replace only the wheel itself.
    steps = [[*command, str(wheel)]]
    steps.append([*command, again, *([name] if again == "--reinstall-package" else []), "--no-deps", str(wheel)])
    for step in steps:
        answer = ask(step, environ=environ, timeout=_TIMEOUT)
        if answer.status != 0:
            lines = [line for line in (answer.stderr or answer.stdout).strip().splitlines() if line.strip()]
            raise BuildError(
                f"{wheel.name} cannot be installed: {lines[-1] if lines else 'the installer said nothing'}",
                advice="If the system manages the environment, make an environment of your own with `python -m venv`.",
                details=answer.stderr,
            )


def _has_pip(python: str) -> bool:
    try:
        return ask([python, "-c", "import pip"], timeout=60).status == 0
    except (OSError, TimeoutError):
        return False
