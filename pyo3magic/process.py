"""Start other programs: the only module that does.

A program that is waited for can be interrupted, hands its output on as it comes, and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import errno
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

from .parallel import check_cancelled

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Background", "Finished", "ask", "run", "start_in_background", "stream"]

_log = logging.getLogger(__name__)

_GRACE = 0.5
"""Seconds between asking a child to end and killing it."""

_LINGER = 1.0
"""Seconds for which children of a program that has ended may hold its output open."""

_CHUNK = 65536
_CHUNKS = 64
"""How many chunks may wait to be handled; a program that writes faster is held up."""

Handler = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended and what it wrote.

    Attributes:
        status: the exit status; negative for the number of the signal that ended the program.
        stdout: everything on standard output.
        stderr: everything on standard error.
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


def ask(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    standard_input: bytes = b"",
    timeout: float,
    limit: int = 1 << 20,
) -> Finished:
    """Run a program that should print a little and end.

    Args:
        command: the program and its arguments; no shell is involved.
        environ: its environment; this process's own by default.
        directory: its working directory; this process's own by default.
        standard_input: what it can read.
        timeout: how many seconds it may take.
        limit: how many bytes it may print on each stream; a program that prints more is ended.

    Raises:
        OSError: the program cannot be started.
        TimeoutError: the program, or a child that holds its output, is still running after ``timeout`` seconds.
    """
    written = (bytearray(), bytearray())

    def keep(index: int, data: bytes) -> None:
        written[index].extend(data)
        if len(written[index]) > limit:
            raise _TooMuchError

    status = -signal.SIGTERM
    with contextlib.suppress(_TooMuchError):
        status = stream(
            command,
            cwd=directory or ".",
            environ=os.environ if environ is None else environ,
            on_output=keep,
            standard_input=standard_input,
            timeout=timeout,
        )
    stdout, stderr = (part[:limit].decode("utf-8", "replace") for part in written)
    return Finished(status, stdout, stderr)


class _TooMuchError(Exception):
    """A program printed more than was asked for."""


class Background:
    """A program that runs on its own while this process goes on; made by `start_in_background`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended yet."""
        return self._child.poll() is None

    def errors(self) -> bytes:
        """Wait for the end of the program, and return what it wrote to standard error, where that was kept."""
        return self._child.communicate()[1] or b""

    def terminate(self) -> None:
        """Ask the program to end (SIGTERM), without waiting for it."""
        if self.is_running:
            self._child.terminate()

    def end(self) -> None:
        """End the program and everything in its process group, by force if need be, and wait for it."""
        _end(self._child)


def start_in_background(
    arguments: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    keep_errors: bool = False,
    guarded: bool = False,
) -> Background:
    """Start a program in a process group of its own, which an interrupt in the notebook does not reach.

    Args:
        arguments: the program and its arguments; no shell is involved.
        environ: its environment; this process's own by default.
        keep_errors: keep what it writes to standard error for `Background.errors`; only for a program that writes
            little, since it is held up when nobody reads more than a pipe takes.
        guarded: end the program when this process is killed (Linux with util-linux; elsewhere without effect).

    Raises:
        OSError: the program cannot be started.
    """
    command = [str(argument) for argument in arguments]
    _log.debug("starts in the background: %s", _Line(command))
    return Background(
        subprocess.Popen(
            _guard(command) if guarded else command,
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if keep_errors else subprocess.DEVNULL,
            start_new_session=os.name == "posix",
        )
    )


def stream(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | str,
    environ: Mapping[str, str],
    on_output: Callable[[int, bytes], None],
    on_idle: Callable[[], None] | None = None,
    nice: int = 0,
    guarded: bool = False,
    standard_input: bytes = b"",
    timeout: float | None = None,
) -> int:
    """Run a program as `run` does, but hand its output on in pieces and keep none of it.

    Children that the program leaves running with its output open are ended with it.

    Args:
        arguments: the program and its arguments; no shell is involved.
        cwd: its working directory.
        environ: its environment.
        on_output: is called with 0 for standard output or 1 for standard error, and some bytes of it; a program that
            writes faster than this function returns is held up.
        on_idle: called about ten times a second while nothing comes.
        nice: how much to lower the program's priority.
        guarded: end the program when this process is killed (Linux with util-linux; elsewhere without effect).
        standard_input: what the program can read.
        timeout: how many seconds the program may take; without it, as long as it likes.

    Returns:
        The exit status; negative for the number of the signal that ended the program.

    Raises:
        OSError: the program cannot be started.
        TimeoutError: the program has not ended after ``timeout`` seconds.
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
        stdin=subprocess.PIPE if standard_input else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=os.name == "posix",
    )
    if standard_input:
        threading.Thread(target=_feed, args=(child.stdin, standard_input), daemon=True).start()
    stopped = threading.Event()
    try:
        if nice and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, nice)
        status = _follow(child, on_output, on_idle, stopped, timeout)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{command[0]} gave no answer within {timeout:g} seconds") from None
    finally:
        stopped.set()
        _end(child)
    _log.info("%s ended with status %d after %.3f s", arguments[0], status, time.monotonic() - started)
    return status


class _Line:
    """A command as a shell would take it; put together only when a log handler asks for the text."""

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
    try:
        for reader in readers:
            reader.start()
    except RuntimeError as error:
        raise BlockingIOError(errno.EAGAIN, "cannot start a thread") from error
    running = len(readers)
    ended = 0.0
    while running:
        check_cancelled()
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
    # A wait with a limit polls, which costs a millisecond.
    return child.wait(None if timeout is None else max(0.0, deadline - time.monotonic()))


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError, ValueError), stream:  # a program may end before it has read everything
        stream.write(data)


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
