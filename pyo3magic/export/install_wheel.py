"""A wheel into an environment, by pip or uv, whichever there is."""

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
    """The command that installs into the environment of a Python: its own pip, else uv.

    Raises:
        ToolchainError: there is neither.
    """
    own = python == sys.executable
    has_pip = importlib.util.find_spec("pip") is not None if own else _has_pip(python)
    if has_pip:
        return [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv:
        return [uv, "pip", "install", "--python", python, "--quiet"]
    raise ToolchainError(
        "There is neither pip nor uv to install the wheel with.",
        advice=f"Run `{python} -m ensurepip`, or install uv.",
    )


def install_wheel(wheel: Path, environ: Mapping[str, str], *, python: str = sys.executable) -> None:
    """Install a wheel, in the place of an earlier one of the same name and version.

    Args:
        wheel: the wheel.
        environ: the environment of this process.
        python: the Python whose environment it goes into; the running one by default.

    Raises:
        BuildError: pip or uv refuses; what it said is in the message.
        ToolchainError: there is neither.
    """
    command = installer(python, environ)
    again = "--reinstall-package" if command[0] != python else "--force-reinstall"
    name = wheel.name.split("-")[0].replace("_", "-")
    # What it depends on first, so that only the wheel itself is installed anew.
    steps = [[*command, str(wheel)]]
    steps.append([*command, again, *([name] if again == "--reinstall-package" else []), "--no-deps", str(wheel)])
    for step in steps:
        answer = ask(step, environ=environ, timeout=_TIMEOUT)
        if answer.status != 0:
            lines = [line for line in (answer.stderr or answer.stdout).strip().splitlines() if line.strip()]
            raise BuildError(
                f"{wheel.name} cannot be installed: {lines[-1] if lines else 'the installer said nothing'}",
                advice="If the environment is managed by the system, make one of your own with `python -m venv`.",
                details=answer.stderr,
            )


def _has_pip(python: str) -> bool:
    try:
        return ask([python, "-c", "import pip"], timeout=60).status == 0
    except (OSError, TimeoutError):
        return False
