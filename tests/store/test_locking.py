"""Locks between processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pyo3magic.errors import StoreError
from pyo3magic.store.locking import Presence, exclusive, is_locked

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from pyo3magic.store.locking import Presence, exclusive
if sys.argv[1] == "presence":
    held = Presence(Path(sys.argv[2]))
    print("held", flush=True)
    time.sleep(60)
with exclusive(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(kind: str, path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLDER, kind, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


@pytest.mark.parametrize("kind", ["lock", "presence"])
def test_a_killed_holder_blocks_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    with holder(kind, path) as child:
        assert is_locked(path)
        child.kill()
        child.wait()
        assert not is_locked(path)
        with exclusive(path):
            pass


def test_who_waits_says_so_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    waits: list[float] = []
    with holder("lock", path) as child:

        def waiting() -> None:
            waits.append(time.monotonic())
            if len(waits) == 3:
                child.kill()

        with exclusive(path, waiting=waiting, poll=0.01):
            assert len(waits) >= 3


def test_waiting_can_be_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def interrupt() -> None:
        raise KeyboardInterrupt

    with holder("lock", path) as child:
        with pytest.raises(KeyboardInterrupt), exclusive(path, waiting=interrupt):
            raise AssertionError
        child.kill()
        child.wait()
        assert not is_locked(path)


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with exclusive(tmp_path / "lock", poll=0.001):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_it_is_released_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), exclusive(path):
        assert is_locked(path)
        raise ZeroDivisionError
    assert not is_locked(path)


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match=r"cannot be locked: [A-Z][a-z ]+\."),
        exclusive(tmp_path / "file" / "lock"),
    ):
        raise AssertionError


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_presence_is_released(tmp_path: Path) -> None:
    presence = Presence(tmp_path / "alive")
    with pytest.raises(OSError):
        Presence(tmp_path / "alive")
    presence.release()
    Presence(tmp_path / "alive").release()


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
def test_lock_files_are_private(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    (tmp_path / "lock").chmod(0o640)
    assert not is_locked(tmp_path / "lock")
    with exclusive(tmp_path / "lock"):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
