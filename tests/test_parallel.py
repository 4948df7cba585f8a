"""Threads whose programs end when the caller is interrupted."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pyo3magic.parallel import CancelledError, check_cancelled, threads
from pyo3magic.process import run

if TYPE_CHECKING:
    from pathlib import Path


def test_results_come_back(tmp_path: Path) -> None:
    with threads(2) as others:
        first = others.start(run, [sys.executable, "-c", "print(1)"], cwd=tmp_path, environ=os.environ)
        second = others.start(sum, [1, 2, 3])
        assert second.result() == 6
    assert first.result().stdout == "1"
    check_cancelled()


def test_an_error_comes_back() -> None:
    with threads(1) as others:
        later = others.start(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        later.result()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_programs_end_with_the_block(tmp_path: Path, kind: type[BaseException]) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(kind), threads(1) as others:
        later = others.start(run, [sys.executable, "-c", code], cwd=tmp_path, environ=os.environ)
        waiting = others.start(run, [sys.executable, "-c", code], cwd=tmp_path, environ=os.environ)
        while not (mark.exists() and mark.read_text()):
            time.sleep(0.01)
        raise kind
    with pytest.raises(CancelledError):
        later.result()
    assert waiting.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
