"""``%pyo3_install`` in the kernel of a fresh environment, by the installer that is there, and the session after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.cargo,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("uv") is None and os.environ.get("CI") != "true", reason="uv is not installed"),
]
ROOT = Path(__file__).parents[2]
CELL = "//! Tripling.\npub fn triple(x: i64) -> i64 { 3 * x }\n"


@pytest.mark.kernel
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_next_session_imports_what_this_one_has_built(
    tool: Any, store: Path, environment: dict[str, str], tmp_path: Path, say: Callable[..., str]
) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    say(uv, "venv", "--quiet", "--python", sys.executable, *(["--seed"] if tool == "pip" else []), tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    say(uv, "pip", "install", "--quiet", "--python", python, f"{ROOT}[dist]", "ipykernel")
    inside = {name: value for name, value in environment.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    path = os.pathsep.join((str(Path(uv).parent), os.environ["PATH"]))
    kernel = Kernel(tmp_path / "work", {**inside, "PYO3MAGIC_STORE": str(store), "PATH": path}, python=str(python))
    try:
        assert kernel.run("import pyo3magic; pyo3magic.__file__").value.startswith(f"'{tmp_path}")  # type: ignore[union-attr]
        kernel.rust(CELL, "-m tripling")
        shown = kernel.run("%pyo3_install --version 3.0")
        assert "tripling 3.0 is installed. In the next session, `import tripling` imports it." in shown.text
        kernel.rust(CELL.replace("3 * x", "x * 3"), "-m tripling")
        kernel.run("%pyo3_install --version 3.0")
    finally:
        kernel.close()
    assert say(python, "-c", "import tripling; print(tripling.triple(14), tripling.__file__)").startswith(
        f"42 {tmp_path}"
    )
    listed = say(uv, "pip", "show", "--python", python, "tripling")
    assert "Version: 3.0" in listed
    has_pip = subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    assert has_pip == (tool == "pip")
