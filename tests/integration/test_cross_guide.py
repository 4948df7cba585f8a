"""The example of PyO3's guide, taken from the document and run: an armv7 board with a root file system."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cross import ARMV7, PYTHONS
from tests.integration.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.cargo, pytest.mark.slow]

_DOCUMENT = Path(__file__).parents[2] / "docs" / "cross-compiling.md"
_SYSROOT = "/home/pyo3/cross/sysroot"


@pytest.fixture
def blocks(cross: Path) -> dict[str, str]:
    """The section's blocks by language, with the folder that is there in place of the guide's."""
    section = _DOCUMENT.read_text().partition("## The PyO3 guide's example")[2].partition("\n## ")[0]
    found = dict(re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL))
    assert set(found) == {"sh", "rust", "python"}
    assert all(_SYSROOT in found[language] for language in ("sh", "python"))
    return {language: text.replace(_SYSROOT, str(cross / "arm")) for language, text in found.items()}


@pytest.fixture
def start(cross: Path, tmp_path: Path, environment: dict[str, str], store: Path) -> Iterator[Callable[..., Kernel]]:
    kernels: list[Kernel] = []

    def starter(**more: str) -> Kernel:
        toolchain = {name: os.environ[name] for name in ("RUSTC", "PATH")}
        own = {"PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
        kernels.append(Kernel(tmp_path / f"kernel{len(kernels)}", {**environment, **toolchain, **own, **more}))
        return kernels[-1]

    yield starter
    for kernel in kernels:
        kernel.close()


def imported(kernel: Kernel) -> str:
    """What the board's Python says when it imports what the last cell built."""
    path = Path(kernel.value("str(_.path)"))
    assert path.name == "board.cpython-311-arm-linux-gnueabihf.so"
    command = [os.environ[PYTHONS[ARMV7]], "-c", "import board; print(board.machine())"]
    variables = {**os.environ, "PYTHONPATH": str(path.parent)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_from_the_shell_lines_of_2019(blocks: dict[str, str], start: Callable[..., Kernel]) -> None:
    lines = blocks["sh"].replace(f"cargo build --target {ARMV7}", "env -0")
    done = subprocess.run(["/bin/sh", "-ec", lines], env={}, capture_output=True, text=True, check=True)
    shell = dict(line.split("=", 1) for line in done.stdout.split("\0") if line.startswith("PYO3_"))
    assert len(shell) == 2
    kernel = start(**shell)
    shown = kernel.run(blocks["rust"], timeout=600)
    assert "PYO3_CROSS_INCLUDE_DIR is no longer needed" in shown.text
    assert imported(kernel) == "arm"


def test_in_a_notebook(blocks: dict[str, str], start: Callable[..., Kernel]) -> None:
    kernel = start()
    kernel.run(blocks["python"])
    shown = kernel.run(blocks["rust"], timeout=600)
    assert "PYO3_CROSS" not in shown.text  # no remark about any variable
    assert imported(kernel) == "arm"
