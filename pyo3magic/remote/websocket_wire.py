"""Messages to and from a kernel through a Jupyter server's websocket, checked for size and shape."""

from __future__ import annotations

import contextlib
import json
import secrets
import struct
import time
from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .connections import cut_off, open_connection
from .jupyter_server import ADVICE
from .target import Deadline, TargetDiedError, TargetError, TargetUnreachableError, plain_text
from .wire import FRAME_LIMIT, Channel, Message, Symptom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .jupyter_server import JupyterServer

__all__ = ["WebSocketWire"]

_HELD_BACK = 1000


class WebSocketWire:
    """A `Wire` through a Jupyter server's websocket: JSON in text frames, or with buffers in binary frames.

    Args:
        server: the Jupyter server.
        kernel: the kernel's id.
        deadline: when the websocket must be open.

    Raises:
        TargetUnreachableError: the server cannot be reached, or has no such kernel.
        TargetRefusedError: the server does not accept the token.
    """

    def __init__(self, server: JupyterServer, kernel: str, deadline: Deadline) -> None:
        import websocket

        self.address = f"{server.address}/api/kernels/{kernel}"
        self._server = server
        self._kernel = kernel
        self._session = secrets.token_hex(16)
        self._held: deque[Message] = deque(maxlen=_HELD_BACK)
        self._listening = False
        self._until = 0.0
        self._room = FRAME_LIMIT
        url = f"ws{self.address.removeprefix('http')}/channels?session_id={self._session}"
        opened = None
        try:
            opened = open_connection(server.url, deadline).sock
            with cut_off(opened, deadline):
                self._socket = websocket.create_connection(
                    url,
                    timeout=max(0.1, deadline.left()),
                    socket=opened,
                    header=[f"{name}: {value}" for name, value in server.headers.items()],
                    redirect_limit=0,
                    suppress_origin=True,
                )
            self._connection = opened
            self._plain_read = self._socket.frame_buffer.recv
            self._socket.frame_buffer.recv = self._read
        except websocket.WebSocketBadStatusException as error:
            opened.close() if opened else None
            if error.status_code == 404:  # noqa: PLR2004
                raise TargetUnreachableError(f"There is no kernel {self.address}.", advice=ADVICE) from None
            raise server.refusal(error.status_code or 0) from None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            if opened is not None:
                opened.close()
            reason = plain_text(str(error), 200)
            raise TargetUnreachableError(f"{self.address} cannot be reached: {reason}.", advice=ADVICE) from None

    def send(self, channel: Channel, kind: str, content: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> str:
        """Send a request; return its id."""
        import websocket

        request = secrets.token_hex(16)
        header = {
            "msg_id": request,
            "msg_type": kind,
            "session": self._session,
            "username": "",
            "version": "5.3",
            "date": datetime.now(timezone.utc).isoformat(),
        }
        message = {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content}
        text = json.dumps(message)
        try:
            if not buffers:
                self._socket.send(text)
            else:  # number of parts, where each begins, the parts (Jupyter server documentation, "WebSocket protocol")
                parts = [text.encode(), *buffers]
                offsets = [4 * (len(parts) + 1)]
                for part in parts[:-1]:
                    offsets.append(offsets[-1] + len(part))
                self._socket.send_binary(struct.pack(f"!{len(parts) + 1}I", len(parts), *offsets) + b"".join(parts))
        except (websocket.WebSocketException, OSError):
            raise self._died() from None
        return request

    def _read(self, size: int) -> bytes:
        # Replaces the library's read: limits the time for slow messages and the size of endless messages.
        import websocket

        left = self._until - time.monotonic()
        if left <= 0:
            raise websocket.WebSocketTimeoutException
        self._socket.settimeout(left)
        data: bytes = self._plain_read(size)
        self._room -= len(data)
        if self._room < 0:
            raise websocket.WebSocketPayloadException("too large")
        return data

    def receive(self, channels: Sequence[Channel], seconds: float) -> Message | None:
        """The next well-formed message on one of the channels; None if no message arrives in time."""
        import websocket

        for message in list(self._held):
            if message.channel in channels:
                self._held.remove(message)
                return message
        self._until = time.monotonic() + seconds
        while time.monotonic() < self._until:
            try:
                opcode, data = self._socket.recv_data()
            except websocket.WebSocketTimeoutException:
                return None
            except (websocket.WebSocketException, OSError, ValueError):
                raise self._died() from None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise self._died()
            self._room = FRAME_LIMIT
            received = _decoded(data)
            if received is None or (received.channel == "iopub" and not self._is_wanted(received)):
                continue
            if received.channel in channels:
                return received
            self._held.append(received)
        return None

    def _is_wanted(self, message: Message) -> bool:
        # The server announces on iopub that the kernel died or is being restarted.
        state = message.content.get("execution_state")
        if message.kind == "status" and state in ("dead", "restarting", "autorestarting"):
            raise self._died()
        return self._listening

    def listen(self, *, on: bool) -> None:
        """Keep iopub messages or drop them; the server sends them in either case."""
        self._listening = on
        if not on:
            self._held = deque((it for it in self._held if it.channel != "iopub"), maxlen=_HELD_BACK)

    def symptom(self, seconds: float) -> Symptom:
        """Ask the server for the kernel's state."""
        with contextlib.suppress(TargetError):
            state = self._server.state(self._kernel, Deadline.after(seconds))
            if state in {"busy", "starting"}:
                return Symptom.BUSY
            if state == "idle":
                return Symptom.SILENT
        return Symptom.GONE

    def close(self) -> None:
        """Close the websocket; the kernel keeps running."""
        self._connection.close()

    def _died(self) -> TargetDiedError:
        return TargetDiedError(
            f"The kernel at {self.address} died or was restarted, or its server closed the connection.",
            advice="Connect to it again, and run the cell again.",
        )


def _decoded(data: bytes) -> Message | None:
    # A text frame is the message. A binary frame starts with the number of parts and each part's offset.
    if len(data) > FRAME_LIMIT:
        return None
    try:
        if not data.startswith(b"{"):
            (count,) = struct.unpack_from("!I", data)
            if not 1 <= count <= 1000:  # noqa: PLR2004
                return None
            offsets = [*struct.unpack_from(f"!{count}I", data, 4), len(data)]
            data = data[offsets[0] : offsets[1]]
        raw = json.loads(data)
    except (ValueError, RecursionError, struct.error):
        return None
    return Message.parse(raw, raw.get("channel") if isinstance(raw, dict) else None)
