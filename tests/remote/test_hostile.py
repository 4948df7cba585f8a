"""Kernels that lie: one clear kind of error each, within the deadline, and nothing of what they say is used."""

from __future__ import annotations

import _lsprof
import base64
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.session import Session

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.exchange import OUTPUT_LIMIT
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
from pyo3magic.remote.wire import FRAME_LIMIT

from .fake_kernel import FakeKernel, expression_value, forget_agent, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.remote.kernel import RemoteKernel

SOON = 0.3


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKernel]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "remote"))
    (tmp_path / "remote").mkdir()
    monkeypatch.setitem(sys.modules, "_lsprof", _lsprof)  # the "remote" process is this one: put back what was here
    monkeypatch.setitem(sys.modules["__main__"].__dict__, "Profiler", None)
    kernel = FakeKernel()
    kernel.start()
    yield kernel
    kernel.end()
    forget_agent()


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
def refused(kind: Any, match: str, seconds: float = 3) -> Iterator[None]:
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
    with refused(TargetReplyError, "sent an invalid answer"):
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
    with refused(TargetReplyError, "invalid answer|describe|interpreter description", 5):
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
    with refused(TargetTimeoutError, f"did not answer within {SOON} seconds"):
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
    with refused(TargetError, "signed with a different key"):
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
        end = time.monotonic() + SOON + 0.3
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
    with refused(TargetStorageError, "their digest differs", 5):
        send(remote.agent, lying, Deadline.after(10))
    assert not list((tmp_path / "remote").glob("*/*.part"))


def test_text_of_others_is_cut_and_cleaned() -> None:
    assert plain_text("a\x1b[2Jb\u202ec") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c"
    assert plain_text("x" * 600) == "x" * 500 + "…"
    assert len(plain_text(["x"] * 10_000)) <= 501
