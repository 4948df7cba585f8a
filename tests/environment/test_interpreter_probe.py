from __future__ import annotations

import ast
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.interpreter_probe import probe_source
from pyo3magic.errors import InterpreterError

from .samples import CURRENT

posix = pytest.mark.skipif(os.name == "nt", reason="uses sh")


def _normal(interpreter: Interpreter) -> Interpreter:
    """Python keeps ``..`` in sys.executable if it was started by a relative path, and drops it after an absolute one."""
    return dataclasses.replace(interpreter, executable=os.path.normpath(interpreter.executable))


def test_probing_this_python_finds_the_same() -> None:
    assert _normal(Interpreter.probe(sys.executable)) == _normal(CURRENT)


def test_environments_of_one_python_share_everything_that_decides_a_build(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", symlinks=os.name != "nt")
    folder = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    found = Interpreter.probe(folder / "python")
    assert found.executable != CURRENT.executable
    assert found.is_abi_equal(CURRENT)
    assert (found.digest, found.pyo3_config()) == (CURRENT.digest, CURRENT.pyo3_config())


def test_probe_finds_a_name_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert Interpreter.probe(Path(sys.executable).name).is_abi_equal(CURRENT)


def _script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@posix
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo hello", "printed 'hello'"),
        ("exit 0", "printed ''"),
        ("echo '[1, 2]'", "is not Python: asked for its facts"),
        ("echo '{}'", "lacks 'implementation'"),
        ("echo broken >&2; exit 3", "ended with code 3 and said: broken"),
        ("yes", "is not a working Python"),
        ("printf 'old 3.6.1'", r"Python 3\.6\.1, which is too old"),
        ("echo 'Unknown option: -I' >&2; exit 2", "Python 2, which is too old"),
        ("sleep 60", "did not answer within"),
    ],
)
def test_probe_of_something_else(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InterpreterError, match=message) as caught:
        Interpreter.probe(_script(tmp_path, text), timeout=0.5)
    assert caught.value.advice


@posix
def test_probe_of_what_cannot_be_started(tmp_path: Path) -> None:
    plain, broken = tmp_path / "plain", tmp_path / "broken"
    plain.write_text("")
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    cases: dict[str | Path, str] = {
        tmp_path: "is a folder",
        tmp_path / "none": "does not exist",
        plain: "is not executable",
        broken: "cannot be started",
        "no-such-python": "no Python called 'no-such-python' on PATH",
    }
    for path, message in cases.items():
        with pytest.raises(InterpreterError, match=message):
            Interpreter.probe(path)


def test_probe_runs_on_every_python_at_hand() -> None:
    found = {path for minor in range(7, 16) if (path := shutil.which(f"python3.{minor}"))}
    for path in found:
        try:
            interpreter = Interpreter.probe(path)
        except InterpreterError as error:  # noqa: PERF203  # a version manager's shim for a Python that is not chosen
            assert "is not a working Python" in error.message  # noqa: PT017
        else:
            assert Path(path).name.endswith(f"{interpreter.version[1]}")


def test_probe_source_is_self_contained() -> None:
    ast.parse(probe_source(), feature_version=(3, 8))
    printed = subprocess.check_output([sys.executable, "-I", "-S", "-c", probe_source()])
    assert _normal(Interpreter.from_facts(json.loads(printed))) == _normal(CURRENT)


def test_probe_does_not_wait_longer_than_asked(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("uses sh")
    start = time.monotonic()
    with pytest.raises(InterpreterError):
        Interpreter.probe(_script(tmp_path, "sleep 60 & sleep 60"), timeout=0.2)
    assert time.monotonic() - start < 5
