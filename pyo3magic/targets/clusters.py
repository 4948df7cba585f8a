"""The workers of a cluster as one target: each kind of interpreter gets its own build, each worker what it lacks.

The agent (`agent.py`) runs in every worker, as in a remote kernel. How to get to the workers is the engine's matter:
see `Workers`, of which `dask` and `ipyparallel` are the implementations. Clusters already run whatever their client
sends and unpickle what they answer; so, unlike a remote kernel, they are trusted with this machine.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyo3magic.errors import InterpreterError, OptionError
from pyo3magic.interpreter import Interpreter
from pyo3magic.interpreter.probe import probe_source
from pyo3magic.targets import (
    Description,
    Receipt,
    TargetDiedError,
    TargetError,
    TargetImportError,
    TargetReplyError,
    TargetStorageError,
    plain_text,
)
from pyo3magic.targets.agent_source import agent_source
from pyo3magic.targets.outputs import Evaluation, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.targets import Deadline, Shipment

__all__ = ["Delivery", "Workers", "cluster_target", "request"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What every worker of one platform gets, also one that joins later.

    Attributes:
        reference: the module name that stands for the content.
        digest: what tells it from all others.
        expression: makes a worker of that platform take the files and import the module; ``files`` is in its namespace.
        files: the files, by digest.
    """

    reference: str
    digest: str
    expression: str
    files: Mapping[str, bytes]


class Workers(Protocol):
    """How one engine reaches its workers."""

    @property
    def kind(self) -> str:
        """What the engine is called."""

    @property
    def address(self) -> str:
        """Where it is."""

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """Value of an expression in each worker, or the exception that it raised, by the worker's name."""

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> dict[str, object]:
        """Gives it to the workers named and to all that join from now on; the answers of those named."""


class ClusterTarget:
    """A `Target` that is all workers of a cluster, or those of a view."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._platforms: dict[str, tuple[str, Interpreter]] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._loaded: dict[str, dict[str, Any]] = {}

    def probe(self, deadline: Deadline) -> tuple[Interpreter, ...]:
        """One interpreter per platform among the workers that are there now: that with the oldest libc."""
        answers = self._ask("status", deadline, source=probe_source())
        if not answers:
            raise TargetDiedError(
                f"{self._workers.kind} at {self._workers.address} has no workers.",
                advice="Start some, and run the cell again.",
            )
        self._platforms = {name: self._platform(name, answer) for name, answer in answers.items()}
        self._files = {name: _strings(answer.get("files")) for name, answer in answers.items()}
        found: dict[str, Interpreter] = {}
        for identity, interpreter in self._platforms.values():
            oldest = found.setdefault(identity, interpreter)
            if _libc(interpreter) < _libc(oldest):
                found[identity] = interpreter
        return tuple(found.values())

    def ship(self, shipment: Shipment, deadline: Deadline) -> Receipt:
        """Sends it to the workers of its platform that lack it, where it is imported at once."""
        from pyo3magic.targets.elf import check_fits

        for file in shipment.files:
            check_fits(file.path, shipment.interpreter, data=file is not shipment.file)
        digests = [file.sha256 for file in shipment.files]
        lacking = [
            name
            for name, (identity, _) in self._platforms.items()
            if identity == shipment.interpreter.identity and not self._files[name].issuperset(digests)
        ]
        if not lacking:
            return Receipt()
        files = {file.sha256: file.path.read_bytes() for file in shipment.files}
        expression = request("load", only=_facts(shipment.interpreter), **_arguments(shipment))
        delivery = Delivery(shipment.reference or shipment.module, shipment.file.sha256[:16], expression, files)
        self._loaded[shipment.interpreter.identity] = self._results(self._workers.deliver(delivery, lacking, deadline))
        size = sum(file.size for file in shipment.files)
        return Receipt(tuple(file.name for file in shipment.files), size * len(lacking), self._workers.kind)

    def load(self, shipment: Shipment, deadline: Deadline) -> tuple[str, ...]:
        """Imports and binds in all workers of the platform; the names that each of them has bound."""
        identity = shipment.interpreter.identity
        answers = self._loaded.pop(identity, {})
        others = [name for name, (its, _) in self._platforms.items() if its == identity and name not in answers]
        if others:
            answers |= self._ask("load", deadline, among=others, **_arguments(shipment))
        bound = [_strings(answer.get("bound")) for answer in answers.values()]
        if not bound or any(names != bound[0] for names in bound) or not all(map(str.isidentifier, bound[0])):
            raise TargetReplyError(
                f"The workers of {self._workers.address} have not all bound the same names.",
                advice="Run the cell again.",
            )
        return tuple(sorted(bound[0]))

    def evaluate(self, code: str, deadline: Deadline) -> Evaluation:
        """Runs code in every worker; each one's output follows its name."""
        outputs: list[Output] = []
        answers = self._ask("evaluate", deadline, code=code)
        for name, answer in sorted(answers.items()):
            outputs += [
                Output("stdout", {"text/plain": f"[{name}] {str(text).rstrip()}\n"})
                for text in (answer.get("stdout"), answer.get("value"))
                if text
            ]
        return Evaluation(tuple(outputs), not any(answer.get("failed") for answer in answers.values()))

    def describe(self, deadline: Deadline) -> Description:
        """What this is, and whether its workers answer."""
        try:
            names = [interpreter.name for interpreter in self.probe(deadline)]
            state = f"{len(self._platforms)} workers answer"
        except TargetError as error:
            names, state = [], error.message
        return Description(self._workers.kind, self._workers.address, state, "; ".join(names))

    def close(self) -> None:
        """Nothing: the client is the user's."""

    def _ask(
        self, operation: str, deadline: Deadline, among: Sequence[str] | None = None, **arguments: Any
    ) -> dict[str, dict[str, Any]]:
        return self._results(self._workers.evaluate(request(operation, **arguments), {}, deadline, among))

    def _results(self, answers: Mapping[str, object]) -> dict[str, dict[str, Any]]:
        # One worker that fails fails the cell, as one engine that lacks the module would fail the next map.
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

    def _platform(self, name: str, answer: dict[str, Any]) -> tuple[str, Interpreter]:
        try:
            facts = json.loads(str(answer.get("output")).strip().splitlines()[-1])
            interpreter = Interpreter.from_facts(facts)
        except (ValueError, IndexError):
            raise TargetReplyError(
                f"The worker {plain_text(name, 80)} does not describe its Python.",
                advice="Restart it, or leave it out.",
            ) from None
        except InterpreterError as error:
            raise TargetReplyError(f"The worker {plain_text(name, 80)}: {error.message}", advice=error.advice) from None
        return interpreter.identity, interpreter


def cluster_target(value: object) -> ClusterTarget:
    """The target behind a cluster's client or view.

    Args:
        value: an ipyparallel Client, DirectView or LoadBalancedView, or a Dask ``distributed.Client``.

    Raises:
        OptionError: it is something else.
    """
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(value).__mro__}
    workers: Workers
    if ("distributed", "Client") in kinds:
        from pyo3magic.targets.dask import DaskWorkers

        workers = DaskWorkers(value)
    elif kinds & {("ipyparallel", name) for name in ("Client", "DirectView", "LoadBalancedView")}:
        from pyo3magic.targets.ipyparallel import Engines

        workers = Engines(value)
    else:
        what = type(value).__name__ if not isinstance(value, type(json)) else f"the module {value.__name__}"
        raise OptionError(
            f"--on cannot ship to {what}.",
            advice="It takes the name of a kernel that %pyo3_connect knows, an ipyparallel Client, DirectView or "
            "LoadBalancedView, or a Dask Client.",
        )
    return ClusterTarget(workers)


def request(operation: str, *, only: Mapping[str, Any] | None = None, **arguments: Any) -> str:
    """An expression that puts the agent into a worker, if it is not there, and makes it answer.

    Args:
        operation: what the agent is to do.
        only: what the worker's interpreter must be like; others do nothing.
        arguments: of the operation.
    """
    name, code = agent_source()
    asked: dict[str, Any] = {"id": secrets.token_hex(16), "op": operation, "arguments": arguments}
    if only is not None:
        asked["only"] = {"source": probe_source(), "facts": dict(only)}
    return f"({code}, __import__({name!r}).call({json.dumps(asked)!r}, files))[1]"


def _facts(interpreter: Interpreter) -> dict[str, Any]:
    """Those facts that tell one platform from another, as the probe gives them."""
    names = ("implementation", "version", "abiflags", "ext_suffix", "pointer_width", "platform", "machine")
    return {name: value for name, value in interpreter.facts().items() if name in names}


def _arguments(shipment: Shipment) -> dict[str, Any]:
    return {
        "module": shipment.module,
        "file": shipment.file.sha256,
        "beside": [[file.name, file.sha256] for file in shipment.beside],
        "names": list(shipment.names),
        "alias": shipment.alias,
        "reference": shipment.reference,
    }


def _strings(value: object) -> frozenset[str]:
    return frozenset(filter(lambda item: isinstance(item, str), value if isinstance(value, list) else ()))


def _libc(interpreter: Interpreter) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", (interpreter.libc or ("", ""))[1])))
