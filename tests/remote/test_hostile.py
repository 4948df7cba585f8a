"""Kernels that lie: one clear kind of error each, within the deadline, and nothing of what they say is used."""

from __future__ import annotations

import _lsprof
import base64
import contextlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_client.session import Session

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.evaluation import output_of
from pyo3magic.remote.exchange import OUTPUT_LIMIT
from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.sending import send
from pyo3magic.remote.target import (
    Deadline,
    Shipment,
    ShippedFile,
    TargetDiedError,
    TargetError,
    TargetMismatchError,
    TargetReplyError,
    TargetStorageError,
    TargetTimeoutError,
    plain_text,
)
from pyo3magic.remote.wire import FRAME_LIMIT, Message, ZmqWire, parse_connection_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = b"secret"
SOON = 1.5


class FakeKernel(threading.Thread):
    """A kernel on bare sockets that runs the real agent, and lets a test tamper with what it answers.

    Attributes:
        tamper: gets the agent's answer (a dict with ``result`` or ``kind``) and the operation; returns what is sent.
        content: gets the content of an execute_reply; returns what is sent, or None for no reply at all.
        on_request: is called with every execute_request before it is answered.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.context = zmq.Context()
        self.session = Session(key=KEY)
        self.session.check_pid = False
        self.voice = self.session  # what signs the answers
        kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "iopub": zmq.PUB, "hb": zmq.REP}
        self.sockets = {name: self.context.socket(kind) for name, kind in kinds.items()}
        self.ports = {f"{name}_port": it.bind_to_random_port("tcp://127.0.0.1") for name, it in self.sockets.items()}
        self.info = {
            **self.ports,
            "stdin_port": self.ports["hb_port"],
            "ip": "127.0.0.1",
            "transport": "tcp",
            "key": KEY.decode(),
        }
        self.ended = threading.Event()
        self.namespace: dict[str, Any] = {}
        self.operations: list[str] = []
        self.tamper: Callable[[Any, str], Any] = lambda answer, _operation: answer
        self.content: Callable[[Any], Any] = lambda content: content
        self.on_request: Callable[[Any, Any], object] = lambda _message, _identity: None

    def run(self) -> None:
        shell, hb, control = self.sockets["shell"], self.sockets["hb"], self.sockets["control"]
        while not self.ended.is_set():
            ready, _, _ = zmq.select([shell, hb, control], [], [], 0.05)
            if hb in ready:
                hb.send(hb.recv())
            for socket in {shell, control} & set(ready):
                received: Any = self.session.recv(socket)
                identity, message = received
                if message["msg_type"] == "execute_request":
                    self.on_request(message, identity)
                    if (content := self.content(self.execute(message["content"]))) is not None:
                        self.voice.send(shell, "execute_reply", content, parent=message, ident=identity)
                elif message["msg_type"] == "kernel_info_request":
                    self.voice.send(self.sockets["iopub"], "status", {"execution_state": "idle"}, parent=message)
                    self.voice.send(socket, "kernel_info_reply", {}, parent=message, ident=identity)
        self.context.destroy(linger=0)

    def execute(self, content: Any) -> dict[str, Any]:
        exec(content["code"], self.namespace)
        if not content["user_expressions"]:
            return {"status": "ok"}
        (expression,) = content["user_expressions"].values()
        operation = json.loads(eval(expression[expression.index("call(") + 5 : -1]))["op"]
        try:
            answer = json.loads(base64.urlsafe_b64decode(eval(expression, self.namespace)))
        except ModuleNotFoundError as error:
            value = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
            return {"status": "ok", "user_expressions": {"pyo3magic": value}}
        self.operations.append(operation)
        return reply(self.tamper(answer, operation))

    def remote(self) -> RemoteKernel:
        return RemoteKernel(ZmqWire(parse_connection_info(json.dumps(self.info).encode(), "test")))


def reply(answer: Any) -> dict[str, Any]:
    text = base64.urlsafe_b64encode(json.dumps(answer).encode()).decode()
    return {"status": "ok", "user_expressions": {"pyo3magic": expression_value(repr(text))}}


def expression_value(text: object) -> dict[str, Any]:
    return {"status": "ok", "data": {"text/plain": text}, "metadata": {}}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKernel]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "remote"))
    (tmp_path / "remote").mkdir()
    monkeypatch.setitem(sys.modules, "_lsprof", _lsprof)  # the "remote" process is this one: put back what was here
    monkeypatch.setitem(sys.modules["__main__"].__dict__, "Profiler", None)
    kernel = FakeKernel()
    kernel.start()
    yield kernel
    kernel.ended.set()
    kernel.join()
    forget_agent()


def forget_agent() -> None:
    for name in [name for name in sys.modules if name.startswith("_pyo3magic_agent_")]:
        agent = sys.modules.pop(name).agent
        agent.remove_folder()
        if agent.lock is not None:
            agent.lock.close()


@pytest.fixture
def remote(fake: FakeKernel) -> Any:
    target = fake.remote()
    yield target
    target.close()


@pytest.fixture
def shipment(tmp_path: Path) -> Shipment:
    path = tmp_path / "data.bin"
    path.write_bytes(b"\x01" * 5_000)
    module = ShippedFile.of(Path(_lsprof.__file__))
    return Shipment("_lsprof", module, Interpreter.current(), (ShippedFile.of(path),), ("Profiler",))


@contextlib.contextmanager
def refused(kind: Any, match: str, seconds: float = SOON + 1.5) -> Iterator[None]:
    started = time.monotonic()
    with pytest.raises(kind, match=match) as caught:
        yield
    assert time.monotonic() - started < seconds
    assert len(str(caught.value)) < 2000
    assert not set(map(chr, [*range(9), *range(11, 32)])) & set(str(caught.value))


def test_the_fake_kernel_is_otherwise_honest(fake: FakeKernel, remote: RemoteKernel, shipment: Shipment) -> None:
    assert remote.load(shipment, Deadline.after(20)) == ("Profiler",)
    assert fake.operations.count("chunk") == 2


NESTED = "[" * 100_000
CONTENTS = {
    "no status": {},
    "status of another type": {"status": ["ok"]},
    "no expressions": {"status": "ok"},
    "expressions of another type": {"status": "ok", "user_expressions": ["pyo3magic"]},
    "value of another type": {"status": "ok", "user_expressions": {"pyo3magic": "text"}},
    "data of another type": {"status": "ok", "user_expressions": {"pyo3magic": {"status": "ok", "data": [1]}}},
    "text of another type": {"status": "ok", "user_expressions": {"pyo3magic": expression_value(17)}},
    "text that is code": {
        "status": "ok",
        "user_expressions": {"pyo3magic": expression_value("__import__('os').abort()")},
    },
    "text that is a nest": {"status": "ok", "user_expressions": {"pyo3magic": expression_value(NESTED)}},
    "base64 of nothing": {"status": "ok", "user_expressions": {"pyo3magic": expression_value("''")}},
    "base64 of a nest": {
        "status": "ok",
        "user_expressions": {"pyo3magic": expression_value(repr(base64.urlsafe_b64encode(NESTED.encode()).decode()))},
    },
    "a list": reply([1]),
    "a huge string": {"status": "ok", "user_expressions": {"pyo3magic": expression_value("'" + "A" * (2 << 20) + "'")}},
    "an error full of escapes": {
        "status": "error",
        "ename": "\x1b]0;title\x07" * 99,
        "evalue": "\x00\u202e" + "x" * 100_000,
    },
    "an error in the expression": {
        "status": "ok",
        "user_expressions": {"pyo3magic": {"status": "error", "ename": "ValueError", "evalue": ["\x1b[2J"] * 999}},
    },
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_replies_of_the_wrong_shape(fake: FakeKernel, remote: RemoteKernel, content: Any) -> None:
    fake.content = lambda _: content
    with refused(TargetReplyError, "answers nonsense"):
        remote.probe(Deadline.after(10))


def test_always_aborted(fake: FakeKernel, remote: RemoteKernel) -> None:
    fake.content = lambda _: {"status": "aborted"}
    with refused(TargetTimeoutError, "did not answer"):
        remote.probe(Deadline.after(SOON))


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ("hello", {"instance": "../../etc/passwd", "now": 1.0, "comms": True}),
        ("hello", {"instance": 5, "now": 1.0, "comms": True}),
        ("hello", {"instance": "a" * 32, "now": "noon", "comms": True}),
        ("hello", {"instance": "a" * 32, "now": None, "comms": True}),
        ("hello", "text"),
        ("probe", {"output": 7}),
        ("probe", {"output": "not JSON"}),
        ("probe", {"output": "{}"}),
        ("probe", {"output": NESTED}),
        ("probe", {"output": '{"ext_suffix": "/../../x.so"}'}),
        ("missing", {"missing": "all"}),
        ("missing", {"missing": ["../../../etc/shadow"]}),
        ("missing", {"missing": [["a"]]}),
        ("missing", {"missing": {}}),
        ("load", {"missing": [], "bound": ["eval"]}),
        ("load", {"missing": [], "bound": []}),
        ("load", {"missing": ["0" * 64], "bound": []}),
    ],
)
def test_answers_of_the_wrong_content(
    fake: FakeKernel, remote: RemoteKernel, shipment: Shipment, operation: str, result: Any
) -> None:
    fake.tamper = lambda answer, asked: {**answer, "result": result} if asked == operation else answer
    with refused(TargetReplyError, "nonsense|describe|interpreter description", 5):
        remote.load(shipment, Deadline.after(10))


def test_facts_that_cannot_be(fake: FakeKernel, remote: RemoteKernel) -> None:
    facts = {**Interpreter.current().facts(), "ext_suffix": "/../../../tmp/evil.so"}
    output = {"output": json.dumps(facts)}
    fake.tamper = lambda answer, asked: {**answer, "result": output} if asked == "probe" else answer
    with refused(TargetReplyError, "ext_suffix"):
        remote.probe(Deadline.after(10))


def test_lies_about_being_another_machine_only_get_another_build(
    fake: FakeKernel, remote: RemoteKernel, shipment: Shipment
) -> None:
    output = {"output": json.dumps({**Interpreter.current().facts(), "machine": "aarch64"})}
    fake.tamper = lambda answer, asked: {**answer, "result": output} if asked == "probe" else answer
    with refused(TargetMismatchError, "was built for"):
        remote.load(shipment, Deadline.after(10))


def test_restarted_with_another_interpreter(fake: FakeKernel, remote: RemoteKernel, shipment: Shipment) -> None:
    remote.load(shipment, Deadline.after(10))
    forget_agent()
    output = {"output": json.dumps({**Interpreter.current().facts(), "version": [3, 9], "full_version": "3.9.1"})}
    fake.tamper = lambda answer, asked: {**answer, "result": output} if asked == "probe" else answer
    with refused(TargetMismatchError, r"the kernel at .* runs CPython 3\.9\.1"):
        remote.load(shipment, Deadline.after(10))
    assert remote.probe(Deadline.after(10))[0].version == (3, 9)


def test_claims_to_lack_everything_for_ever(fake: FakeKernel, remote: RemoteKernel, shipment: Shipment) -> None:
    digests = [file.sha256 for file in shipment.files]
    fake.tamper = lambda answer, asked: {**answer, "result": {"missing": digests}} if asked == "load" else answer
    with refused(TargetReplyError, "has just confirmed"):
        remote.load(shipment, Deadline.after(10))
    assert fake.operations.count("load") == 2


def test_replies_of_earlier_requests_again(fake: FakeKernel, remote: RemoteKernel) -> None:
    remote.probe(Deadline.after(10))
    earlier = fake.execute(
        {"code": "", "user_expressions": {"k": remote.agent.expression("hello", Deadline.after(9), {})[1]}}
    )
    fake.content = lambda _: earlier
    with refused(TargetReplyError, "belongs to another request"):
        remote.agent.call("hello", Deadline.after(10))


def test_replies_to_requests_of_others(fake: FakeKernel, remote: RemoteKernel) -> None:
    remote.probe(Deadline.after(10))

    def other(_message: Any, identity: Any) -> None:
        parent: dict[str, Any]
        for parent in ({"header": {"msg_id": "someone-else"}}, {"header": {}}):
            fake.session.send(
                fake.sockets["shell"], "execute_reply", {"status": "error"}, parent=parent, ident=identity
            )

    fake.on_request = other
    assert remote.agent.call("hello", Deadline.after(10))
    fake.content = lambda _: None
    with refused(TargetTimeoutError, "did not answer within 1.5 seconds"):
        remote.agent.call("hello", Deadline.after(SOON))


def test_messages_that_are_not_signed(fake: FakeKernel, remote: RemoteKernel) -> None:
    remote.probe(Deadline.after(10))
    forger = Session(key=b"wrong")
    forger.check_pid = False

    def forge(message: Any, identity: Any) -> None:
        forger.send(fake.sockets["shell"], "execute_reply", {"status": "error"}, parent=message, ident=identity)
        fake.sockets["shell"].send_multipart([*identity, b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"])
        fake.sockets["shell"].send_multipart([*identity, b"junk"])

    fake.on_request = forge
    assert remote.agent.call("hello", Deadline.after(10))
    fake.voice = forger
    with refused(TargetError, "signed with another key"):
        remote.agent.call("hello", Deadline.after(SOON))


@pytest.mark.parametrize(
    "part", [b"[" * 100_000, b"\xff\xfe", b"[]", b"null", b'{"header": 1}', b'{"msg_id": {}, "msg_type": []}']
)
def test_signed_messages_that_are_no_messages(fake: FakeKernel, remote: RemoteKernel, part: bytes) -> None:
    remote.probe(Deadline.after(10))

    def send(_message: Any, identity: Any) -> None:
        for position in range(4):
            parts = [b"{}"] * 4
            parts[position] = part
            fake.sockets["shell"].send_multipart([*identity, b"<IDS|MSG>", fake.session.sign(parts), *parts])

    fake.on_request = send
    assert remote.agent.call("hello", Deadline.after(10))


def test_slow_drip(fake: FakeKernel, remote: RemoteKernel) -> None:
    remote.probe(Deadline.after(10))

    def drip(_message: Any, identity: Any) -> None:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            fake.session.send(
                fake.sockets["shell"],
                "execute_reply",
                {"status": "ok"},
                parent={"header": {"msg_id": "x"}},
                ident=identity,
            )
            time.sleep(0.02)

    fake.on_request = drip
    with refused(TargetError, "did not answer"):
        remote.agent.call("hello", Deadline.after(SOON))


def test_message_larger_than_the_limit(fake: FakeKernel, remote: RemoteKernel) -> None:
    remote.probe(Deadline.after(10))
    fake.content = lambda _: {"status": "ok", "text": "x" * (FRAME_LIMIT + 1)}
    with refused(TargetDiedError, "died or was restarted", 5):
        remote.agent.call("hello", Deadline.after(10))


def test_endless_output(fake: FakeKernel, remote: RemoteKernel) -> None:
    def pour(message: Any, _identity: Any) -> None:
        for _ in range(OUTPUT_LIMIT // (1 << 20) + 2):
            fake.session.send(
                fake.sockets["iopub"], "stream", {"name": "stdout", "text": "x" * (1 << 20)}, parent=message
            )

    fake.on_request = pour
    fake.content = lambda _: {"status": "ok"}
    with refused(TargetReplyError, "shows more than 16 MB", 5):
        remote.evaluate("1", Deadline.after(10))


def test_chunks_that_were_changed_on_the_way(
    fake: FakeKernel, remote: RemoteKernel, shipment: Shipment, tmp_path: Path
) -> None:
    remote.probe(Deadline.after(10))
    real = shipment.beside[0]
    lying = ShippedFile(real.name, real.path, "0" * 64, real.size)
    with refused(TargetStorageError, "others than were built", 5):
        send(remote.agent, lying, Deadline.after(10))
    assert not list((tmp_path / "remote").glob("*/*.part"))


@pytest.mark.parametrize(
    ("kind", "content", "data"),
    [
        ("display_data", {"data": {"application/javascript": "alert(1)"}}, None),
        ("display_data", {"data": {"application/vnd.jupyter.widget-view+json": {}}}, None),
        ("display_data", {"data": {"text/markdown": "<script>"}}, None),
        ("display_data", {"data": {"text/latex": r"$\href{javascript:x}{y}$"}}, None),
        ("display_data", {"data": {"text/latex": "$x$"}}, {"text/latex": "$x$"}),
        ("display_data", {"data": {"image/png": 'x" onerror="'}}, None),
        ("display_data", {"data": {"image/png": "iVBO="}}, {"image/png": "iVBO="}),
        ("display_data", {"data": "text"}, None),
        ("execute_result", {"data": {"text/plain": 5}}, None),
        (
            "stream",
            {"name": "stdout", "text": "\x1b[31mred\x1b[0m\x1b]52;c;eA==\x07"},
            {"text/plain": "\x1b[31mred\x1b[0m]52;c;eA=="},
        ),
        ("stream", {"name": "stdout", "text": 5}, None),
        ("error", {"traceback": [1], "ename": "E\x1b[2J", "evalue": None}, {"text/plain": "E[2J: None"}),
        ("error", {"traceback": ["a", "b"]}, {"text/plain": "a\nb"}),
        ("status", {"execution_state": "idle"}, None),
        ("comm_open", {"target_name": "x"}, None),
    ],
)
def test_outputs_are_made_harmless(kind: Any, content: Any, data: Any) -> None:
    output = output_of(Message("iopub", "id", kind, content))
    assert (None if output is None else output.data) == data


def test_svg_is_an_image_without_scripts() -> None:
    output = output_of(Message("iopub", "id", "display_data", {"data": {"image/svg+xml": "<svg onload='x'/>"}}))
    assert output is not None
    assert output.data["text/html"].startswith('<img src="data:image/svg+xml;base64,')


def test_text_of_others_is_cut_and_cleaned() -> None:
    assert plain_text("a\x1b[2Jb\u202ec") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c"
    assert plain_text("x" * 600) == "x" * 500 + "…"
    assert len(plain_text(["x"] * 10_000)) <= 501


@pytest.mark.parametrize(
    "change",
    [
        {"shell_port": "22"},
        {"shell_port": 0},
        {"hb_port": True},
        {"ip": "a b"},
        {"ip": 5},
        {"transport": "inproc"},
        {"key": None},
        {"signature_scheme": "md5"},
        {"iopub_port": 70_000},
    ],
)
def test_connection_files_that_are_none(change: dict[str, Any]) -> None:
    info = dict.fromkeys(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), 4000)
    assert parse_connection_info(json.dumps(info).encode(), "it")["ip"] == "127.0.0.1"
    with pytest.raises(TargetError, match="it is not a kernel's connection file"):
        parse_connection_info(json.dumps({**info, **change}).encode(), "it")
