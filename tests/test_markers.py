"""A test without the marker starts neither cargo nor a kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "marker"),
    [
        (["cargo", "build", "--release"], "cargo"),
        ([sys.executable, "-m", "ipykernel_launcher", "-f", "connection.json"], "kernel"),
        ([sys.executable, "-m", "jupyter_server"], "kernel"),
    ],
)
def test_an_unmarked_test_cannot_start(command: list[str], marker: str) -> None:
    with pytest.raises(AssertionError, match=rf"pytest\.mark\.{marker}"):
        subprocess.Popen(command)


def test_other_programs_start() -> None:
    assert subprocess.check_output([sys.executable, "-c", "print(1)"]).strip() == b"1"
