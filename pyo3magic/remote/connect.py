"""Connect to the kernel that a user names after ``%pyo3_connect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.user_paths import user_path

from .target import TargetUnreachableError, plain_text

if TYPE_CHECKING:
    from .kernel import RemoteKernel
    from .target import Deadline

__all__ = ["connect"]


def connect(
    address: str, deadline: Deadline, *, ssh: str = "", token: str = "", kernel: str = "", start: bool = False
) -> RemoteKernel:
    """Connect to a kernel; `RemoteKernel.probe` then finds out whether it answers.

    Args:
        address: a connection file (a path, or a pattern among Jupyter's runtime files), or a server's URL.
        deadline: when the connection must stand.
        ssh: ``USER@HOST`` for a kernel behind ssh; else empty.
        token: the Jupyter server's.
        kernel: id or name of the server's kernel.
        start: whether the server starts a kernel of that name if no such kernel runs.

    Raises:
        TargetError: the kernel cannot be connected to.
    """
    if address.startswith(("http://", "https://")):
        if ssh or not kernel:
            raise TargetUnreachableError(
                "A Jupyter server's URL needs --kernel with an id or a name, and cannot be combined with --ssh.",
                advice="Give the id or name of one of its kernels, such as python3.",
            )
        from .jupyter_server import JupyterServer
        from .kernel import RemoteKernel
        from .websocket_wire import WebSocketWire

        server = JupyterServer(address, token)
        return RemoteKernel(WebSocketWire(server, server.find(kernel, deadline, start=start), deadline), kind="server")
    if token or kernel or start:
        raise TargetUnreachableError(
            f"{plain_text(address, 80)!r} is not a Jupyter server's URL: --token, --kernel and --start need one.",
            advice="Give the server's URL, or a connection file alone.",
        )
    from .kernel import RemoteKernel

    if ssh:
        from .ssh import connect as connect_by_ssh

        return RemoteKernel(connect_by_ssh(ssh, address, deadline), kind="ssh")
    from .wire import ZmqWire, read_connection_file

    return RemoteKernel(ZmqWire(read_connection_file(_found(address))))


def _found(address: str) -> Path:
    path = user_path(address, "The path of the connection file")
    if path.exists():
        return path
    from jupyter_client.connect import find_connection_file

    try:
        return Path(find_connection_file(address))
    except OSError:
        raise TargetUnreachableError(
            f"There is no connection file {plain_text(address, 200)!r}, here or among Jupyter's runtime files.",
            advice="In the kernel, `ipykernel.get_connection_file()` gives its path.",
        ) from None
