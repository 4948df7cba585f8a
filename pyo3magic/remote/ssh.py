"""Kernels behind ssh: the connection file is fetched, and the ports tunnelled, by the user's own ssh."""

from __future__ import annotations

import atexit
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .target import TargetRefusedError, TargetUnreachableError, plain_text
from .wire import ZmqWire, parse_connection_info, read_connection_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .target import Deadline

__all__ = ["SshWire", "Tunnel", "command", "connect", "fetch_connection_file"]

_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_OPTIONS = ("BatchMode=yes", "ExitOnForwardFailure=yes", "ServerAliveInterval=10", "ServerAliveCountMax=3")
_SOCKET_PATH_LIMIT = 100
_ADVICE = "Check that `ssh {} true` works without asking anything (a key or an agent), and that the kernel runs there."


def connect(server: str, connection_file: str, deadline: Deadline, *, options: tuple[str, ...] = ()) -> SshWire:
    """A wire to a kernel on another machine.

    Args:
        server: ``USER@HOST``, ``HOST``, or a name from the user's ssh configuration.
        connection_file: the kernel's connection file: here, or else there.
        deadline: when the tunnel must stand.
        options: more arguments for ssh.

    Raises:
        TargetUnreachableError: there is no such file, no ssh, or no such server.
        TargetRefusedError: the server does not let us in.
    """
    local = Path(connection_file).expanduser()
    if local.exists():
        info = read_connection_file(local)
    else:
        info = fetch_connection_file(server, connection_file, deadline, options=options)
    return SshWire(Tunnel(server, info, deadline, options=options), server)


def fetch_connection_file(
    server: str, path: str, deadline: Deadline, *, options: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What a connection file on the server says, checked.

    Raises:
        TargetUnreachableError: it is not there, or is none.
        TargetRefusedError: the server does not let us in.
    """
    text = _run(server, f"cat -- {_remote_path(path)}", deadline, options)
    return parse_connection_info(text, f"{plain_text(path, 200)} on {server}")


def command(server: str, *rest: str, options: tuple[str, ...] = ()) -> list[str]:
    """The ssh command line: never asks anything, and takes the server's name for nothing but that.

    Raises:
        TargetUnreachableError: ssh is not installed, or ``server`` is no server's name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.:%@\[\]+-]{1,255}", server) or server.startswith("-"):
        raise TargetUnreachableError(f"{plain_text(server, 80)!r} is not USER@HOST.", advice="Give --ssh USER@HOST.")
    program = shutil.which("ssh")
    if program is None:
        raise TargetUnreachableError("There is no ssh on PATH.", advice="Install OpenSSH's client.")
    return [program, "-T", *(part for option in _OPTIONS for part in ("-o", option)), *options, *rest, "--", server]


class Tunnel:
    """One ssh process that carries a kernel's five channels to sockets in a private folder, until it is closed.

    Sockets in a folder, unlike ports, cannot be taken or used by other users of this machine.
    """

    def __init__(
        self, server: str, info: Mapping[str, Any], deadline: Deadline, *, options: tuple[str, ...] = ()
    ) -> None:
        if info["transport"] != "tcp":
            raise TargetUnreachableError(
                f"The kernel on {server} does not listen on ports.", advice="Start it with the transport 'tcp'."
            )
        host = "127.0.0.1" if info["ip"] in {"0.0.0.0", "*", "::", ""} else info["ip"]  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host):
            raise TargetUnreachableError(
                f"{plain_text(host, 80)!r} is no address.", advice="Check the connection file's 'ip'."
            )
        self._folder = tempfile.mkdtemp(prefix="pyo3magic-")
        base = f"{self._folder}/k"
        if len(base) > _SOCKET_PATH_LIMIT:
            shutil.rmtree(self._folder)
            self._folder = tempfile.mkdtemp(prefix="pyo3magic-", dir="/tmp")
            base = f"{self._folder}/k"
        forwards = [
            part
            for number, channel in enumerate(_CHANNELS, 1)
            for part in ("-L", f"{base}-{number}:{host}:{info[f'{channel}_port']}")
        ]
        ports = {f"{channel}_port": number for number, channel in enumerate(_CHANNELS, 1)}
        self.info = {**info, **ports, "transport": "ipc", "ip": base}
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        try:
            self._process = subprocess.Popen(
                command(server, "-N", *forwards, options=options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # an interrupt in the notebook is not for it
            )
            self._await([Path(f"{base}-{number}") for number in ports.values()], server, deadline)
        except BaseException:
            self.close()
            raise

    def _await(self, sockets: Sequence[Path], server: str, deadline: Deadline) -> None:
        # ssh makes them once the server has let it in.
        while not all(socket.exists() for socket in sockets):
            if self._process is not None and self._process.poll() is not None:
                _, said = self._process.communicate()
                raise _failure(server, said)
            if deadline.left() <= 0:
                raise TargetUnreachableError(f"ssh to {server} took too long.", advice=_ADVICE.format(server))
            time.sleep(0.02)

    def close(self) -> None:
        """Ends ssh and removes the folder; at exit at the latest."""
        atexit.unregister(self.close)
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stderr:
                self._process.stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class SshWire(ZmqWire):
    """A `ZmqWire` through a tunnel, which ends with it."""

    def __init__(self, tunnel: Tunnel, server: str) -> None:
        self._tunnel = tunnel
        super().__init__(tunnel.info, f"ssh {server}")

    def close(self) -> None:
        """Closes the sockets, then the tunnel."""
        super().close()
        self._tunnel.close()


def _remote_path(path: str) -> str:
    # The shell there expands a leading ~, and nothing else.
    home, slash, rest = path.partition("/")
    return f"{home}/{shlex.quote(rest)}" if home == "~" and slash else shlex.quote(path)


def _run(server: str, line: str, deadline: Deadline, options: tuple[str, ...]) -> bytes:
    try:
        done = subprocess.run(
            [*command(server, options=options), line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(0.1, deadline.left()),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TargetUnreachableError(f"ssh to {server} took too long.", advice=_ADVICE.format(server)) from None
    if done.returncode:
        raise _failure(server, done.stderr)
    return done.stdout


def _failure(server: str, said: bytes) -> TargetUnreachableError | TargetRefusedError:
    text = plain_text(said.decode(errors="replace").strip().replace("\r", ""), 300)
    kind = TargetRefusedError if "denied" in text or "verification failed" in text else TargetUnreachableError
    return kind(f"ssh to {server} failed: {text or 'it said nothing'}", advice=_ADVICE.format(server))
