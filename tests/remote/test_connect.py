"""What a user may write, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.connect import connect
from pyo3magic.remote.target import Deadline, TargetUnreachableError

if TYPE_CHECKING:
    from .conftest import RunningKernel


def test_by_connection_file(kernel: RunningKernel) -> None:
    remote = connect(str(kernel.connection_file), Deadline.after(5))
    try:
        assert remote.probe(Deadline.after(60))[0].is_abi_equal(Interpreter.current())
        assert remote.describe(Deadline.after(5)).kind == "kernel"
    finally:
        remote.close()


def test_by_name_among_the_runtime_files(kernel: RunningKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(kernel.connection_file.parent))
    monkeypatch.chdir("/")
    remote = connect("kernel.json", Deadline.after(5))
    try:
        assert remote.probe(Deadline.after(60))
    finally:
        remote.close()


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("/nowhere/kernel.json", {}, "There is no connection file"),
        (str(Path(__file__)), {}, "is not a kernel's connection file"),
        ("/nowhere/kernel.json", {"token": "x"}, "is not a Jupyter server's URL"),
        ("http://127.0.0.1:1", {}, "needs --kernel with an id or a name"),
        ("http://127.0.0.1:1", {"kernel": "python3", "ssh": "host"}, "cannot be combined with --ssh"),
        ("http://127.0.0.1:1", {"kernel": "python3"}, "cannot be reached"),
    ],
)
def test_what_makes_no_sense(address: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TargetUnreachableError, match=message):
        connect(address, Deadline.after(2), **options)
