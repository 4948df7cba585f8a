"""Run a child process that can be interrupted: its output line by line, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Finished", "run"]

_GRACE = 0.5
"""Seconds between asking a child to end and killing it."""

Handler = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A child that ended.

    Attributes:
        status: its exit status; negative for the number of the signal that ended it.
        stdout: all it wrote to standard output.
        stderr: all it wrote to standard error.
    """

    status: int
    stdout: str
    stderr: str


def run(
    arguments: Sequence[str | Path],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    on_stdout: Handler | None = None,
    on_stderr: Handler | None = None,
    on_idle: Callable[[], None] | None = None,
    nice: int = 0,
    guarded: bool = False,
) -> Finished:
    """Start a program in a process group of its own and wait for it.

    On any exception, an interrupt included, the whole group is ended before the exception goes on.

    Args:
        arguments: the program and its arguments; no shell is involved.
        cwd: its working directory.
        environ: its environment.
        on_stdout: called with each line of standard output, as it comes.
        on_stderr: likewise for standard error; a carriage return ends a line too, as in progress bars.
        on_idle: called about ten times a second while nothing comes.
        nice: how much to lower its priority.
        guarded: end the program when this process is killed (Linux with util-linux; elsewhere without effect).

    Raises:
        OSError: the program cannot be started.
    """
    command = [str(argument) for argument in arguments]
    if guarded:
        command = _guard(command)
    child = subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=os.name == "posix",
    )
    try:
        if nice and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, nice)
        return _follow(child, on_stdout, on_stderr, on_idle)
    finally:
        _end(child)


def _follow(
    child: subprocess.Popen[bytes],
    on_stdout: Handler | None,
    on_stderr: Handler | None,
    on_idle: Callable[[], None] | None,
) -> Finished:
    lines: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
    readers = [
        threading.Thread(target=_read, args=(stream, index, lines), daemon=True)
        for index, stream in enumerate((child.stdout, child.stderr))
    ]
    for reader in readers:
        reader.start()
    kept: tuple[list[str], list[str]] = ([], [])
    handlers = (on_stdout, on_stderr)
    running = len(readers)
    while running:
        try:
            item = lines.get(timeout=0.1)
        except queue.Empty:
            if on_idle is not None:
                on_idle()
            continue
        if item is None:
            running -= 1
            continue
        index, line = item
        kept[index].append(line)
        handler = handlers[index]
        if handler is not None:
            handler(line)
    return Finished(child.wait(), "\n".join(kept[0]), "\n".join(kept[1]))


def _read(stream: IO[bytes] | None, index: int, lines: queue.SimpleQueue[tuple[int, str] | None]) -> None:
    assert stream is not None  # noqa: S101 - Popen was given PIPE
    rest = b""
    with contextlib.suppress(OSError, ValueError):
        while data := os.read(stream.fileno(), 65536):
            *complete, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
            for line in complete:
                lines.put((index, line.decode(errors="replace")))
    if rest:
        lines.put((index, rest.decode(errors="replace")))
    lines.put(None)


def _guard(command: list[str]) -> list[str]:
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else command


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        _signal(child, "SIGTERM")
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
        _signal(child, "SIGKILL")
        child.wait()
    elif child.returncode < 0:
        _signal(child, "SIGKILL")
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def _signal(child: subprocess.Popen[bytes], name: str) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, getattr(signal, name))
