"""Send a file to a remote kernel in chunks; each chunk's digest is in the signed part of its message."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from .target import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .remote_agent import RemoteAgent
    from .target import Deadline, ShippedFile

__all__ = ["CHUNK", "WINDOW", "send"]

CHUNK = 1 << 20
"""Bytes per message: a Jupyter server drops messages of more than about 10 MB."""
WINDOW = 32
"""Chunks sent before the agent is asked whether they arrived, which limits the memory used on both sides."""
_COMM_TARGET = "pyo3magic"


def send(agent: RemoteAgent, file: ShippedFile, deadline: Deadline) -> str:
    """Send a file in comm messages, or in requests if the kernel has no comms.

    Returns:
        ``comm`` or ``base64``.

    Raises:
        TargetError: the file did not arrive; the part that arrived is removed there.
    """
    transfer = secrets.token_hex(16)
    not_after = agent.remote_time(deadline)
    ended = False
    agent.ask("begin", deadline, transfer=transfer, digest=file.sha256, size=file.size, not_after=not_after)
    try:
        by = "comm" if agent.comms and _by_comm(agent, file, transfer, deadline) else "base64"
        if by == "base64":
            for index, chunk in enumerate(_chunks(file)):
                data, sha256 = base64.b64encode(chunk).decode(), hashlib.sha256(chunk).hexdigest()
                agent.ask("chunk", deadline, transfer=transfer, index=index, sha256=sha256, data=data)
        agent.ask("end", deadline, transfer=transfer)
        ended = True
    finally:
        if not ended:  # the agent removes the partial file, now or after the deadline
            with contextlib.suppress(TargetError):
                _, expression = agent.expression("abandon", deadline, {"transfer": transfer}, timed=False)
                agent.exchange.execute(silent=True, expression=expression)
    return by


def _by_comm(agent: RemoteAgent, file: ShippedFile, transfer: str, deadline: Deadline) -> bool:
    comm = secrets.token_hex(16)
    data: dict[str, Any] = {"comm_id": comm, "data": {}}
    agent.exchange.wire.send("shell", "comm_open", {**data, "target_name": _COMM_TARGET})
    sent = 0
    try:
        for index, chunk in enumerate(_chunks(file)):
            data["data"] = {"transfer": transfer, "index": index, "sha256": hashlib.sha256(chunk).hexdigest()}
            agent.exchange.wire.send("shell", "comm_msg", data, [chunk])
            sent += len(chunk)
            if index % WINDOW == 0 or sent == file.size:  # after the first chunk too: do comms work?
                received = agent.ask("received", deadline, transfer=transfer).get("received")
                if received == 0:
                    return False
                if received != sent:
                    raise agent.exchange.invalid("it counted a different number of bytes")
    finally:
        with contextlib.suppress(TargetError):
            agent.exchange.wire.send("shell", "comm_close", {"comm_id": comm, "data": {}})
    return True


def _chunks(file: ShippedFile) -> Iterator[bytes]:
    with file.path.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk
