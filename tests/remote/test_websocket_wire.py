"""Frames through a real websocket of a server that a test can let lie; `test_jupyter_server` has real kernels."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import queue
import socket
import struct
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from pyo3magic.remote import websocket_wire
from pyo3magic.remote.jupyter_server import JupyterServer
from pyo3magic.remote.target import (
    Deadline,
    TargetDiedError,
    TargetRefusedError,
    TargetUnreachableError,
)
from pyo3magic.remote.websocket_wire import WebSocketWire, _decoded
from pyo3magic.remote.wire import FRAME_LIMIT, Message, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "0123456789abcdef"


def frame(channel: object = "shell", parent: str = "p", kind: str = "execute_reply", **content: Any) -> bytes:
    message = {"header": {"msg_type": kind}, "parent_header": {"msg_id": parent}, "content": content}
    return json.dumps({**message, "channel": channel}).encode()


def packed(*parts: bytes) -> bytes:
    """A binary frame of the protocol: the number of parts, where each begins, and the parts."""
    begins = [4 * (len(parts) + 1)]
    for part in parts[:-1]:
        begins.append(begins[-1] + len(part))
    return struct.pack(f"!{len(parts) + 1}I", len(parts), *begins) + b"".join(parts)


class FakeServer(threading.Thread):
    """A Jupyter server of one kernel, ``k``, that says what a test wants.

    Attributes:
        state: what the REST interface says the kernel is doing.
        status: how it answers a websocket's request, if not by opening it.
        requests: the requests that opened websockets.
        received: what came through them.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.loop = asyncio.new_event_loop()
        self.state: str | None = "idle"
        self.status = 0
        self.requests: list[Any] = []
        self.received: queue.Queue[str | bytes] = queue.Queue()
        self.sockets: queue.Queue[Any] = queue.Queue()
        self.listener = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self.port = self.listener[0].getsockname()[1]

    def run(self) -> None:
        outer = self

        class Channels(tornado.websocket.WebSocketHandler):
            async def get(self, *arguments: Any, **named: Any) -> None:
                if outer.status:
                    self.set_status(outer.status)
                    self.set_header("Location", "/elsewhere")
                else:
                    await super().get(*arguments, **named)

            def check_origin(self, origin: str) -> bool:
                return False  # whoever says where it comes from is a browser

            def open(self, *_arguments: Any, **_named: Any) -> None:
                outer.requests.append(self.request)
                outer.sockets.put(self)

            def on_message(self, message: str | bytes) -> None:
                outer.received.put(message)

        class Kernel(tornado.web.RequestHandler):
            def get(self) -> None:
                if outer.state is None:
                    self.set_status(404)
                else:
                    self.write({"id": "k", "execution_state": outer.state})

        asyncio.set_event_loop(self.loop)
        application = tornado.web.Application(
            [("/base/api/kernels/k/channels", Channels), ("/base/api/kernels/k", Kernel)]
        )
        server = tornado.httpserver.HTTPServer(application)
        server.add_sockets(self.listener)
        self.loop.run_forever()
        server.stop()
        self.loop.run_until_complete(server.close_all_connections())
        self.loop.close()

    @functools.cached_property
    def socket(self) -> Any:
        """The server's end of the websocket, once that is open."""
        return self.sockets.get(timeout=20)

    def say(self, *frames: bytes) -> None:
        """Sends frames: text if they begin like JSON, else binary ones."""
        end = self.socket

        def send() -> None:
            for each in frames:
                end.write_message(each, binary=not each.startswith(b"{"))

        self.loop.call_soon_threadsafe(send)

    def hang_up(self) -> None:
        self.loop.call_soon_threadsafe(self.socket.close)

    def cut(self) -> None:
        self.loop.call_soon_threadsafe(self.socket.ws_connection.stream.close)

    def server(self, token: str = TOKEN) -> JupyterServer:
        return JupyterServer(f"http://127.0.0.1:{self.port}/base", token)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    server.start()
    yield server
    server.loop.call_soon_threadsafe(server.loop.stop)
    server.join()


@pytest.fixture
def wire(fake: FakeServer) -> Iterator[WebSocketWire]:
    made = WebSocketWire(fake.server(), "k", Deadline.after(20))
    yield made
    made.close()


def reply(parent: str = "p", **content: Any) -> Message:
    return Message("shell", parent, "execute_reply", content)


# -- opening -----------------------------------------------------------------------------------------------------------


def test_how_it_is_opened(fake: FakeServer, wire: WebSocketWire) -> None:
    assert wire.address == f"http://127.0.0.1:{fake.port}/base/api/kernels/k"
    wire.send("shell", "kernel_info_request", {})
    message = json.loads(fake.received.get(timeout=20))
    (request,) = fake.requests
    assert request.headers["Authorization"] == f"token {TOKEN}"
    assert "Origin" not in request.headers
    (session,) = request.arguments["session_id"]
    assert session.decode() == message["header"]["session"]
    assert len(session) == 32


def test_a_kernel_that_is_not_there(fake: FakeServer) -> None:
    with pytest.raises(TargetUnreachableError, match=r"There is no kernel http://127\.0\.0\.1:\d+/base/api/kernels/x"):
        WebSocketWire(fake.server(), "x", Deadline.after(20))


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, TargetRefusedError, "refused access"),
        (403, TargetRefusedError, "refused access"),
        (500, TargetUnreachableError, "answered with HTTP status"),
    ],
)
def test_a_server_that_refuses(fake: FakeServer, status: int, kind: type[Exception], message: str) -> None:
    fake.status = status
    with pytest.raises(kind, match=rf"{message} \(?{status}\)?"):
        WebSocketWire(fake.server(), "k", Deadline.after(20))


def test_a_redirection_is_not_followed(fake: FakeServer) -> None:
    fake.status = 302
    with pytest.raises(TargetUnreachableError, match="cannot be reached: Redirect limit exhausted"):
        WebSocketWire(fake.server(), "k", Deadline.after(20))


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(TargetUnreachableError, match=r"cannot be reached: .*refused"):
        WebSocketWire(JupyterServer(f"http://127.0.0.1:{port}"), "k", Deadline.after(20))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 101 X\r\n" + b"x" * 50])
def test_a_server_that_is_none(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[socket.socket] = []

        def serve() -> None:
            connection, _ = listener.accept()
            accepted.append(connection)
            connection.recv(1 << 16)
            with contextlib.suppress(OSError):
                for position in range(len(said)):
                    connection.sendall(said[position : position + 1])
                    time.sleep(0.02)

        threading.Thread(target=serve, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(TargetUnreachableError, match="cannot be reached"):
            WebSocketWire(JupyterServer(f"http://127.0.0.1:{listener.getsockname()[1]}"), "k", Deadline.after(0.2))
        assert time.monotonic() - started < 20
        accepted[0].settimeout(20)
        with pytest.raises(OSError):
            while accepted[0].recv(1 << 16) or accepted[0].send(b"x"):  # until the client's end is known to be closed
                time.sleep(0.01)
        accepted[0].close()


# -- sending -----------------------------------------------------------------------------------------------------------


def test_a_request(fake: FakeServer, wire: WebSocketWire) -> None:
    request = wire.send("shell", "execute_request", {"code": "1"})
    text = fake.received.get(timeout=20)
    assert isinstance(text, str)
    message = json.loads(text)
    header = message["header"]
    assert (message["channel"], message["content"]) == ("shell", {"code": "1"})
    assert (message["parent_header"], message["metadata"]) == ({}, {})
    assert (header["msg_id"], header["msg_type"], header["version"], header["username"]) == (
        request,
        "execute_request",
        "5.3",
        "",
    )
    assert datetime.fromisoformat(header["date"]).tzinfo is not None
    assert len(request) == 32
    assert wire.send("control", "kernel_info_request", {}) != request
    assert json.loads(fake.received.get(timeout=20))["channel"] == "control"


def test_a_request_with_buffers(fake: FakeServer, wire: WebSocketWire) -> None:
    wire.send("shell", "comm_msg", {"comm_id": "x"}, [b"one", b"", b"three"])
    data = fake.received.get(timeout=20)
    assert isinstance(data, bytes)
    (count,) = struct.unpack_from("!I", data)
    begins = [*struct.unpack_from(f"!{count}I", data, 4), len(data)]
    parts = [data[begin:end] for begin, end in itertools.pairwise(begins)]
    assert begins[0] == 4 * (count + 1)
    assert parts[1:] == [b"one", b"", b"three"]
    assert json.loads(parts[0])["content"] == {"comm_id": "x"}


def test_sending_after_the_end(fake: FakeServer, wire: WebSocketWire) -> None:
    wire.close()
    wire.close()
    with pytest.raises(TargetDiedError, match="died or was restarted, or its server closed the connection"):
        wire.send("shell", "kernel_info_request", {})


# -- receiving ---------------------------------------------------------------------------------------------------------


def test_text_and_binary_frames(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.say(frame(a=1), packed(frame(a=2)), packed(frame(a=3), b"buffer"), packed(frame(a=4), b"b", b"c"))
    assert [wire.receive(["shell"], 20) for _ in range(4)] == [reply(a=number) for number in range(1, 5)]


def test_nothing_comes_in_time(wire: WebSocketWire) -> None:
    started = time.monotonic()
    assert wire.receive(["shell"], 0.0) is None
    assert time.monotonic() - started < 0.2
    assert wire.receive(["shell", "iopub"], 0.1) is None
    assert time.monotonic() - started >= 0.1


def test_what_is_no_message_is_skipped(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.say(b"{", b"[1]", frame(channel=5), packed(b"{}"), b"\x00", frame(a=1))
    assert wire.receive(["shell"], 20) == reply(a=1)


def test_messages_of_other_channels_are_held_back_in_their_order(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.say(*(frame(a=number) for number in range(3)), frame("control", a=9))
    assert wire.receive(["control"], 20) == Message("control", "p", "execute_reply", {"a": 9})
    assert [wire.receive(["shell"], 0.0) for _ in range(4)] == [reply(a=0), reply(a=1), reply(a=2), None]


def test_no_more_than_a_thousand_are_held_back(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.say(*(frame(a=number) for number in range(1001)), frame("control"))
    assert wire.receive(["control"], 20) is not None
    held = [wire.receive(["shell"], 0.0) for _ in range(1001)]
    assert (held[0], held[999], held[1000]) == (reply(a=1), reply(a=1000), None)


def test_iopub_is_kept_while_listening(fake: FakeServer, wire: WebSocketWire) -> None:
    shown = frame("iopub", kind="stream", text="x")
    fake.say(shown, frame(a=1))
    assert wire.receive(["shell", "iopub"], 20) == reply(a=1)
    wire.listen(on=True)
    fake.say(shown, frame(a=2), frame(a=3))
    assert wire.receive(["iopub"], 20) == Message("iopub", "p", "stream", {"text": "x"})
    fake.say(shown, frame("control"))
    assert wire.receive(["control"], 20) is not None
    wire.listen(on=False)
    assert wire.receive(["iopub"], 0.0) is None
    assert [wire.receive(["shell"], 0.0) for _ in range(3)] == [reply(a=2), reply(a=3), None]
    fake.say(shown, *(frame(a=number) for number in range(1001)), frame("control"))
    assert wire.receive(["control"], 20) is not None
    assert wire.receive(["shell"], 0.0) == reply(a=1)  # the limit is still in force


@pytest.mark.parametrize("listening", [True, False])
@pytest.mark.parametrize("state", ["dead", "restarting", "autorestarting"])
def test_the_server_says_that_the_kernel_died(
    fake: FakeServer, wire: WebSocketWire, state: str, listening: bool
) -> None:
    wire.listen(on=listening)
    fake.say(frame("iopub", kind="status", execution_state=state))
    with pytest.raises(TargetDiedError):
        wire.receive(["shell"], 20)


def test_other_states_and_other_messages_are_no_death(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.say(
        frame("iopub", kind="status", execution_state="idle"),
        frame("iopub", kind="status", execution_state=["dead"]),
        frame("iopub", kind="stream", execution_state="dead"),
        frame(kind="status", execution_state="dead"),
    )
    assert wire.receive(["shell"], 20) == Message("shell", "p", "status", {"execution_state": "dead"})


def test_a_server_that_hangs_up(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.hang_up()
    with pytest.raises(TargetDiedError, match=r"The kernel at http://127.*/api/kernels/k died"):
        wire.receive(["shell"], 20)


def test_a_connection_that_is_cut(fake: FakeServer, wire: WebSocketWire) -> None:
    fake.cut()
    with pytest.raises(TargetDiedError):
        wire.receive(["shell"], 20)


def test_messages_up_to_the_limit(fake: FakeServer, wire: WebSocketWire, monkeypatch: pytest.MonkeyPatch) -> None:
    text = frame(a="x" * 100_000)
    head = 10  # of a frame of this length
    monkeypatch.setattr(websocket_wire, "FRAME_LIMIT", len(text) + head)
    wire._room = len(text) + head
    fake.say(text, text)  # each message has the whole room
    assert wire.receive(["shell"], 20) == wire.receive(["shell"], 20) == reply(a="x" * 100_000)
    fake.say(text + b" ")
    with pytest.raises(TargetDiedError):
        wire.receive(["shell"], 20)


def test_the_first_message_has_no_more_room_than_others(wire: WebSocketWire) -> None:
    assert wire._room == FRAME_LIMIT


def test_a_message_that_never_ends(fake: FakeServer, wire: WebSocketWire) -> None:
    stream = fake.socket.ws_connection.stream

    def drip() -> None:
        stream.write(b"\x81\x7e\x40\x00")  # a text frame of 16 kB
        for number in range(100):
            fake.loop.call_later(0.02 * number, lambda: stream.closed() or stream.write(b" "))

    fake.loop.call_soon_threadsafe(drip)
    started = time.monotonic()
    assert wire.receive(["shell"], 0.2) is None
    assert time.monotonic() - started < 1.5


# -- what a silent kernel may be doing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "symptom"),
    [
        ("busy", Symptom.BUSY),
        ("starting", Symptom.BUSY),
        ("idle", Symptom.SILENT),
        ("dead", Symptom.GONE),
        (None, Symptom.GONE),
    ],
)
def test_symptoms(fake: FakeServer, wire: WebSocketWire, state: str | None, symptom: Symptom) -> None:
    fake.state = state
    assert wire.symptom(20) is symptom


def test_a_server_that_no_longer_answers(fake: FakeServer) -> None:
    wire = WebSocketWire(fake.server(), "k", Deadline.after(20))
    wire._server = JupyterServer("http://127.0.0.1:9")
    assert wire.symptom(20) is Symptom.GONE
    wire.close()


# -- frames ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 9999,
        b"{}",
        b'{"channel": 5}',
        b"\x00\x00\x00\x00",
        b"\xff" * 64,
        b"\x00\x00\x00\x01\xff\xff\xff\xff",
        packed(b"[1]"),
        packed(b"{" * 9999),
        packed(*[frame()] * 1001),
    ],
)
def test_frames_that_are_no_messages(data: bytes) -> None:
    assert _decoded(data) is None


def test_frames_at_the_limits() -> None:
    assert _decoded(packed(frame(), *[b""] * 999)) == reply()
    assert _decoded(packed(frame())) == reply()
    assert _decoded(frame() + b" " * (FRAME_LIMIT - len(frame()))) == reply()
    assert _decoded(frame() + b" " * (FRAME_LIMIT - len(frame()) + 1)) is None
