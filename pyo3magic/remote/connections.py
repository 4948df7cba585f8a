"""Connections to a Jupyter server that end at a deadline."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import urllib.parse
    from collections.abc import Iterator

    from .target import Deadline

__all__ = ["cut_off", "open_connection"]


def open_connection(url: urllib.parse.SplitResult, deadline: Deadline) -> http.client.HTTPConnection:
    """Connect to a URL's host and port directly, without a proxy, since the token is for this server only.

    Raises:
        OSError: the connection cannot be made.
    """
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=max(0.1, deadline.left()))
    connection.connect()
    return connection


@contextlib.contextmanager
def cut_off(connection: socket.socket, deadline: Deadline) -> Iterator[None]:
    """End a connection at the deadline.

    A socket's own timeout starts again with every byte, so a server that sends slowly would never be cut off by it.
    """

    def end() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(deadline.left(), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
