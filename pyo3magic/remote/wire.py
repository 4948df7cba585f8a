"""Messages to and from a kernel over ZeroMQ; a message's signature and shape are checked before it is delivered."""

from __future__ import annotations

import contextlib
import enum
import json
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from .target import TargetDiedError, TargetError, TargetUnreachableError, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import zmq

__all__ = ["Channel", "Message", "Symptom", "Wire", "ZmqWire", "read_connection_file"]

Channel = Literal["shell", "iopub", "control"]

FRAME_LIMIT = 16 << 20
"""Most bytes in one part of an incoming message; ZeroMQ drops a connection that sends more."""
_RECONNECT_GRACE = 5.0
_GLANCE = 0.5
_CONNECTION_FILE_LIMIT = 1 << 16
_DIED = "The kernel at {} died or was restarted in the middle of a request."
_DIED_ADVICE = "Everything sent to it is lost. Start it again if necessary, and run the cell again."


@dataclass(frozen=True, slots=True)
class Message:
    """A received message of the right shape.

    Attributes:
        channel: the channel it came on.
        parent: id of the request that it claims to answer; may be empty.
        kind: the message type, such as ``execute_reply``.
        content: the content, unchecked.
    """

    channel: str
    parent: str
    kind: str
    content: dict[str, Any]

    @classmethod
    def parse(cls, raw: object, channel: object) -> Message | None:
        """The message in a decoded dictionary of the Jupyter protocol; None if its shape is wrong."""
        if not isinstance(raw, dict) or not isinstance(channel, str):
            return None
        header, parent, content = raw.get("header"), raw.get("parent_header"), raw.get("content")
        if not (isinstance(header, dict) and isinstance(parent, dict) and isinstance(content, dict)):
            return None
        kind, request = header.get("msg_type"), parent.get("msg_id", "")
        return cls(channel, request, kind, content) if isinstance(kind, str) and isinstance(request, str) else None


class Symptom(enum.Enum):
    """Why a kernel may not have answered in time; the value ends a sentence."""

    BUSY = "it is busy with another request"
    SILENT = "it accepts no messages: its key differs from the connection file's, or it hangs in native code"
    REFUSED = "its messages are signed with a different key from the connection file's"
    GONE = "nothing answers at that address; the kernel has ended, was stopped, or listens elsewhere"


class Wire(Protocol):
    """A connection to a kernel. It raises only `TargetError`s, and delivers only messages of the right shape."""

    address: str

    def send(self, channel: Channel, kind: str, content: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> str:
        """Send a request; return its id, which the answers name as their parent."""

    def receive(self, channels: Sequence[Channel], seconds: float) -> Message | None:
        """The next message on one of the channels; None if no message arrives in time.

        Raises:
            TargetDiedError: the connection ended, so the request will never be answered.
        """

    def listen(self, *, on: bool) -> None:
        """Start or stop receiving iopub messages, which use memory until they are read."""

    def symptom(self, seconds: float) -> Symptom:
        """Find out in at most ``seconds`` why the kernel does not answer."""

    def close(self) -> None:
        """End the connection; may be called twice."""


def read_connection_file(path: Path) -> dict[str, Any]:
    """Read and check a kernel's connection file (Jupyter client documentation, "Connection files").

    Args:
        path: the file, of which the first 64 KiB are read.

    Returns:
        As `parse_connection_info`.

    Raises:
        TargetUnreachableError: the file cannot be read, or is not a connection file.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_CONNECTION_FILE_LIMIT)
    except OSError as error:
        raise TargetUnreachableError(
            f"The connection file {path} cannot be read: {error.strerror}.",
            advice="In the kernel, %connect_info prints its content and `ipykernel.get_connection_file()` its path.",
        ) from None
    return parse_connection_info(text, str(path))


def parse_connection_info(text: bytes, where: str) -> dict[str, Any]:
    """Parse the text of a connection file.

    Args:
        text: the JSON text.
        where: what to call the file in an error.

    Returns:
        The known keys, with defaults for those that a file may omit.

    Raises:
        TargetUnreachableError: the text is not a connection file's.
    """
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        info = None
    ports = [f"{name}_port" for name in ("shell", "iopub", "stdin", "control", "hb")]
    known: dict[str, Any] = {"transport": "tcp", "ip": "127.0.0.1", "key": "", "signature_scheme": "hmac-sha256"}
    if isinstance(info, dict):
        known = {name: info.get(name, value) for name, value in known.items()}
        known |= {name: info.get(name) for name in ports}
        known |= {name: info[name] for name in ("curve_publickey", "curve_secretkey") if name in info}
    right = (
        isinstance(info, dict)
        and all(type(known[name]) is int and 0 < known[name] < 1 << 16 for name in ports)
        and all(isinstance(value, str) for name, value in known.items() if name not in ports)
        and known["transport"] in {"tcp", "ipc"}
        and re.fullmatch(r"hmac-[a-z0-9_]{1,20}", known["signature_scheme"])
        and re.fullmatch(r"[^\x00-\x20\x7f]{1,200}", known["ip"])
    )
    if not right:
        raise TargetUnreachableError(
            f"{where} is not a kernel's connection file.", advice="Give the JSON file that %connect_info names."
        )
    return known


class ZmqWire:
    """A wire to the kernel that a connection file describes.

    Args:
        info: the connection file, as `parse_connection_info` returns it.
        address: the kernel's address in messages; by default the shell channel's.

    Raises:
        TargetUnreachableError: the kernel cannot be connected to.
    """

    def __init__(self, info: Mapping[str, Any], address: str = "") -> None:
        import zmq
        from jupyter_client.blocking.client import BlockingKernelClient

        self.address = address or "{transport}://{ip}:{shell_port}".format_map(info)
        monitors: list[zmq.Socket[Any]] = []

        class WatchedContext(zmq.Context[Any]):
            # The shell's socket is the first: it is watched before it connects, so no event is missed.
            def socket(self, *arguments: Any, **named: Any) -> Any:
                made: zmq.Socket[Any] = super().socket(*arguments, **named)
                if made.type == zmq.DEALER and not monitors:
                    monitors.append(made.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED))
                return made

        context = WatchedContext()
        for option, value in ((zmq.MAXMSGSIZE, FRAME_LIMIT), (zmq.SNDTIMEO, 10_000), (zmq.IPV6, 1)):
            context.setsockopt(option, value)
        self._context = context
        self._closed = False
        self._refused = 0
        self._lost_at = math.inf
        self._up = False
        self._client = BlockingKernelClient(context=context)
        self._sockets: dict[str, zmq.Socket[Any]] = {}
        try:
            self._client.load_connection_info(cast("Any", dict(info)))
            self._client.session.check_pid = False
            for channel in ("shell", "control"):
                self._sockets[channel] = getattr(self._client, f"connect_{channel}")()
            (self._monitor,) = monitors
        except Exception as error:  # noqa: BLE001
            self.close()
            raise TargetUnreachableError(
                f"The kernel at {self.address} cannot be connected to: {plain_text(str(error))}.",
                advice="Check the connection file.",
            ) from None

    def send(self, channel: Channel, kind: str, content: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> str:
        """Send a request; return its id."""
        import zmq

        session = self._client.session
        self._watch()
        try:
            message = session.send(self._sockets[channel], kind, dict(content), buffers=list(buffers) or None)
        except (zmq.ZMQError, KeyError):
            raise TargetDiedError(_DIED.format(self.address), advice=_DIED_ADVICE) from None
        return str(message["header"]["msg_id"])

    def receive(self, channels: Sequence[Channel], seconds: float) -> Message | None:
        """The next correctly signed, well-formed message; None if no message arrives in time."""
        import zmq

        end = time.monotonic() + seconds
        while True:
            poller = zmq.Poller()
            for channel in channels:
                poller.register(self._sockets[channel], zmq.POLLIN)
            poller.register(self._monitor, zmq.POLLIN)
            left = end - time.monotonic()
            ready = dict(poller.poll(max(0, int(min(left, _GLANCE) * 1000))))
            for channel in channels:
                if self._sockets[channel] in ready and (message := self._take(channel)):
                    return message
            if (self._monitor in ready and self._watch()) or self._is_lost():
                raise TargetDiedError(_DIED.format(self.address), advice=_DIED_ADVICE)
            if time.monotonic() >= end:
                return None

    def _take(self, channel: str) -> Message | None:
        import zmq

        try:
            _, raw = self._client.session.recv(self._sockets[channel], mode=zmq.NOBLOCK)
        except Exception as error:  # noqa: BLE001
            self._refused += "Signature" in str(error)
            return None
        return Message.parse(raw, channel)

    def _watch(self) -> bool:
        # Reads the shell connection's events; returns whether it was lost.
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        lost = False
        while not self._closed and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            # ssh accepts and ends connections to a kernel that does not listen yet; such a connection was never up.
            if event == zmq.EVENT_DISCONNECTED and self._up:
                lost, self._lost_at = True, time.monotonic()
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._lost_at = math.inf
            self._up = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        return lost

    def _is_lost(self) -> bool:
        return time.monotonic() - self._lost_at > _RECONNECT_GRACE

    def listen(self, *, on: bool) -> None:
        """Connect or close the iopub socket."""
        if on and "iopub" not in self._sockets:
            self._sockets["iopub"] = self._client.connect_iopub()
        elif not on and "iopub" in self._sockets:
            self._sockets.pop("iopub").close(linger=0)

    def symptom(self, seconds: float) -> Symptom:
        """Ask the control channel, which answers while the kernel is busy, then the heartbeat."""
        asked = self.send("control", "kernel_info_request", {})
        end = time.monotonic() + seconds / 2
        with contextlib.suppress(TargetError):
            while (left := end - time.monotonic()) > 0:
                message = self.receive(["control"], left)
                if message and message.parent == asked:
                    return Symptom.BUSY
        if self._refused:
            return Symptom.REFUSED
        with self._client.connect_hb() as heart:
            heart.linger = 0
            heart.send(b"ping")
            return Symptom.SILENT if heart.poll(int(seconds * 500)) else Symptom.GONE

    def close(self) -> None:
        """Close all sockets, the monitor's included, and drop what has not been sent yet."""
        if self._closed:
            return
        self._closed = True
        self._context.destroy(linger=0)
        self._sockets.clear()
