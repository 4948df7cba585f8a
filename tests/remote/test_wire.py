"""Messages over real ZeroMQ sockets, the files that say where they are, and what a silent kernel may be doing."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_client.session import Session

from pyo3magic.remote import wire as wire_module
from pyo3magic.remote.target import TargetDiedError, TargetError, TargetUnreachableError
from pyo3magic.remote.wire import (
    FRAME_LIMIT,
    Message,
    Symptom,
    ZmqWire,
    parse_connection_info,
    read_connection_file,
)
from tests.integration.kernel import wait_until

from .fake_kernel import KEY, FakeKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = {f"{name}_port": 4000 + number for number, name in enumerate(("shell", "iopub", "stdin", "control", "hb"))}
DEFAULTS = {"transport": "tcp", "ip": "127.0.0.1", "key": "", "signature_scheme": "hmac-sha256"}
RAW: dict[str, Any] = {"header": {"msg_type": "status"}, "parent_header": {"msg_id": "p"}, "content": {"a": 1}}


def parsed(info: object) -> dict[str, Any]:
    return parse_connection_info(json.dumps(info).encode(), "it")


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_messages_of_the_right_shape() -> None:
    assert Message.parse(RAW, "iopub") == Message("iopub", "p", "status", {"a": 1})
    assert Message.parse({**RAW, "parent_header": {}}, "iopub") == Message("iopub", "", "status", {"a": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"header": None},
        {"header": {}},
        {"header": {"msg_type": 5}},
        {"parent_header": None},
        {"parent_header": {"msg_id": 5}},
        {"content": []},
    ],
)
def test_messages_of_another_shape(change: dict[str, Any]) -> None:
    assert Message.parse({**RAW, **change}, "iopub") is None


def test_what_is_no_message_at_all() -> None:
    assert Message.parse([RAW], "iopub") is None
    assert Message.parse(RAW, None) is None
    assert Message.parse([RAW], None) is None


# -- connection files --------------------------------------------------------------------------------------------------


def test_what_a_connection_file_must_say() -> None:
    assert parsed(PORTS) == {**DEFAULTS, **PORTS}
    curve = {"curve_publickey": "p", "curve_secretkey": "s"}
    own = {"transport": "ipc", "ip": "/tmp/k", "key": "k", "signature_scheme": "hmac-md5"}
    assert parsed({**PORTS, **own, **curve, "kernel_name": "x"}) == {**PORTS, **own, **curve}


@pytest.mark.parametrize(
    "change",
    [
        *({name: port} for name in PORTS for port in ("22", True, None, 0, -1, 65_536)),
        {"ip": ""},
        {"ip": "a b"},
        {"ip": "a\x7f"},
        {"ip": "a" * 201},
        {"ip": 5},
        {"transport": "inproc"},
        {"transport": None},
        {"key": None},
        {"signature_scheme": "md5"},
        {"signature_scheme": "hmac-"},
        {"signature_scheme": "hmac-" + "a" * 21},
        {"signature_scheme": None},
        {"curve_publickey": 5},
        {"curve_secretkey": 5},
    ],
)
def test_connection_files_that_are_none(change: dict[str, Any]) -> None:
    with pytest.raises(TargetUnreachableError, match="it is not a kernel's connection file"):
        parsed({**PORTS, **change})


@pytest.mark.parametrize(
    "change", [{"shell_port": 1}, {"hb_port": 65_535}, {"ip": "a" * 200}, {"signature_scheme": "hmac-" + "a" * 20}]
)
def test_connection_files_at_the_limits(change: dict[str, Any]) -> None:
    assert parsed({**PORTS, **change}) == {**DEFAULTS, **PORTS, **change}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_text_that_is_no_connection_file(text: bytes) -> None:
    with pytest.raises(TargetUnreachableError, match="it is not a kernel's connection file"):
        parse_connection_info(text, "it")


def test_a_file_is_read_to_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "kernel.json"
    text = json.dumps(PORTS)
    file.write_text(text + " " * ((1 << 16) - len(text)) + "junk that is not read")
    assert read_connection_file(file) == {**DEFAULTS, **PORTS}
    file.write_text(" " * ((1 << 16) - len(text)) + text)
    assert read_connection_file(file) == {**DEFAULTS, **PORTS}
    file.write_text(" " * ((1 << 16) - len(text) + 1) + text)
    with pytest.raises(TargetUnreachableError, match=r"kernel\.json is not a kernel's connection file"):
        read_connection_file(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetUnreachableError, match="cannot be read: No such file or directory"):
        read_connection_file(tmp_path / "kernel.json")


# -- a connection ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake() -> Iterator[FakeKernel]:
    kernel = FakeKernel()
    kernel.start()
    yield kernel
    kernel.end()


def opened(kernel: FakeKernel, **changes: object) -> ZmqWire:
    return ZmqWire(parsed({**kernel.info, **changes}))


@pytest.fixture
def wire(fake: FakeKernel) -> Iterator[ZmqWire]:
    made = opened(fake)
    yield made
    made.close()


def answer_to(wire: ZmqWire, request: str, channel: Any = "shell") -> Message:
    message = wire.receive([channel], 20)
    assert message is not None
    assert message.parent == request
    return message


def test_a_request_and_its_reply(fake: FakeKernel, wire: ZmqWire) -> None:
    assert wire.address == f"tcp://127.0.0.1:{fake.ports['shell_port']}"
    seen: list[Any] = []
    fake.on_request = lambda message, _: seen.append(message)
    content = {"code": "", "user_expressions": {}}
    first = wire.send("shell", "execute_request", content)
    assert answer_to(wire, first) == Message("shell", first, "execute_reply", {"status": "ok"})
    second = wire.send("shell", "execute_request", content, [b"one", b"two"])
    assert answer_to(wire, second).kind == "execute_reply"
    assert [message["content"] for message in seen] == [content, content]
    assert [[bytes(part) for part in message["buffers"]] for message in seen] == [[], [b"one", b"two"]]
    assert first != second
    control = wire.send("control", "kernel_info_request", {})
    assert answer_to(wire, control, "control").channel == "control"


def test_an_address_of_its_own(fake: FakeKernel) -> None:
    wire = ZmqWire(parsed(fake.info), "ssh box")
    assert wire.address == "ssh box"
    wire.close()


def test_nothing_comes_in_time(wire: ZmqWire) -> None:
    started = time.monotonic()
    assert wire.receive(["shell"], 0.0) is None
    assert wire.receive(["shell", "control"], 0.2) is None
    assert time.monotonic() - started >= 0.2


def test_only_the_channels_that_were_named_are_read(fake: FakeKernel, wire: ZmqWire) -> None:
    shell = wire.send("shell", "execute_request", {"code": "", "user_expressions": {}})
    control = wire.send("control", "kernel_info_request", {})
    assert answer_to(wire, control, "control").channel == "control"
    assert answer_to(wire, shell).channel == "shell"


def test_iopub_is_read_while_listening(fake: FakeKernel, wire: ZmqWire) -> None:
    for _ in range(2):
        wire.listen(on=True)
        wire.listen(on=True)
        end, message = time.monotonic() + 30, None
        while message is None:  # a subscription takes effect some time after it is made
            assert time.monotonic() < end
            wire.send("control", "kernel_info_request", {})
            message = wire.receive(["iopub"], 0.1)
        assert (message.channel, message.kind) == ("iopub", "status")
        wire.listen(on=False)
        wire.listen(on=False)
        with pytest.raises(KeyError):
            wire.receive(["iopub"], 0.0)


def test_an_iopub_socket_that_was_closed_is_a_new_one(wire: ZmqWire) -> None:
    wire.listen(on=True)
    first = wire._sockets["iopub"]
    wire.listen(on=False)
    assert first.closed


def test_a_busy_kernel(fake: FakeKernel, wire: ZmqWire) -> None:
    assert wire.symptom(20) is Symptom.BUSY


def test_a_kernel_whose_heart_alone_beats(fake: FakeKernel) -> None:
    """Its control channel does not answer what is signed with a key that it does not know."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as mute:
        port = mute.bind_to_random_port("tcp://127.0.0.1")
        wire = opened(fake, control_port=port)
        assert wire.symptom(0.2) is Symptom.SILENT
        wire.close()


def test_a_kernel_that_signs_with_another_key(fake: FakeKernel, wire: ZmqWire) -> None:
    fake.voice = Session(key=b"another")
    fake.voice.check_pid = False
    assert wire.symptom(0.2) is Symptom.REFUSED


def test_a_kernel_that_is_gone() -> None:
    wire = ZmqWire({**DEFAULTS, **PORTS, **dict.fromkeys(PORTS, 9)})
    started = time.monotonic()
    assert wire.symptom(0.2) is Symptom.GONE
    assert time.monotonic() - started > 0.15
    wire.close()


def test_another_reply_on_control_is_not_an_answer(fake: FakeKernel, wire: ZmqWire) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as control:
        port = control.bind_to_random_port("tcp://127.0.0.1")
        other = opened(fake, control_port=port)
        other.send("control", "kernel_info_request", {})
        identity = control.recv_multipart()[0]
        session = Session(key=KEY)
        session.check_pid = False
        session.send(control, "kernel_info_reply", {}, parent={"header": {"msg_id": "x"}}, ident=[identity])
        assert other.symptom(0.2) is Symptom.SILENT
        other.close()


def test_a_message_that_is_too_large_ends_the_connection(fake: FakeKernel, wire: ZmqWire) -> None:
    assert FRAME_LIMIT == 16 << 20
    content = {"code": "", "user_expressions": {}}
    fake.content = lambda _: {"status": "x" * (FRAME_LIMIT - 100)}
    assert answer_to(wire, wire.send("shell", "execute_request", content)).kind == "execute_reply"
    fake.content = lambda _: {"status": "x" * FRAME_LIMIT}
    wire.send("shell", "execute_request", content)
    with pytest.raises(TargetDiedError, match="died or was restarted in the middle"):
        wire.receive(["shell"], 20)


class Listener:
    """A shell socket alone, which can end and begin again at its port."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.session = Session(key=KEY)
        self.session.check_pid = False
        self.port = 0
        self.socket = self.begin()

    def begin(self) -> zmq.Socket[Any]:
        self.socket = self.context.socket(zmq.ROUTER)
        if self.port:
            wait_until(self._is_bound)  # ZeroMQ frees the port some time after the socket is closed
        else:
            self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        return self.socket

    def _is_bound(self) -> bool:
        try:
            self.socket.bind(f"tcp://127.0.0.1:{self.port}")
        except zmq.ZMQError:
            return False
        return True

    def answer(self, wire: ZmqWire) -> None:
        wire.send("shell", "kernel_info_request", {})
        assert self.socket.poll(20_000)
        identity, message = self.session.recv(self.socket)
        self.session.send(self.socket, "kernel_info_reply", {}, parent=message, ident=identity)
        assert wire.receive(["shell"], 20) is not None
        assert not wire._watch()  # reads what the monitor has told so far

    def end(self) -> None:
        self.socket.close(linger=0)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.end()
    made.context.destroy(linger=0)


@pytest.fixture
def shell(listener: Listener) -> Iterator[ZmqWire]:
    made = ZmqWire(parsed({**PORTS, "shell_port": listener.port, "key": KEY.decode()}))
    yield made
    made.close()


def test_no_connection_is_missed_that_is_up_at_once() -> None:
    for _ in range(40):
        listener = Listener()
        wire = ZmqWire(parsed({**PORTS, "shell_port": listener.port, "key": KEY.decode()}))
        listener.answer(wire)
        assert wire._up
        wire.close()
        listener.end()
        listener.context.destroy(linger=0)


def test_a_connection_that_ends_while_waiting(
    listener: Listener, shell: ZmqWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "_RECONNECT_GRACE", 600.0)
    listener.answer(shell)
    listener.end()
    with pytest.raises(TargetDiedError) as caught:
        shell.receive(["shell"], 20)
    assert caught.value.message == f"The kernel at {shell.address} died or was restarted in the middle of a request."


def test_a_connection_that_ended_before_the_request(
    listener: Listener, shell: ZmqWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may only be on its way back, so that some seconds pass before the kernel is given up."""
    monkeypatch.setattr(wire_module, "_RECONNECT_GRACE", 0.3)
    listener.answer(shell)
    listener.end()
    assert shell._monitor.poll(20_000)
    started = time.monotonic()
    shell.send("shell", "kernel_info_request", {})
    assert shell.receive(["shell"], 0.1) is None
    with pytest.raises(TargetDiedError):
        shell.receive(["shell"], 20)
    assert time.monotonic() - started >= 0.3


def test_a_connection_that_comes_back(listener: Listener, shell: ZmqWire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_RECONNECT_GRACE", 30.0)
    listener.answer(shell)
    listener.end()
    assert shell._monitor.poll(20_000)
    shell.send("shell", "kernel_info_request", {})
    listener.begin()
    end = time.monotonic() + 20
    while not listener.socket.poll(10):
        assert time.monotonic() < end
        assert shell.receive(["shell"], 0.0) is None
    monkeypatch.setattr(wire_module, "_RECONNECT_GRACE", 0.1)
    assert shell.receive(["shell"], 0.2) is None


def test_a_connection_that_was_never_up() -> None:
    """As ssh has it, which accepts connections to a kernel that does not listen yet, and ends them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.close()
                    accepted.append(connection)

        threading.Thread(target=accept, daemon=True).start()
        wire = ZmqWire({**DEFAULTS, **PORTS, "shell_port": server.getsockname()[1]})
        assert wire.receive(["shell"], 0.4) is None
        assert accepted
        wire.close()
        server.shutdown(socket.SHUT_RDWR)


def test_sending_where_nobody_listens_gives_up(listener: Listener, shell: ZmqWire) -> None:
    shell._sockets["shell"].sndtimeo = 100
    shell._sockets["shell"].sndhwm = 1
    with pytest.raises(TargetDiedError, match="died or was restarted"):
        for _ in range(100_000):
            shell.send("shell", "x", {"text": "x" * 100_000})


def test_closing(wire: ZmqWire) -> None:
    wire.listen(on=True)
    sockets = list(wire._sockets.values())
    wire.send("shell", "never_answered", {}, [b"x" * 1000])
    started = time.monotonic()
    wire.close()
    wire.close()
    assert time.monotonic() - started < 5
    assert len(sockets) == 3
    assert all(socket.closed for socket in sockets)
    assert wire._monitor.closed
    assert wire._context.closed
    with pytest.raises(TargetDiedError):
        wire.send("shell", "kernel_info_request", {})


def test_what_cannot_be_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetUnreachableError, match=r"The kernel at tcp://a b:4000 cannot be connected to: "):
        ZmqWire({**DEFAULTS, **PORTS, "ip": "a b"})
    with pytest.raises(TargetError, match="cannot be connected to"):
        ZmqWire({**DEFAULTS, **PORTS, "signature_scheme": "hmac-nothing"})


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_a_failed_connection_leaves_no_socket() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(TargetUnreachableError):
            ZmqWire({**DEFAULTS, **PORTS, "ip": "a b"})
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_a_wire_from_another_process_can_be_used(wire: ZmqWire) -> None:
    assert wire._client.session.check_pid is False
