"""The workers of a cluster as one target: each platform gets its own build, each worker the files that it lacks.

The agent (`agent.py`) runs in every worker, as in a remote kernel. Each of the `engines` reaches its workers in its own
way: see `Workers`. A cluster already runs whatever its client sends, and the client unpickles the answers; so, unlike
a remote kernel, a cluster is trusted with this machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.interpreter_probe import probe_source

from .engines import workers_of
from .evaluation import Evaluation, Output
from .remote_agent import interpreter_of
from .target import (
    Description,
    Receipt,
    TargetDiedError,
    TargetError,
    TargetImportError,
    TargetReplyError,
    TargetStorageError,
    plain_text,
)
from .workers import Delivery, request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.environment.interpreter import Interpreter

    from .target import Deadline, Shipment
    from .workers import Workers

__all__ = ["ClusterTarget", "cluster_target"]


class ClusterTarget:
    """A `Target` that is all workers of a cluster or of a view.

    Args:
        workers: the workers, as their engine reaches them.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._platforms: dict[str, tuple[str, Interpreter]] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._loaded: dict[str, dict[str, Any]] = {}

    def probe(self, deadline: Deadline) -> tuple[Interpreter, ...]:
        """One interpreter for each platform among the present workers: the interpreter with the oldest libc."""
        answers = self._ask("status", deadline, source=probe_source())
        if not answers:
            raise TargetDiedError(
                f"{self._workers.kind} at {self._workers.address} has no workers.",
                advice="Start some, and run the cell again.",
            )
        interpreters = {
            name: interpreter_of(answer.get("output"), f"The worker {plain_text(name, 80)}")
            for name, answer in answers.items()
        }
        self._platforms = {name: (interpreter.identity, interpreter) for name, interpreter in interpreters.items()}
        self._files = {name: _strings(answer.get("files")) for name, answer in answers.items()}
        found: dict[str, Interpreter] = {}
        for identity, interpreter in self._platforms.values():
            oldest = found.setdefault(identity, interpreter)
            if _libc(interpreter) < _libc(oldest):
                found[identity] = interpreter
        return tuple(found.values())

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Send the module to the workers of its platform that lack it; they import it at once."""
        from .elf import check_fits

        shipment = self._named(shipment)
        for file in shipment.files:
            check_fits(file.path, shipment.interpreter, data=file is not shipment.file)
        digests = [file.sha256 for file in shipment.files]
        lacking = [
            name
            for name, (identity, _) in self._platforms.items()
            if identity == shipment.interpreter.identity and not self._files[name].issuperset(digests)
        ]
        if not lacking and _name(shipment) in self._workers.kept:
            return Receipt()
        files = {file.sha256: file.path.read_bytes() for file in shipment.files}
        expression = request("load", only=_facts(shipment.interpreter), worker=True, **shipment.arguments)
        delivery = Delivery(shipment.reference or shipment.module, _name(shipment), expression, files)
        delivered = self._workers.deliver(delivery, lacking, deadline)
        self._loaded[shipment.interpreter.identity] = self._results(delivered.answers)
        if not delivered.sent_bytes:
            return Receipt()
        return Receipt(tuple(file.name for file in shipment.files), delivered.sent_bytes, self._workers.kind)

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Import the module in all workers of the platform; return the names that each of them has bound."""
        shipment = self._named(shipment)
        identity = shipment.interpreter.identity
        answers = self._loaded.pop(identity, {})
        others = [name for name, (its, _) in self._platforms.items() if its == identity and name not in answers]
        if others:
            answers |= self._ask("load", deadline, among=others, worker=True, **shipment.arguments)
        bound = [_strings(answer.get("bound")) for answer in answers.values()]
        if not bound or any(names != bound[0] for names in bound) or not all(map(str.isidentifier, bound[0])):
            raise TargetReplyError(
                f"The workers of {self._workers.address} have not all bound the same names.",
                advice="Run the cell again.",
            )
        return tuple(sorted(bound[0]))

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Run code in every worker; each output follows its worker's name, and errors follow all output."""
        outputs: list[Output] = []
        errors: list[str] = []
        for name, answer in sorted(self._ask("evaluate", deadline, code=code).items()):
            said, value = (
                f"[{name}] {text.rstrip()}\n" if text else "" for text in map(answer.get, ("stdout", "value"))
            )
            outputs += [
                Output("stdout", {"text/plain": text}) for text in (said, "" if answer.get("failed") else value) if text
            ]
            errors += [value] if answer.get("failed") else []
        failed = [Output("error", {"text/plain": "\n".join(errors)})] if errors else []
        return Evaluation((*outputs, *failed), not errors)

    def describe(self, deadline: Deadline) -> Description:
        """The cluster's kind and address, and how many workers answer."""
        try:
            names = [interpreter.name for interpreter in self.probe(deadline)]
            state = f"{len(self._platforms)} workers answer"
        except TargetError as error:
            names, state = [], error.message
        return Description(self._workers.kind, self._workers.address, state, "; ".join(names))

    def close(self) -> None:
        """Do nothing: the client is the user's."""

    def _named(self, shipment: Shipment) -> Shipment:
        return shipment if self._workers.named else replace(shipment, alias="")

    def _ask(
        self, operation: str, deadline: Deadline, among: Sequence[str] | None = None, **arguments: Any
    ) -> dict[str, dict[str, Any]]:
        return self._results(self._workers.evaluate(request(operation, **arguments), {}, deadline, among))

    def _results(self, answers: Mapping[str, object]) -> dict[str, dict[str, Any]]:
        # One failing worker fails the cell, as a worker without the module would fail the next map.
        return {name: self._result(name, answer) for name, answer in answers.items()}

    def _result(self, name: str, answer: object) -> dict[str, Any]:
        where = f"The worker {plain_text(name, 80)}"
        try:
            decoded = json.loads(base64.urlsafe_b64decode(answer)) if isinstance(answer, str) else None
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            raise TargetReplyError(f"{where} failed: {plain_text(str(answer))}.", advice="Restart it, or leave it out.")
        if isinstance(decoded.get("result"), dict):
            return dict(decoded["result"])
        kind, text = decoded.get("kind"), plain_text(decoded.get("text"))
        if kind in {"storage", "damaged"}:
            raise TargetStorageError(f"{where} could not store the module: {text}.", advice="Free some space there.")
        raise TargetImportError(f"{where} has the module but cannot import it: {text}.", advice="Run the cell again.")


def cluster_target(value: object) -> ClusterTarget:
    """The target behind a cluster's client or view.

    Args:
        value: a client, a view, or another value that an engine takes.

    Raises:
        OptionError: no engine takes the value.
        EngineError: an engine is not installed or cannot be used.
    """
    return ClusterTarget(workers_of(value))


def _name(shipment: Shipment) -> str:
    """Identifies a delivery; the same module may be wanted under two names, but a new number of its cell is not new."""
    return hashlib.sha256(json.dumps({**shipment.arguments, "sources": []}).encode()).hexdigest()[:16]


def _facts(interpreter: Interpreter) -> dict[str, Any]:
    """The facts that identify a platform, as the probe returns them."""
    names = ("implementation", "version", "abiflags", "ext_suffix", "pointer_width", "platform", "machine")
    return {name: value for name, value in interpreter.facts().items() if name in names}


def _strings(value: object) -> frozenset[str]:
    return frozenset(filter(lambda item: isinstance(item, str), value if isinstance(value, list) else ()))


def _libc(interpreter: Interpreter) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", (interpreter.libc or ("", ""))[1])))
