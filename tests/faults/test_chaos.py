"""A short run of `make chaos`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cargo, pytest.mark.kernel, pytest.mark.slow]

_CHAOS = Path(__file__).parents[2] / "tools" / "chaos.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has run on Linux only")
def test_half_a_minute_of_chaos(environment: dict[str, str], small_store: Path) -> None:
    command = [
        sys.executable,
        str(_CHAOS),
        "--minutes",
        "0.5",
        "--seed",
        "3",
        "--kernels",
        "2",
        "--store",
        str(small_store),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| right |" in done.stdout
