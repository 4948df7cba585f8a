"""Magics that are made at their first use."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pyo3magic.notebook.lazy import unwrapped


def test_loading_imports_none_of_them() -> None:
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()\n"
        "import pyo3magic; pyo3magic.load_ipython_extension(shell)\n"
        "print([name for name in sys.modules if name.startswith('pyo3magic.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'pyo3magic.notebook.rust_magic'" in done.stdout
    assert "_magics'" not in done.stdout


@pytest.mark.parametrize("name", ["pyo3_info", "rust_expand", "pyo3_wheel", "pyo3_connect"])
def test_help_is_that_of_the_magic_itself(plain: Any, name: str) -> None:
    found = plain.inspector.info(plain.find_line_magic(name), name)
    assert f"%{name}" in found["docstring"] or "cell" in found["docstring"]
    assert type(unwrapped(plain.find_line_magic(name))).__name__ == "method"


def test_what_a_shell_asks_of_a_magic_is_answered_by_it(plain: Any) -> None:
    late = plain.magics_manager.magics["cell"]["rust_on"]
    assert late._ipython_magic_no_var_expand is True
    assert unwrapped(late).__self__.__class__.__name__ == "TargetMagics"
    assert unwrapped(len) is len


def test_those_that_say_they_are_there_are(plain: Any) -> None:
    extension = plain._pyo3magic
    for room in extension._rooms.values():
        magics = room.made().magics
        assert set(magics["line"]) == set(room._class.lines)
        assert set(magics["cell"]) == set(room._class.cells)
