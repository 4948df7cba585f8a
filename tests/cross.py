"""What builds for other machines need: the toolchain and the Pythons that ``.ci/cross`` sets up."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyo3magic.store import Artifact

AARCH64, ARMV7 = "aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"
PYTHONS = {AARCH64: "PYO3MAGIC_CROSS_PYTHON_AARCH64", ARMV7: "PYO3MAGIC_CROSS_PYTHON_ARMV7"}


@pytest.fixture
def cross(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``.ci/cross`` has filled, with its compilers in the environment."""
    if not os.environ.get("PYO3MAGIC_CROSS"):
        assert os.environ.get("CI") != "true", "CI must run .ci/cross and source the env.sh it writes"
        pytest.skip("PYO3MAGIC_CROSS is not set: run .ci/cross, then source the env.sh it writes")
    folder = Path(os.environ["PYO3MAGIC_CROSS"])
    monkeypatch.setenv("RUSTC", os.environ["PYO3MAGIC_CROSS_RUSTC"])
    monkeypatch.setenv("PATH", f"{folder}/bin", prepend=os.pathsep)
    monkeypatch.setenv("PYO3_CROSS_PYTHON_VERSION", "3.11")
    return folder


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    made = Session(Store(store))
    yield made
    made.close()


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[[Artifact, str, str], str]:
    """Imports an artifact with the Python of its target, under qemu, and returns what an expression gives there."""

    def evaluate(artifact: Artifact, triple: str, expression: str) -> str:
        folder = tmp_path / artifact.digest[:8]
        folder.mkdir()
        (folder / artifact.file.name).write_bytes(artifact.file.read_bytes())
        code = f"import {artifact.module}; print(({expression}))"
        command = [os.environ[PYTHONS[triple]], "-c", code]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return evaluate
