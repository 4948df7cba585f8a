"""Kernels behind ssh: the user's own ssh fetches the connection file and tunnels the kernel's ports."""

from __future__ import annotations

import atexit
import contextlib
import re
import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic import process
from pyo3magic.user_paths import user_path

from .target import TargetRefusedError, TargetUnreachableError, plain_text
from .wire import ZmqWire, parse_connection_info, read_connection_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .target import Deadline

__all__ = ["SshWire", "command", "connect", "fetch_connection_file"]

_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_OPTIONS = ("-oBatchMode=yes", "-oExitOnForwardFailure=yes", "-oServerAliveInterval=10", "-oServerAliveCountMax=3")
_SOCKET_PATH_LIMIT = 100
_ADVICE = "Check that `ssh {} true` works asks for nothing (use a key or an agent), and that the kernel runs there."


def connect(server: str, connection_file: str, deadline: Deadline, *, options: tuple[str, ...] = ()) -> SshWire:
    """Connect to a kernel on another machine.

    Args:
        server: ``USER@HOST``, ``HOST``, or a name from the user's ssh configuration.
        connection_file: path of the kernel's connection file, on this machine or else on the server.
        deadline: when the tunnel must stand.
        options: more arguments for ssh.

    Raises:
        TargetUnreachableError: the file, ssh or the server cannot be found.
        TargetRefusedError: the server does not let this user in.
    """
    local = user_path(connection_file, "The path of the connection file")
    if local.exists():
        info = read_connection_file(local)
    else:
        info = fetch_connection_file(server, connection_file, deadline, options=options)
    return SshWire(server, info, deadline, options=options)


def fetch_connection_file(
    server: str, path: str, deadline: Deadline, *, options: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The checked content of a connection file on the server, as `wire.parse_connection_info` returns it.

    Raises:
        TargetUnreachableError: the file does not exist there, or is not a connection file.
        TargetRefusedError: the server does not let this user in.
    """
    line = [*command(server, options=options), f"cat -- {_remote_path(path)}"]
    try:
        done = process.ask(line, timeout=max(0.1, deadline.left()))
    except TimeoutError:
        raise _too_slow(server) from None
    if done.status:
        raise _failure(server, done.stderr)
    return parse_connection_info(done.stdout.encode(), f"{plain_text(path, 200)} on {server}")


def command(server: str, *rest: str, options: tuple[str, ...] = ()) -> list[str]:
    """An ssh command line that never asks for anything, and in which ``server`` can only be a server's name.

    Args:
        server: ``USER@HOST`` or ``HOST``.
        rest: arguments that stand before the server.
        options: arguments that stand before ``rest``.

    Raises:
        TargetUnreachableError: ssh is not installed, or ``server`` is not a server's name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.:%@\[\]+-]{1,255}", server) or server.startswith("-"):
        raise TargetUnreachableError(f"{plain_text(server, 80)!r} is not USER@HOST.", advice="Give --ssh USER@HOST.")
    program = shutil.which("ssh")
    if program is None:
        raise TargetUnreachableError("There is no ssh on PATH.", advice="Install OpenSSH's client.")
    return [program, "-T", *_OPTIONS, *options, *rest, "--", server]


class SshWire(ZmqWire):
    """A `ZmqWire` through an ssh process, which ends with the wire.

    ssh forwards the kernel's five channels to sockets in a private folder: unlike ports, other users of this machine
    cannot take or use them.

    Args:
        server: ``USER@HOST``.
        info: the kernel's connection file, as `wire.parse_connection_info` returns it.
        deadline: when the tunnel must stand.
        options: more arguments for ssh.

    Raises:
        TargetUnreachableError: the kernel does not listen on ports, or the tunnel cannot be made.
        TargetRefusedError: the server does not let this user in.
    """

    def __init__(
        self, server: str, info: Mapping[str, Any], deadline: Deadline, *, options: tuple[str, ...] = ()
    ) -> None:
        host = _host(server, info)
        self._tunnel = contextlib.ExitStack()
        atexit.register(self._tunnel.close)
        try:
            base = f"{self._tunnel.enter_context(_private_folder())}/k"
            sockets = {f"{channel}_port": number for number, channel in enumerate(_CHANNELS, 1)}
            forwards = [f"-L{base}-{number}:{host}:{info[port]}" for port, number in sockets.items()]
            line = command(server, "-N", *forwards, options=options)
            self.ssh = process.start_in_background(line, keep_errors=True, guarded=True)
            self._tunnel.callback(self.ssh.end)
            _await(self.ssh, [Path(f"{base}-{number}") for number in sockets.values()], server, deadline)
            super().__init__({**info, **sockets, "transport": "ipc", "ip": base}, f"ssh {server}")
        except BaseException:
            self._end_tunnel()
            raise

    def close(self) -> None:
        """Close the sockets and end ssh; may be called twice."""
        super().close()
        self._end_tunnel()

    def _end_tunnel(self) -> None:
        atexit.unregister(self._tunnel.close)
        self._tunnel.close()


def _await(ssh: process.Background, sockets: Sequence[Path], server: str, deadline: Deadline) -> None:
    # ssh makes the sockets once the server has let it in.
    while not all(socket.exists() for socket in sockets):
        if not ssh.is_running:
            raise _failure(server, ssh.errors().decode(errors="replace"))
        if deadline.left() <= 0:
            raise _too_slow(server)
        time.sleep(0.02)


def _host(server: str, info: Mapping[str, Any]) -> str:
    """The address at which the kernel listens, as seen from the server."""
    if info["transport"] != "tcp":
        raise TargetUnreachableError(
            f"The kernel on {server} does not listen on ports.", advice="Start it with the transport 'tcp'."
        )
    host = "127.0.0.1" if info["ip"] in {"0.0.0.0", "*", "::", ""} else info["ip"]  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host):
        raise TargetUnreachableError(
            f"{plain_text(host, 80)!r} is not an address.", advice="Check the connection file's 'ip'."
        )
    return host


def _private_folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder whose path leaves room for a socket's name, for which the system allows about 100 bytes."""
    usual = tempfile.gettempdir()
    parent = usual if len(usual) < _SOCKET_PATH_LIMIT - 30 else "/tmp"  # noqa: S108 - the folder's name is random
    return tempfile.TemporaryDirectory(prefix="pyo3magic-", dir=parent)


def _remote_path(path: str) -> str:
    # The shell there expands a leading ~, and nothing else.
    home, slash, rest = path.partition("/")
    return f"{home}/{shlex.quote(rest)}" if home == "~" and slash else shlex.quote(path)


def _too_slow(server: str) -> TargetUnreachableError:
    return TargetUnreachableError(f"ssh to {server} took too long.", advice=_ADVICE.format(server))


def _failure(server: str, said: str) -> TargetUnreachableError | TargetRefusedError:
    text = plain_text(said.strip().replace("\r", ""), 300)
    kind = TargetRefusedError if "denied" in text or "verification failed" in text else TargetUnreachableError
    return kind(f"ssh to {server} failed: {text or 'no output'}", advice=_ADVICE.format(server))
