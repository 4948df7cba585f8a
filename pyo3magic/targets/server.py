"""Kernels of a Jupyter server: found or started over its REST API, spoken to over its websocket."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pyo3magic.targets import (
    TargetDiedError,
    TargetError,
    TargetRefusedError,
    TargetReplyError,
    TargetUnreachableError,
    plain_text,
)
from pyo3magic.targets.wire import FRAME_LIMIT, Channel, Message, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyo3magic.targets import Deadline

__all__ = ["JupyterServer", "WebSocketWire"]

_ANSWER_LIMIT = 4 << 20
_HELD_BACK = 1000
_KERNEL_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_ADVICE = "Check the URL (with the server's base path), and that the server runs."
_TOKEN_ADVICE = "Give its token with --token (`jupyter server list` shows it)."  # noqa: S105


def _opened(url: urllib.parse.SplitResult, deadline: Deadline) -> socket.socket:
    # Directly, whatever proxies are set: the token is for this server.
    port = url.port or (443 if url.scheme == "https" else 80)
    opened = socket.create_connection((url.hostname or "", port), timeout=max(0.1, deadline.left()))
    if url.scheme == "http":
        return opened
    try:
        return ssl.create_default_context().wrap_socket(opened, server_hostname=url.hostname)
    except BaseException:
        opened.close()
        raise


@contextlib.contextmanager
def _cut_off(connection: socket.socket, deadline: Deadline) -> Iterator[None]:
    # A socket's timeout begins again with every byte; a server that sends one now and then is cut off all the same.
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


class JupyterServer:
    """A Jupyter server's REST API, as far as kernels go. The token is sent to this server only, and never shown."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qs(parts.query)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise TargetUnreachableError(
                f"{plain_text(parts.hostname or 'That')!r} is not a Jupyter server's URL.", advice=_ADVICE
            )
        if re.search(r"[\x00-\x20\x7f]", url + token):
            raise TargetUnreachableError("The server's URL or token contains blanks.", advice=_ADVICE)
        path = re.sub(r"/(lab|tree|notebooks)(/.*)?$", "", parts.path).rstrip("/")
        self.address = f"{parts.scheme}://{parts.netloc}{path}"
        self.headers = {"Authorization": f"token {chosen}"} if (chosen := token or query.get("token", [""])[0]) else {}
        self.url = urllib.parse.urlsplit(self.address)

    def __repr__(self) -> str:
        return f"JupyterServer({self.address!r})"

    def find(self, wanted: str, deadline: Deadline, *, start: bool = False) -> str:
        """The id of a kernel.

        Args:
            wanted: a kernel's id, or the name of a kernel specification.
            deadline: when it must be known.
            start: start a kernel of that name if none runs.

        Raises:
            TargetError: the server cannot be asked, or has no such kernel.
        """
        running = self._request("GET", "/api/kernels", deadline)
        kernels = [it for it in running if isinstance(it, dict)] if isinstance(running, list) else []
        named = {str(it.get("id")): str(it.get("name")) for it in kernels}
        fitting = [key for key, name in named.items() if wanted in {key, name} and _KERNEL_ID.fullmatch(key)]
        if len(fitting) == 1 or wanted in fitting:
            return wanted if wanted in fitting else fitting[0]
        if fitting:
            raise TargetUnreachableError(
                f"{len(fitting)} kernels called {plain_text(wanted, 60)} run on {self.address}.",
                advice=f"Give the id of one: {', '.join(fitting[:5])}.",
            )
        if not start:
            known = ", ".join(plain_text(f"{key} ({name})", 90) for key, name in list(named.items())[:5]) or "none"
            raise TargetUnreachableError(
                f"No kernel {plain_text(wanted, 60)!r} runs on {self.address}; running are: {known}.",
                advice="Give the id or name of one, or have one started.",
            )
        made = self._request("POST", "/api/kernels", deadline, {"name": wanted})
        key = made.get("id") if isinstance(made, dict) else None
        if not isinstance(key, str) or not _KERNEL_ID.fullmatch(key):
            raise TargetReplyError(f"{self.address} does not say which kernel it started.", advice=_ADVICE)
        return key

    def state(self, kernel: str, deadline: Deadline) -> str:
        """What the server says the kernel is doing: ``idle``, ``busy``, ``dead``, or empty if it does not know it."""
        answer = self._request("GET", f"/api/kernels/{kernel}", deadline, absent={})
        return plain_text(answer.get("execution_state"), 30) if isinstance(answer, dict) and answer else ""

    def shut_down(self, kernel: str, deadline: Deadline) -> None:
        """Ends a kernel."""
        self._request("DELETE", f"/api/kernels/{kernel}", deadline, absent={})

    def connect(self, kernel: str, deadline: Deadline) -> WebSocketWire:
        """A wire to a kernel, by its id."""
        return WebSocketWire(self, kernel, deadline)

    def _request(
        self, method: str, path: str, deadline: Deadline, body: object = None, *, absent: object = None
    ) -> object:
        connection = http.client.HTTPConnection(self.url.hostname or "", self.url.port)
        headers = {**self.headers, "Host": self.url.netloc, "Content-Type": "application/json"}
        try:
            connection.sock = _opened(self.url, deadline)
            with contextlib.closing(connection), _cut_off(connection.sock, deadline):
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, self.url.path + path, data, headers)
                with contextlib.closing(connection.getresponse()) as response:
                    text = response.read(_ANSWER_LIMIT)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = plain_text(str(error), 200)
            raise TargetUnreachableError(f"{self.address} cannot be reached: {reason}.", advice=_ADVICE) from None
        if response.status == 404 and absent is not None:  # noqa: PLR2004
            return absent
        if response.status >= 300:  # noqa: PLR2004
            raise self.refusal(response.status)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            raise TargetReplyError(f"{self.address} does not answer like a Jupyter server.", advice=_ADVICE) from None

    def refusal(self, status: int) -> TargetError:
        """The error that an HTTP status means."""
        if status in {401, 403} or 300 <= status < 400:  # noqa: PLR2004
            return TargetRefusedError(f"{self.address} does not let us in ({status}).", advice=_TOKEN_ADVICE)
        return TargetUnreachableError(f"{self.address} cannot do that ({status}).", advice=_ADVICE)


class WebSocketWire:
    """A `Wire` through a Jupyter server's websocket: JSON in text frames, with buffers in binary ones."""

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
            opened = _opened(server.url, deadline)
            with _cut_off(opened, deadline):
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
                raise TargetUnreachableError(f"There is no kernel {self.address}.", advice=_ADVICE) from None
            raise server.refusal(error.status_code or 0) from None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            if opened is not None:
                opened.close()
            reason = plain_text(str(error), 200)
            raise TargetUnreachableError(f"{self.address} cannot be reached: {reason}.", advice=_ADVICE) from None

    def send(self, channel: Channel, kind: str, content: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> str:
        """Sends a request and returns its id."""
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
        # In place of the library's own: neither a slow drip nor a message without end gets past this.
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
        """The next well-formed message on one of the channels, or None."""
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
        # On iopub the server itself announces that the kernel died or is being restarted.
        state = message.content.get("execution_state")
        if message.kind == "status" and state in ("dead", "restarting", "autorestarting"):
            raise self._died()
        return self._listening

    def listen(self, *, on: bool) -> None:
        """Keeps iopub messages or throws them away; the server sends them in any case."""
        self._listening = on
        if not on:
            self._held = deque((it for it in self._held if it.channel != "iopub"), maxlen=_HELD_BACK)

    def symptom(self, seconds: float) -> Symptom:
        """What the server says the kernel is doing."""
        from pyo3magic.targets import Deadline

        with contextlib.suppress(TargetError):
            state = self._server.state(self._kernel, Deadline.after(seconds))
            if state in {"busy", "starting"}:
                return Symptom.BUSY
            if state == "idle":
                return Symptom.SILENT
        return Symptom.GONE

    def close(self) -> None:
        """Closes the websocket; the kernel goes on."""
        self._connection.close()

    def _died(self) -> TargetDiedError:
        return TargetDiedError(
            f"The kernel at {self.address} died or was restarted, or its server closed the connection.",
            advice="Connect to it again, and run the cell again.",
        )


def _decoded(data: bytes) -> Message | None:
    # Text frames hold the message; binary frames begin with the number of parts and where each begins.
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
