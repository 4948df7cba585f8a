"""Requests and what is made of the answers; `test_hostile` has the same over real sockets."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.remote import exchange as exchange_module
from pyo3magic.remote import target as target_module
from pyo3magic.remote.evaluation import Output
from pyo3magic.remote.exchange import OUTPUT_LIMIT, Exchange
from pyo3magic.remote.target import (
    Deadline,
    TargetDiedError,
    TargetRefusedError,
    TargetReplyError,
    TargetTimeoutError,
    TargetUnreachableError,
)
from pyo3magic.remote.wire import Message, Symptom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyo3magic.remote.wire import Channel


class Recorded:
    """A `Wire` whose other end is a function: it gets each request, and returns the messages that come for it."""

    def __init__(self, answer: Callable[[str, str, Mapping[str, Any]], Sequence[Message]]) -> None:
        self.address = "there"
        self.answer = answer
        self.numbers = itertools.count(1)
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.coming: list[Message] = []
        self.waited: list[tuple[tuple[str, ...], float]] = []
        self.listening: list[bool] = []
        self.what = Symptom.SILENT
        self.asked_for = 0.0
        self.pause: Callable[[float], object] = time.sleep

    def send(self, channel: Channel, kind: str, content: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> str:
        assert not buffers
        self.sent.append((channel, kind, dict(content)))
        request = str(next(self.numbers))
        self.coming += self.answer(request, kind, content)
        return request

    def receive(self, channels: Sequence[Channel], seconds: float) -> Message | None:
        self.waited.append((tuple(channels), seconds))
        for message in self.coming:
            if message.channel in channels:
                self.coming.remove(message)
                return message
        self.pause(min(seconds, 0.01))
        return None

    def listen(self, *, on: bool) -> None:
        self.listening.append(on)

    def symptom(self, seconds: float) -> Symptom:
        self.asked_for = seconds
        return self.what

    def close(self) -> None:
        raise AssertionError


def reply(request: str, **content: Any) -> Message:
    return Message("shell", request, "execute_reply", content)


def iopub(request: str, kind: str, **content: Any) -> Message:
    return Message("iopub", request, kind, content)


def silent(_request: str, _kind: str, _content: Mapping[str, Any]) -> list[Message]:
    return []


def test_what_a_request_says() -> None:
    wire = Recorded(silent)
    exchange = Exchange(wire)
    assert exchange.address == "there"
    assert [exchange.execute("code", silent=False), exchange.execute(silent=True, expression="1 + 1")] == ["1", "2"]
    same = {"store_history": False, "allow_stdin": False, "stop_on_error": False}
    assert wire.sent == [
        ("shell", "execute_request", {"code": "code", "silent": False, "user_expressions": {}, **same}),
        ("shell", "execute_request", {"code": "", "silent": True, "user_expressions": {"pyo3magic": "1 + 1"}, **same}),
    ]
    assert not wire.waited


def test_the_reply_to_this_request() -> None:
    def answer(request: str, _kind: str, _content: Mapping[str, Any]) -> list[Message]:
        return [
            reply("another", status="ok", number=1),
            Message("shell", request, "kernel_info_reply", {"number": 2}),
            reply(request, status="ok", number=3),
        ]

    wire = Recorded(answer)
    assert Exchange(wire).request("code", "expression", Deadline.after(60)) == {"status": "ok", "number": 3}
    assert wire.sent[0][2]["silent"] is True
    assert {channels for channels, _ in wire.waited} == {("shell",)}


@pytest.mark.parametrize("dropped", ["aborted", "abort"])
def test_a_request_that_was_dropped_is_sent_again(dropped: str) -> None:
    states = iter([dropped, dropped, "error"])
    wire = Recorded(lambda request, _kind, _content: [reply(request, status=next(states))])
    assert Exchange(wire).request("c", "e", Deadline.after(60)) == {"status": "error"}
    assert len(wire.sent) == 3
    assert wire.sent[0] == wire.sent[1] == wire.sent[2]


def test_a_status_of_any_type() -> None:
    wire = Recorded(lambda request, _kind, _content: [reply(request, status=["aborted"])])
    assert Exchange(wire).request("c", "e", Deadline.after(60)) == {"status": ["aborted"]}


@pytest.mark.parametrize(
    ("symptom", "kind", "advice"),
    [
        (Symptom.BUSY, TargetTimeoutError, "Interrupt or wait for what runs there"),
        (Symptom.SILENT, TargetTimeoutError, "Interrupt or wait for what runs there"),
        (Symptom.REFUSED, TargetRefusedError, "Check the connection file and that kernel."),
        (Symptom.GONE, TargetUnreachableError, "Check the connection file and that kernel."),
    ],
)
def test_no_answer(symptom: Symptom, kind: type[TargetTimeoutError], advice: str) -> None:
    wire = Recorded(silent)
    wire.what = symptom
    with pytest.raises(kind, match=f"there did not answer within 60 seconds: {symptom.value}") as caught:
        Exchange(wire).request("c", "e", Deadline.after(60))
    assert caught.value.advice.startswith(advice)


@pytest.mark.parametrize(("seconds", "reserved"), [(60, 2.0), (5, 1.0), (1, 0.2)])
def test_time_is_kept_to_find_out_why(seconds: float, reserved: float) -> None:
    wire = Recorded(silent)
    with pytest.raises(TargetTimeoutError):
        Exchange(wire).request("c", "e", Deadline.after(seconds))
    ((_, waited),) = wire.waited
    assert seconds - reserved - 0.15 < waited <= seconds - reserved
    assert wire.asked_for == pytest.approx(seconds, abs=0.3)


def test_nothing_is_awaited_when_the_time_is_over() -> None:
    wire = Recorded(lambda request, _kind, _content: [reply(request, status="ok")])
    with pytest.raises(TargetTimeoutError, match="did not answer within 0 seconds"):
        Exchange(wire).request("c", "e", Deadline.after(0))
    assert not wire.waited
    assert wire.asked_for == 0.2


def evaluating(*outputs: Callable[[str], Message]) -> Callable[[str, str, Mapping[str, Any]], list[Message]]:
    """A kernel that answers on iopub when it is asked for its info, and shows the outputs when it is to run code."""

    def answer(request: str, kind: str, _content: Mapping[str, Any]) -> list[Message]:
        if kind == "kernel_info_request":
            return [iopub(request, "status", execution_state="busy")]
        return [output(request) for output in outputs]

    return answer


def idle(request: str) -> Message:
    return iopub(request, "status", execution_state="idle")


def ok(request: str) -> Message:
    return reply(request, status="ok")


@pytest.mark.parametrize("last", [(ok, idle), (idle, ok)])
def test_all_that_is_shown(last: tuple[Callable[[str], Message], ...]) -> None:
    wire = Recorded(
        evaluating(
            lambda request: iopub(request, "status", execution_state="busy"),
            lambda request: iopub(request, "stream", name="stdout", text="1"),
            lambda _: iopub("another", "stream", name="stdout", text="of another request"),
            lambda _: reply("another", status="error"),
            lambda request: Message("shell", request, "another_reply", {"status": "error"}),
            lambda request: Message("iopub", request, "execute_reply", {"status": "error"}),
            lambda request: iopub(request, "execute_result", data={"text/plain": "2"}),
            *last,
        )
    )
    evaluation = Exchange(wire).evaluate("code", Deadline.after(60))
    assert evaluation.outputs == (Output("stdout", {"text/plain": "1"}), Output("result", {"text/plain": "2"}))
    assert evaluation.ok
    assert wire.listening == [True, False]
    assert wire.sent[-1][2]["code"] == "code"
    assert wire.sent[-1][2]["silent"] is False
    assert not wire.coming


def test_code_that_fails() -> None:
    wire = Recorded(
        evaluating(
            lambda request: iopub(request, "error", traceback=["line"]),
            idle,
            lambda request: reply(request, status="error"),
        )
    )
    evaluation = Exchange(wire).evaluate("code", Deadline.after(60))
    assert evaluation.outputs == (Output("error", {"text/plain": "line"}),)
    assert not evaluation.ok


def test_a_kernel_that_never_becomes_idle() -> None:
    wire = Recorded(evaluating(ok))
    with pytest.raises(TargetTimeoutError):
        Exchange(wire).evaluate("code", Deadline.after(60))
    assert wire.listening == [True, False]


def test_listening_ends_after_an_error() -> None:
    def die(_request: str, _kind: str, _content: Mapping[str, Any]) -> list[Message]:
        raise TargetDiedError("gone")

    wire = Recorded(die)
    with pytest.raises(TargetDiedError):
        Exchange(wire).evaluate("code", Deadline.after(60))
    assert wire.listening == [True, False]


def text_of(size: int) -> Callable[[str], Message]:
    return lambda request: iopub(request, "stream", name="stdout", text="x" * size)


def test_output_up_to_the_limit() -> None:
    assert OUTPUT_LIMIT == 16 << 20
    half = OUTPUT_LIMIT // 2
    evaluation = Exchange(Recorded(evaluating(text_of(half), text_of(half), ok, idle))).evaluate("", Deadline.after(60))
    assert sum(len(output.text) for output in evaluation.outputs) == OUTPUT_LIMIT
    endless = Recorded(evaluating(text_of(half), text_of(half + 1), ok, idle))
    with pytest.raises(TargetReplyError, match="sent an invalid answer: it shows more than 16 MB"):
        Exchange(endless).evaluate("", Deadline.after(60))


def test_a_subscription_is_asked_for_until_it_works() -> None:
    asked: list[float] = []

    def answer(request: str, kind: str, _content: Mapping[str, Any]) -> list[Message]:
        if kind == "execute_request":
            return [ok(request), idle(request)]
        asked.append(time.monotonic())
        stranger = iopub("another", "status", execution_state="busy")
        # What was asked first is answered after the third question.
        return [stranger, iopub("1", "status", execution_state="busy")] if len(asked) == 3 else [stranger]

    wire = Recorded(answer)
    assert Exchange(wire).evaluate("", Deadline.after(60)).ok
    assert [kind for _, kind, _ in wire.sent] == ["kernel_info_request"] * 3 + ["execute_request"]
    assert all(sent[:1] == ("shell",) for sent in wire.sent)
    assert wire.sent[0][2] == {}
    first, second = asked[1] - asked[0], asked[2] - asked[1]
    assert first >= 0.05
    assert second >= 0.1
    assert {channels for channels, _ in wire.waited[:-2]} == {("iopub",)}
    assert max(seconds for channels, seconds in wire.waited if channels == ("iopub",)) <= 0.2


def test_pauses_grow_to_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Recorded(silent)
    wire.what = Symptom.GONE
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(exchange_module, "time", clock)
    monkeypatch.setattr(target_module, "time", clock)
    wire.pause = lambda seconds: now.__setitem__(0, now[0] + seconds)
    with pytest.raises(TargetUnreachableError, match=r"did not answer within 2.5 seconds"):
        Exchange(wire).evaluate("", Deadline.after(2.5))
    # 0.05, 0.1, 0.2, 0.4, 0.5, 0.5 and what is left of two seconds
    assert len(wire.sent) == 7
    assert wire.asked_for <= 0.9
    assert max(seconds for _, seconds in wire.waited) == pytest.approx(0.5)


def test_an_invalid_answer_is_an_error_with_advice() -> None:
    error = Exchange(Recorded(silent)).invalid("what it says")
    assert isinstance(error, TargetReplyError)
    assert error.message == "The kernel at there sent an invalid answer: what it says."
    assert error.advice
