"""A kernel on another machine, or another one on this: reached over a `Wire`, with the agent running in it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import InterpreterError
from pyo3magic.targets import (
    Deadline,
    Description,
    Receipt,
    Shipment,
    ShippedFile,
    TargetDiedError,
    TargetError,
    TargetImportError,
    TargetMismatchError,
    TargetRefusedError,
    TargetReplyError,
    TargetStorageError,
    TargetTimeoutError,
    TargetUnreachableError,
    plain_text,
)
from pyo3magic.targets.agent_source import agent_source
from pyo3magic.targets.outputs import Evaluation, Output, output_of
from pyo3magic.targets.wire import Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyo3magic.interpreter import Interpreter
    from pyo3magic.targets.wire import Channel, Message, Wire

__all__ = ["RemoteKernel"]

CHUNK = 1 << 20
"""Bytes per message: a Jupyter server drops messages of more than about 10 MB."""
WINDOW = 32
"""Chunks sent before the agent is asked whether they arrived, so that neither side piles up much."""
REPLY_LIMIT = 1 << 20
OUTPUT_LIMIT = 16 << 20
NAME_LIMIT = 200
_KEY = "pyo3magic"
_COMM_TARGET = "pyo3magic"
_NONSENSE_ADVICE = "Nothing of it was used. Check what runs there; restart that kernel, or disconnect."


class _AgentGoneError(Exception):
    """There is no agent in the kernel, or another one: it was restarted, or is new."""


class RemoteKernel:
    """A `Target` that is one kernel. Nothing it says is run, used as a path or put into an environment."""

    def __init__(self, wire: Wire, *, kind: str = "kernel") -> None:
        self._wire = wire
        self._kind = kind
        self._instance = ""
        self._clock = 0.0
        self._comms = False
        self._interpreter: Interpreter | None = None

    # -- the Target protocol -------------------------------------------------------------------------------------------

    def probe(self, deadline: Deadline) -> tuple[Interpreter]:
        """The kernel's interpreter; asked for once, and again when the kernel was restarted."""
        if self._interpreter is None:
            self._call("hello", deadline)
        if self._interpreter is None:
            self._interpreter = self._probed(deadline)
        return (self._interpreter,)

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Sends what the kernel lacks, in comm messages (or in requests, if it has no comms)."""
        from pyo3magic.targets.elf import check_fits

        self._require(shipment, deadline)
        for file in shipment.files:
            check_fits(file.path, shipment.interpreter, data=file is not shipment.file)
        asked = {file.sha256: file.size for file in shipment.files}
        answer = self._call("missing", deadline, files=asked)
        missing = self._names(answer, "missing", among=asked)
        self._require(shipment, deadline)
        sent = [file for file in shipment.files if file.sha256 in missing]
        by = ""
        try:
            for file in sent:
                by = self._send(file, deadline)
        except _AgentGoneError:
            raise self._restarted() from None
        return Receipt(tuple(file.name for file in sent), sum(file.size for file in sent), by)

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Imports and binds; ships first what is not there (any more)."""
        arguments = {
            "module": shipment.module,
            "file": shipment.file.sha256,
            "beside": [[file.name, file.sha256] for file in shipment.beside],
            "names": list(shipment.names),
            "alias": shipment.alias,
            "cells": [[cell.module, cell.file, cell.name] for cell in shipment.cells],
        }
        digests = {file.sha256: file.size for file in shipment.files}
        self._require(shipment, deadline)
        answer = self._call("load", deadline, **arguments)
        if self._names(answer, "missing", among=digests):
            self.ship(shipment, deadline)
            answer = self._call("load", deadline, **arguments)
            if self._names(answer, "missing", among=digests):
                raise self._nonsense("it lacks files that it has just confirmed")
        wanted = shipment.wanted
        if not shipment.names:
            return self._exported(answer, wanted)
        if set(self._names(answer, "bound", among=wanted)) != wanted:
            raise self._nonsense("it has not bound the names it was asked to")
        return tuple(sorted(wanted))

    def _exported(self, answer: dict[str, Any], wanted: frozenset[str]) -> tuple[str, ...]:
        # What a module exports is known there only; names are all that it can be.
        bound = answer.get("bound")
        names = [name for name in bound if isinstance(name, str)] if isinstance(bound, list) else []
        plain = all(name.isidentifier() and len(name) <= NAME_LIMIT for name in names)
        if not isinstance(bound, list) or len(names) != len(bound) or not plain or not wanted <= set(names):
            raise self._nonsense("it does not say which names it has bound")
        return tuple(sorted(set(names)))

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Runs code there as a cell that leaves no history, and returns what it showed, made harmless."""
        self._wire.listen(on=True)
        try:
            self._await_iopub(deadline)
            return self._collect(self._execute(code, silent=False), deadline)
        finally:
            self._wire.listen(on=False)

    def describe(self, deadline: Deadline) -> Description:
        """What this is, and whether it answers."""
        try:
            state, name = "answers", self.probe(deadline)[0].name
            self._call("hello", deadline)
        except TargetError as error:
            state, name = error.message, self._interpreter.name if self._interpreter else ""
        return Description(self._kind, self._wire.address, state, name)

    def close(self) -> None:
        """Lets go of the connection."""
        self._wire.close()

    # -- shipping ------------------------------------------------------------------------------------------------------

    def _require(self, shipment: Shipment, deadline: Deadline) -> None:
        (present,) = self.probe(deadline)
        if not present.is_abi_equal(shipment.interpreter):
            raise TargetMismatchError(
                f"{shipment.module} was built for {shipment.interpreter.name}, "
                f"but the kernel at {self._wire.address} runs {present.name}.",
                advice="Run the cell again: it is then built for the interpreter that is there now.",
            )

    def _send(self, file: ShippedFile, deadline: Deadline) -> str:
        transfer = secrets.token_hex(16)
        not_after = self._remote_time(deadline)
        ended = False
        self._ask("begin", deadline, transfer=transfer, digest=file.sha256, size=file.size, not_after=not_after)
        try:
            by = "comm" if self._comms and self._by_comm(file, transfer, deadline) else "base64"
            if by == "base64":
                for index, chunk in enumerate(_chunks(file)):
                    data, sha256 = base64.b64encode(chunk).decode(), hashlib.sha256(chunk).hexdigest()
                    self._ask("chunk", deadline, transfer=transfer, index=index, sha256=sha256, data=data)
            self._ask("end", deadline, transfer=transfer)
            ended = True
        finally:
            if not ended:  # what it has of the file is removed there, now or when its time is over
                with contextlib.suppress(TargetError):
                    _, expression = self._expression("abandon", deadline, {"transfer": transfer}, timed=False)
                    self._execute(silent=True, expression=expression)
        return by

    def _by_comm(self, file: ShippedFile, transfer: str, deadline: Deadline) -> bool:
        comm = secrets.token_hex(16)
        data: dict[str, Any] = {"comm_id": comm, "data": {}}
        self._wire.send("shell", "comm_open", {**data, "target_name": _COMM_TARGET})
        sent = 0
        try:
            for index, chunk in enumerate(_chunks(file)):
                data["data"] = {"transfer": transfer, "index": index, "sha256": hashlib.sha256(chunk).hexdigest()}
                self._wire.send("shell", "comm_msg", data, [chunk])
                sent += len(chunk)
                if index % WINDOW == 0 or sent == file.size:  # after the first chunk too: do comms work?
                    received = self._ask("received", deadline, transfer=transfer).get("received")
                    if received == 0:
                        return False
                    if received != sent:
                        raise self._nonsense("it counts other bytes than were sent")
        finally:
            with contextlib.suppress(TargetError):
                self._wire.send("shell", "comm_close", {"comm_id": comm, "data": {}})
        return True

    def _names(self, answer: dict[str, Any], key: str, among: Sequence[str] | Any) -> list[str]:
        # A list of some of the strings we sent, and of nothing else.
        value = answer.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item in among for item in value):
            raise self._nonsense(f"its {key!r} is not a list of what it was asked about")
        return value

    # -- requests to the agent -----------------------------------------------------------------------------------------

    def _call(self, operation: str, deadline: Deadline, **arguments: Any) -> dict[str, Any]:
        # Asks the agent, putting one there first if need be. What was known before a restart is forgotten.
        try:
            if self._instance:
                return self._ask(operation, deadline, **arguments)
        except _AgentGoneError:
            self._instance, self._interpreter = "", None
        self._install(deadline)
        self._interpreter = self._probed(deadline)
        try:
            return self._ask(operation, deadline, **arguments)
        except _AgentGoneError:
            raise self._restarted() from None

    def _install(self, deadline: Deadline) -> None:
        name, code = agent_source()
        nonce, expression = self._expression("hello", deadline, {}, timed=False)
        answer = self._answer(self._request(code, expression, deadline), nonce)
        instance, now, comms = answer.get("instance"), answer.get("now"), answer.get("comms")
        if not (isinstance(instance, str) and re.fullmatch(r"[0-9a-f]{32}", instance)):
            raise self._nonsense(f"the agent {name} does not say who it is")
        if not isinstance(now, (int, float)) or isinstance(comms, str):
            raise self._nonsense("the agent does not tell the time")
        self._instance, self._clock, self._comms = instance, float(now) - time.monotonic(), comms is True

    def _probed(self, deadline: Deadline) -> Interpreter:
        from pyo3magic.interpreter import Interpreter, probe_source

        output = self._ask("probe", deadline, source=probe_source()).get("output")
        lines = output.strip().splitlines() if isinstance(output, str) else []
        try:
            facts = json.loads(lines[-1] if lines else "")
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict):
            raise self._nonsense("it does not describe its Python")
        try:
            return Interpreter.from_facts(facts)
        except InterpreterError as error:
            raise TargetReplyError(
                f"The kernel at {self._wire.address}: {plain_text(error.message)}", advice=error.advice
            ) from None

    def _remote_time(self, deadline: Deadline) -> float:
        return self._clock + deadline.at

    def _expression(
        self, operation: str, deadline: Deadline, arguments: dict[str, Any], *, timed: bool = True
    ) -> tuple[str, str]:
        # A request to the agent: its id, and the expression that makes the agent answer it.
        nonce = secrets.token_hex(16)
        request: dict[str, Any] = {"id": nonce, "op": operation, "instance": self._instance, "arguments": arguments}
        if timed:  # a busy kernel that gets to this after we have given up must not do it
            request["not_after"] = self._remote_time(deadline)
        return nonce, f"__import__({agent_source()[0]!r}).call({json.dumps(request)!r})"

    def _ask(self, operation: str, deadline: Deadline, **arguments: Any) -> dict[str, Any]:
        nonce, expression = self._expression(operation, deadline, arguments)
        return self._answer(self._request("", expression, deadline), nonce)

    def _request(self, code: str, expression: str, deadline: Deadline) -> dict[str, Any]:
        # Again, if the kernel dropped it from its queue after somebody else's error.
        while True:
            content = self._reply(self._execute(code, silent=True, expression=expression), deadline)
            if content.get("status") not in ("aborted", "abort"):  # a tuple, as it may be unhashable
                return content

    def _execute(self, code: str = "", *, silent: bool, expression: str = "") -> str:
        return self._wire.send(
            "shell",
            "execute_request",
            {
                "code": code,
                "silent": silent,
                "store_history": False,
                "user_expressions": {_KEY: expression} if expression else {},
                "allow_stdin": False,
                "stop_on_error": False,
            },
        )

    def _answer(self, content: dict[str, Any], nonce: str) -> dict[str, Any]:
        # The agent's answer in a reply, or the error that it stands for.
        if content.get("status") != "ok":
            said = plain_text(f"{content.get('ename')}: {content.get('evalue')}")
            raise self._nonsense(f"it could not run a request ({said})")
        expressions = content.get("user_expressions")
        value = expressions.get(_KEY) if isinstance(expressions, dict) else None
        if not isinstance(value, dict):
            raise self._nonsense("its reply lacks what was asked for")
        if value.get("status") == "error":
            if value.get("ename") == "ModuleNotFoundError":
                raise _AgentGoneError
            raise self._nonsense(f"the agent failed ({plain_text(value.get('evalue'))})")
        data = value.get("data")
        text = data.get("text/plain") if isinstance(data, dict) else None
        if not isinstance(text, str) or len(text) > REPLY_LIMIT or not re.fullmatch(r"'[A-Za-z0-9_=-]*'", text):
            raise self._nonsense("its reply is not the agent's")
        try:
            answer = json.loads(base64.urlsafe_b64decode(text[1:-1]))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("id") != nonce:
            raise self._nonsense("its reply belongs to another request")
        if isinstance(answer.get("result"), dict):
            return dict(answer["result"])
        raise self._refusal(answer.get("kind"), plain_text(answer.get("text")))

    def _refusal(self, kind: object, text: str) -> Exception:
        where = f"The kernel at {self._wire.address}"
        if kind == "instance":
            return _AgentGoneError()
        if kind == "late":
            return TargetTimeoutError(f"{where} got to a request too late, and did not do it.", advice=_BUSY_ADVICE)
        if kind == "storage":
            return TargetStorageError(
                f"{where} could not store the module: {text}.",
                advice="Free some space there (or set TMPDIR before the kernel starts), and run the cell again.",
            )
        if kind == "damaged":
            return TargetStorageError(
                f"{where} did not receive what was sent: {text}.",
                advice="What had arrived was thrown away. Run the cell again; if it repeats, distrust the connection.",
            )
        if kind == "import":
            return TargetImportError(
                f"{where} has the module but cannot import it: {text}.", advice="Nothing was bound there."
            )
        return self._nonsense(f"the agent failed ({text})")

    def _nonsense(self, what: str) -> TargetReplyError:
        return TargetReplyError(
            f"The kernel at {self._wire.address} answers nonsense: {what}.", advice=_NONSENSE_ADVICE
        )

    def _restarted(self) -> TargetDiedError:
        self._instance, self._interpreter = "", None
        return TargetDiedError(
            f"The kernel at {self._wire.address} was restarted in the middle of a request.",
            advice="Run the cell again.",
        )

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _reply(self, request: str, deadline: Deadline) -> dict[str, Any]:
        message = self._next(["shell"], deadline)
        while message.parent != request or message.kind != "execute_reply":
            message = self._next(["shell"], deadline)
        return message.content

    def _next(self, channels: Sequence[Channel], deadline: Deadline) -> Message:
        # The next message of any kind; when the time is over, the error that says why there is none.
        until = deadline.before(share=0.2, most=2.0)
        if until.left() > 0 and (message := self._wire.receive(channels, until.left())):
            return message
        symptom = self._wire.symptom(max(0.2, deadline.left()))
        kinds = {Symptom.GONE: TargetUnreachableError, Symptom.REFUSED: TargetRefusedError}
        kind = kinds.get(symptom, TargetTimeoutError)
        raise kind(
            f"The kernel at {self._wire.address} did not answer within {deadline.seconds:g} seconds: {symptom.value}.",
            advice=_BUSY_ADVICE if kind is TargetTimeoutError else "Check the connection file and that kernel.",
        )

    def _await_iopub(self, deadline: Deadline) -> None:
        # A subscription takes effect some time after it is made: ask until an answer is seen on iopub.
        asked: set[str] = set()
        while True:
            asked.add(self._wire.send("shell", "kernel_info_request", {}))
            again = time.monotonic() + 0.5
            while (left := again - time.monotonic()) > 0 and deadline.left() > 0:
                message = self._wire.receive(["iopub"], left)
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
                    raise self._nonsense(f"it shows more than {OUTPUT_LIMIT >> 20} MB")
                outputs.append(output)
        return Evaluation(tuple(outputs), status == "ok")


_BUSY_ADVICE = "Interrupt or wait for what runs there, or allow more time, and run the cell again."


def _chunks(file: ShippedFile) -> Iterator[bytes]:
    with file.path.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk
