"""What all engines share."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest

from pyo3magic.remote.target import Deadline, TargetTimeoutError, TargetUnreachableError
from pyo3magic.remote.workers import is_a, request, within


def test_within_gives_up_in_time() -> None:
    ended = threading.Event()
    started = time.monotonic()
    with pytest.raises(TargetTimeoutError, match=r"The cluster did not answer within 0.2 seconds"):
        within(Deadline.after(0.2), "The cluster", lambda: ended.wait(60))
    assert time.monotonic() - started < 30
    ended.set()


def fail(error: Exception) -> None:
    raise error


def test_within_tells_failures_apart() -> None:
    assert within(Deadline.after(60), "The cluster", lambda: 42) == 42
    assert within(Deadline.after(60), "The cluster", lambda: None) is None
    with pytest.raises(TargetUnreachableError, match="The cluster failed: OSError: gone"):
        within(Deadline.after(60), "The cluster", lambda: fail(OSError("gone")))
    with pytest.raises(TargetTimeoutError):
        within(Deadline.after(60), "The cluster", lambda: fail(TimeoutError()))


def test_is_a_looks_at_names_only() -> None:
    assert is_a(time.struct_time(range(9)), "time", "struct_time")
    assert is_a(True, "builtins", "int")
    assert not is_a(1, "distributed", "Client")


@pytest.mark.parametrize(
    ("machine", "expected"), [("no such machine", {"other": True}), (None, {"missing": ["f" * 64]})]
)
def test_a_request_is_an_expression_that_brings_its_agent(machine: str | None, expected: dict[str, object]) -> None:
    arguments = {"module": "m", "file": "f" * 64, "beside": [], "names": [], "alias": ""}
    expression = request("load", only={"machine": machine} if machine else {}, **arguments)
    answer = json.loads(base64.urlsafe_b64decode(eval(expression, {"files": {}})))
    assert answer["result"] == expected
