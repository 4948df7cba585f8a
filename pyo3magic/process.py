"""Run a child process that can be interrupted: its output as it comes, and nothing left behind."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Answer", "Finished", "ask", "run", "stream"]

_log = logging.getLogger(__name__)

_GRACE = 0.5
"""Seconds between asking a child to end and killing it."""

_LINGER = 1.0
"""Seconds a child that has ended may leave its output open, to others that it started."""

_CHUNK = 65536
_CHUNKS = 64
"""How many chunks may wait to be handled; a child that writes faster has to wait, too."""

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
    kept: tuple[list[str], list[str]] = ([], [])
    handlers = (on_stdout, on_stderr)
    rests = [b"", b""]

    def take(index: int, line: bytes) -> None:
        text = line.decode(errors="replace")
        kept[index].append(text)
        handler = handlers[index]
        if handler is not None:
            handler(text)

    def split(index: int, data: bytes) -> None:
        *lines, rests[index] = (rests[index] + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            take(index, line)

    status = stream(arguments, cwd=cwd, environ=environ, on_output=split, on_idle=on_idle, nice=nice, guarded=guarded)
    for index, rest in enumerate(rests):
        if rest:
            take(index, rest)
    return Finished(status, "\n".join(kept[0]), "\n".join(kept[1]))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a short program printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def ask(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout: float,
    limit: int = 1 << 20,
) -> Answer:
    """Run a program that should print a little and end.

    A program that prints more than ``limit`` bytes on one stream is ended, and so is one that takes too long.

    Raises:
        OSError: when it cannot be started.
        TimeoutError: when it, or a child that holds its output, is still there after ``timeout`` seconds.
    """
    kept = [bytearray(), bytearray()]

    def keep(index: int, data: bytes) -> None:
        kept[index] += data
        if len(kept[index]) > limit:
            raise _TooMuchError

    status = -signal.SIGTERM
    variables = os.environ if environ is None else environ
    try:
        status = stream(command, cwd=directory or ".", environ=variables, on_output=keep, timeout=timeout)
    except _TooMuchError:
        pass
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{command[0]} gave no answer within {timeout:g} seconds") from None
    stdout, stderr = (part[:limit].decode("utf-8", "replace") for part in kept)
    return Answer(status, stdout, stderr)


class _TooMuchError(Exception):
    """A program printed more than was asked for."""


def stream(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | str,
    environ: Mapping[str, str],
    on_output: Callable[[int, bytes], None],
    on_idle: Callable[[], None] | None = None,
    nice: int = 0,
    guarded: bool = False,
    timeout: float | None = None,
) -> int:
    """Likewise, but keep nothing: `on_output` gets what was written, and 0 for standard output or 1 for standard error.

    A program that writes faster than `on_output` takes it is held up. What it has started and left running with its
    output open is ended with it.

    Returns:
        The exit status; negative for the number of the signal that ended the program.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it has not ended after ``timeout`` seconds.
    """
    command = [str(argument) for argument in arguments]
    _log.debug("starts %s", _Line(command))
    started = time.monotonic()
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
    stopped = threading.Event()
    try:
        if nice and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, nice)
        status = _follow(child, on_output, on_idle, stopped, timeout)
        _log.info("%s ended with status %d after %.3f s", arguments[0], status, time.monotonic() - started)
        return status
    finally:
        stopped.set()
        _end(child)


class _Line:
    """A command as a shell would take it; put together only where a handler of the log wants it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def __str__(self) -> str:
        return shlex.join(self._command)


def _follow(
    child: subprocess.Popen[bytes],
    on_output: Callable[[int, bytes], None],
    on_idle: Callable[[], None] | None,
    stopped: threading.Event,
    timeout: float | None,
) -> int:
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    chunks: queue.Queue[tuple[int, bytes]] = queue.Queue(_CHUNKS)
    readers = [
        threading.Thread(target=_read, args=(stream, index, chunks, stopped), daemon=True)
        for index, stream in enumerate((child.stdout, child.stderr))
    ]
    for reader in readers:
        reader.start()
    running = len(readers)
    ended = 0.0
    while running:
        if timeout is not None and time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(child.args, timeout)
        try:
            index, data = chunks.get(timeout=0.1)
        except queue.Empty:
            if on_idle is not None:
                on_idle()
            if child.poll() is not None:
                ended = ended or time.monotonic()
                if time.monotonic() - ended > _LINGER:
                    _signal(child, "SIGKILL")
                    break
            continue
        if data:
            on_output(index, data)
        else:
            running -= 1
    # Waiting for no longer than a time means to look again and again, which costs a millisecond.
    return child.wait(None if timeout is None else max(0.0, deadline - time.monotonic()))


def _read(
    stream: IO[bytes] | None, index: int, chunks: queue.Queue[tuple[int, bytes]], stopped: threading.Event
) -> None:
    """Pass on chunks until the end of the stream, which is an empty one."""
    assert stream is not None  # noqa: S101 - Popen was given PIPE
    data = b" "
    while data and not stopped.is_set():
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except (OSError, ValueError):
            data = b""
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                chunks.put((index, data), timeout=0.1)
                break


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
