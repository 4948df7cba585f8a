"""Install the agent in a remote kernel, send it requests, and check its answers."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.environment.interpreter_probe import probe_source
from pyo3magic.errors import InterpreterError

from .agent_source import agent_source
from .exchange import BUSY_ADVICE, KEY
from .target import (
    TargetDiedError,
    TargetImportError,
    TargetReplyError,
    TargetStorageError,
    TargetTimeoutError,
    plain_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .exchange import Exchange
    from .target import Deadline

__all__ = ["AgentGoneError", "RemoteAgent", "interpreter_of"]

REPLY_LIMIT = 1 << 20


def interpreter_of(output: object, who: str) -> Interpreter:
    """The interpreter that the probe's output describes.

    Args:
        output: what the probe printed in a kernel or worker; its last line is JSON.
        who: the kernel or worker, as the start of an error message.

    Raises:
        TargetReplyError: the output is not an interpreter's description.
    """
    try:
        return Interpreter.from_facts(json.loads(str(output).strip().splitlines()[-1]))
    except (ValueError, TypeError, IndexError, RecursionError):  # a TypeError where JSON is no object
        raise TargetReplyError(
            f"{who} does not describe its Python interpreter.", advice="Restart it, or leave it out."
        ) from None
    except InterpreterError as error:
        raise TargetReplyError(f"{who}: {plain_text(error.message)}", advice=error.advice) from None


class AgentGoneError(Exception):
    """The kernel has no agent, or a new agent, because it was restarted."""


class RemoteAgent:
    """The agent of one kernel.

    Attributes:
        exchange: requests to the kernel.
        instance: id of the agent, which changes with each restart; empty before the first request.
        comms: whether the agent accepts files as comm messages.
        interpreter: the kernel's Python; None until it is known.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.instance = ""
        self.comms = False
        self.interpreter: Interpreter | None = None
        self._clock = 0.0

    def probe(self, deadline: Deadline) -> Interpreter:
        """The kernel's interpreter; asked for once, and again after a restart."""
        if self.interpreter is None:
            self.call("hello", deadline)
        if self.interpreter is None:
            self.interpreter = self._probed(deadline)
        return self.interpreter

    def call(self, operation: str, deadline: Deadline, **arguments: Any) -> dict[str, Any]:
        """Send a request, installing the agent first if necessary; facts from before a restart are forgotten."""
        try:
            if self.instance:
                return self.ask(operation, deadline, **arguments)
        except AgentGoneError:
            self.instance, self.interpreter = "", None
        self._install(deadline)
        self.interpreter = self._probed(deadline)
        try:
            return self.ask(operation, deadline, **arguments)
        except AgentGoneError:
            raise self.restarted() from None

    def _install(self, deadline: Deadline) -> None:
        name, code = agent_source()
        nonce, expression = self.expression("hello", deadline, {}, timed=False)
        answer = self._answer(self.exchange.request(code, expression, deadline), nonce)
        instance, now, comms = answer.get("instance"), answer.get("now"), answer.get("comms")
        if not (isinstance(instance, str) and re.fullmatch(r"[0-9a-f]{32}", instance)):
            raise self.exchange.invalid(f"the agent {name} does not say who it is")
        if not isinstance(now, (int, float)) or isinstance(comms, str):
            raise self.exchange.invalid("the agent does not report its clock")
        self.instance, self._clock, self.comms = instance, float(now) - time.monotonic(), comms is True

    def _probed(self, deadline: Deadline) -> Interpreter:
        answer = self.ask("probe", deadline, source=probe_source())
        return interpreter_of(answer.get("output"), f"The kernel at {self.exchange.address}")

    def remote_time(self, deadline: Deadline) -> float:
        """A deadline by the kernel's clock, in seconds."""
        return self._clock + deadline.at

    def expression(
        self, operation: str, deadline: Deadline, arguments: dict[str, Any], *, timed: bool = True
    ) -> tuple[str, str]:
        """A request's id, and the expression that makes the agent answer it."""
        nonce = secrets.token_hex(16)
        request: dict[str, Any] = {"id": nonce, "op": operation, "instance": self.instance, "arguments": arguments}
        if timed:  # a busy kernel must not act on this after the deadline
            request["not_after"] = self.remote_time(deadline)
        return nonce, f"__import__({agent_source()[0]!r}).call({json.dumps(request)!r})"

    def ask(self, operation: str, deadline: Deadline, **arguments: Any) -> dict[str, Any]:
        """Send a request to the agent that answered last.

        Raises:
            AgentGoneError: that agent is gone.
            TargetError: the agent refuses, or its answer is invalid.
        """
        nonce, expression = self.expression(operation, deadline, arguments)
        return self._answer(self.exchange.request("", expression, deadline), nonce)

    def names(self, answer: dict[str, Any], key: str, among: Sequence[str] | Any) -> list[str]:
        """A list in an answer, checked to contain only strings that were sent."""
        value = answer.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item in among for item in value):
            raise self.exchange.invalid(f"its {key!r} is not a list of what it was asked about")
        return value

    def _answer(self, content: dict[str, Any], nonce: str) -> dict[str, Any]:
        # The agent's answer in a reply, or the error that the reply stands for.
        if content.get("status") != "ok":
            said = plain_text(f"{content.get('ename')}: {content.get('evalue')}")
            raise self.exchange.invalid(f"it could not run a request ({said})")
        expressions = content.get("user_expressions")
        value = expressions.get(KEY) if isinstance(expressions, dict) else None
        if not isinstance(value, dict):
            raise self.exchange.invalid("its reply lacks the requested value")
        if value.get("status") == "error":
            if value.get("ename") == "ModuleNotFoundError":
                raise AgentGoneError
            raise self.exchange.invalid(f"the agent failed ({plain_text(value.get('evalue'))})")
        data = value.get("data")
        text = data.get("text/plain") if isinstance(data, dict) else None
        if not isinstance(text, str) or len(text) > REPLY_LIMIT or not re.fullmatch(r"'[A-Za-z0-9_=-]*'", text):
            raise self.exchange.invalid("its reply is not the agent's")
        try:
            answer = json.loads(base64.urlsafe_b64decode(text[1:-1]))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("id") != nonce:
            raise self.exchange.invalid("its reply belongs to another request")
        if isinstance(answer.get("result"), dict):
            return dict(answer["result"])
        raise self._refusal(answer.get("kind"), plain_text(answer.get("text")))

    def _refusal(self, kind: object, text: str) -> Exception:
        where = f"The kernel at {self.exchange.address}"
        if kind == "instance":
            return AgentGoneError()
        if kind == "late":
            return TargetTimeoutError(
                f"{where} reached a request after its deadline and skipped it.", advice=BUSY_ADVICE
            )
        if kind == "storage":
            return TargetStorageError(
                f"{where} could not store the module: {text}.",
                advice="Free some space there (or set TMPDIR before the kernel starts), and run the cell again.",
            )
        if kind == "damaged":
            return TargetStorageError(
                f"{where} did not receive what was sent: {text}.",
                advice="The data was discarded. Run the cell again; if it happens again, suspect the connection.",
            )
        if kind == "import":
            return TargetImportError(
                f"{where} has the module but cannot import it: {text}.", advice="Nothing was bound there."
            )
        return self.exchange.invalid(f"the agent failed ({text})")

    def restarted(self) -> TargetDiedError:
        """Forget the kernel's facts, and return the error for a kernel that lost its agent during a request."""
        self.instance, self.interpreter = "", None
        return TargetDiedError(
            f"The kernel at {self.exchange.address} was restarted in the middle of a request.",
            advice="Run the cell again.",
        )
