"""Another kernel, on this machine or a different machine, reached over a `Wire`; the agent runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exchange import Exchange
from .remote_agent import AgentGoneError, RemoteAgent
from .sending import send
from .target import Deadline, Description, Receipt, Shipment, TargetError, TargetMismatchError

if TYPE_CHECKING:
    from pyo3magic.environment.interpreter import Interpreter

    from .evaluation import Evaluation
    from .wire import Wire

__all__ = ["RemoteKernel"]

NAME_LIMIT = 200


class RemoteKernel:
    """A `Target` that is one kernel. Its answers are never run, used as paths or put into an environment.

    Attributes:
        wire: the connection to the kernel.
        exchange: requests and replies over the wire.
        agent: the agent in the kernel.
    """

    def __init__(self, wire: Wire, *, kind: str = "kernel") -> None:
        self.wire = wire
        self.exchange = Exchange(wire)
        self.agent = RemoteAgent(self.exchange)
        self._kind = kind

    def probe(self, deadline: Deadline) -> tuple[Interpreter]:
        """The kernel's interpreter; asked for once, and again after a restart."""
        return (self.agent.probe(deadline),)

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Send the files that the kernel lacks, in comm messages, or in requests if it has no comms."""
        from .elf import check_fits

        self._require(shipment, deadline)
        for file in shipment.files:
            check_fits(file.path, shipment.interpreter, data=file is not shipment.file)
        asked = {file.sha256: file.size for file in shipment.files}
        answer = self.agent.call("missing", deadline, files=asked)
        missing = self.agent.names(answer, "missing", among=asked)
        self._require(shipment, deadline)
        sent = [file for file in shipment.files if file.sha256 in missing]
        by = ""
        try:
            for file in sent:
                by = send(self.agent, file, deadline)
        except AgentGoneError:
            raise self.agent.restarted() from None
        return Receipt(tuple(file.name for file in sent), sum(file.size for file in sent), by)

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Import the module and bind its names, after shipping any file that is missing."""
        digests = {file.sha256: file.size for file in shipment.files}
        self._require(shipment, deadline)
        answer = self.agent.call("load", deadline, **shipment.arguments)
        if self.agent.names(answer, "missing", among=digests):
            self.ship(shipment, deadline)
            answer = self.agent.call("load", deadline, **shipment.arguments)
            if self.agent.names(answer, "missing", among=digests):
                raise self.exchange.invalid("it lacks files that it has just confirmed")
        wanted = shipment.wanted
        if not shipment.names:
            return self._exported(answer, wanted)
        if set(self.agent.names(answer, "bound", among=wanted)) != wanted:
            raise self.exchange.invalid("it has not bound the names it was asked to")
        return tuple(sorted(wanted))

    def _exported(self, answer: dict[str, Any], wanted: frozenset[str]) -> tuple[str, ...]:
        # Only the kernel knows what the module exports; the answer can only be names.
        bound = answer.get("bound")
        names = [name for name in bound if isinstance(name, str)] if isinstance(bound, list) else []
        plain = all(name.isidentifier() and len(name) <= NAME_LIMIT for name in names)
        if not isinstance(bound, list) or len(names) != len(bound) or not plain or not wanted <= set(names):
            raise self.exchange.invalid("it does not say which names it has bound")
        return tuple(sorted(set(names)))

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Run code in the kernel as a cell without history; return its output, made harmless."""
        return self.exchange.evaluate(code, deadline)

    def describe(self, deadline: Deadline) -> Description:
        """The kernel's kind and address, and whether it answers."""
        try:
            state, name = "answers", self.probe(deadline)[0].name
            self.agent.call("hello", deadline)
        except TargetError as error:
            state, name = error.message, self.agent.interpreter.name if self.agent.interpreter else ""
        return Description(self._kind, self.wire.address, state, name)

    def close(self) -> None:
        """Close the connection."""
        self.wire.close()

    def _require(self, shipment: Shipment, deadline: Deadline) -> None:
        (present,) = self.probe(deadline)
        if not present.is_abi_equal(shipment.interpreter):
            raise TargetMismatchError(
                f"{shipment.module} was built for {shipment.interpreter.name}, "
                f"but the kernel at {self.wire.address} runs {present.name}.",
                advice="Run the cell again: it is then built for the interpreter that is there now.",
            )
