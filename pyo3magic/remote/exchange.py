"""Send requests to a kernel over a `Wire` and wait for its answers; no request outlasts its deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .evaluation import Evaluation, Output, output_of
from .target import TargetRefusedError, TargetReplyError, TargetTimeoutError, TargetUnreachableError, plain_text
from .wire import Symptom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .target import Deadline
    from .wire import Channel, Message, Wire

__all__ = ["BUSY_ADVICE", "KEY", "Exchange"]

BUSY_ADVICE = "Interrupt or wait for what runs there, or allow more time, and run the cell again."
KEY = "pyo3magic"
"""The name under which a reply carries the value of a request's expression."""
OUTPUT_LIMIT = 16 << 20
_INVALID_ADVICE = "The answer was ignored. Check what runs there; restart that kernel, or disconnect."


class Exchange:
    """Requests to one kernel, and its answers.

    Args:
        wire: the connection to the kernel.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @property
    def address(self) -> str:
        """The kernel's address, for messages."""
        return self.wire.address

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Run code in the kernel as a cell without history; return its output, made harmless.

        Raises:
            TargetError: the kernel does not answer before the deadline, or shows more than `OUTPUT_LIMIT`.
        """
        self.wire.listen(on=True)
        try:
            self._await_iopub(deadline)
            return self._collect(self.execute(code, silent=False), deadline)
        finally:
            self.wire.listen(on=False)

    def request(self, code: str, expression: str, deadline: Deadline) -> dict[str, Any]:
        """Run code silently and evaluate an expression after it; return the content of the reply.

        Raises:
            TargetError: the kernel does not answer before the deadline.
        """
        # Sent again if the kernel dropped it from its queue after another client's error.
        while True:
            content = self._reply(self.execute(code, silent=True, expression=expression), deadline)
            if content.get("status") not in ("aborted", "abort"):  # a tuple, as it may be unhashable
                return content

    def execute(self, code: str = "", *, silent: bool, expression: str = "") -> str:
        """Send an execute request and return its id without waiting."""
        return self.wire.send(
            "shell",
            "execute_request",
            {
                "code": code,
                "silent": silent,
                "store_history": False,
                "user_expressions": {KEY: expression} if expression else {},
                "allow_stdin": False,
                "stop_on_error": False,
            },
        )

    def invalid(self, what: str) -> TargetReplyError:
        """The error for an answer that is malformed or impossible.

        Args:
            what: what is wrong with it, as the end of a sentence.
        """
        return TargetReplyError(f"The kernel at {self.address} sent an invalid answer: {what}.", advice=_INVALID_ADVICE)

    def _reply(self, request: str, deadline: Deadline) -> dict[str, Any]:
        message = self._next(["shell"], deadline)
        while message.parent != request or message.kind != "execute_reply":
            message = self._next(["shell"], deadline)
        return message.content

    def _next(self, channels: Sequence[Channel], deadline: Deadline) -> Message:
        # The next message of any kind. After the deadline, an error says why the kernel may be silent.
        until = deadline.before(share=0.2, most=2.0)
        if until.left() > 0 and (message := self.wire.receive(channels, until.left())):
            return message
        symptom = self.wire.symptom(max(0.2, deadline.left()))
        kinds = {Symptom.GONE: TargetUnreachableError, Symptom.REFUSED: TargetRefusedError}
        kind = kinds.get(symptom, TargetTimeoutError)
        raise kind(
            f"The kernel at {self.address} did not answer within {deadline.seconds:g} seconds: {symptom.value}.",
            advice=BUSY_ADVICE if kind is TargetTimeoutError else "Check the connection file and that kernel.",
        )

    def _await_iopub(self, deadline: Deadline) -> None:
        # A subscription takes effect some time after it is made: ask until an answer is seen on iopub.
        asked: set[str] = set()
        pause = 0.025
        while True:
            asked.add(self.wire.send("shell", "kernel_info_request", {}))
            pause = min(2 * pause, 0.5)
            again = time.monotonic() + pause
            while (left := again - time.monotonic()) > 0 and deadline.left() > 0:
                message = self.wire.receive(["iopub"], left)
                if message and message.parent in asked:
                    return
            if deadline.before(share=0.2, most=2.0).left() <= 0:
                self._next(["iopub"], deadline)

    def _collect(self, request: str, deadline: Deadline) -> Evaluation:
        outputs: list[Output] = []
        status, idle, size = "", False, 0
        while not (status and idle):
            message = self._next(["shell", "iopub"], deadline)
            if message.parent != request:
                continue
            if message.channel == "shell" and message.kind == "execute_reply":
                status = plain_text(message.content.get("status"))
            elif message.kind == "status" and message.content.get("execution_state") == "idle":
                idle = True
            elif output := output_of(message):
                size += sum(map(len, output.data.values()))
                if size > OUTPUT_LIMIT:
                    raise self.invalid(f"it shows more than {OUTPUT_LIMIT >> 20} MB")
                outputs.append(output)
        return Evaluation(tuple(outputs), status == "ok")
