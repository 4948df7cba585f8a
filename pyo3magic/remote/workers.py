"""How a cluster's engine is spoken to: what each engine implements, and what all of them send."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pyo3magic.environment.interpreter_probe import probe_source

from .agent_source import agent_source
from .target import TargetTimeoutError, TargetUnreachableError, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .target import Deadline

__all__ = ["KEPT", "Delivered", "Delivery", "Workers", "is_a", "request", "within"]

KEPT = 32
"""Modules that workers which come later are given; older ones are forgotten."""

_T = TypeVar("_T")


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

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a `Delivery`.

    Attributes:
        answers: of the workers named, as `Workers.evaluate` gives them.
        sent_bytes: what left this machine for it.
    """

    answers: dict[str, object]
    sent_bytes: int


class Workers(Protocol):
    """How one engine reaches its workers."""

    @property
    def kind(self) -> str:
        """What the engine is called."""

    @property
    def address(self) -> str:
        """Where it is."""

    @property
    def named(self) -> bool:
        """Whether all workers hear of each delivery, so that a module's plain name means the same in all of them."""

    @property
    def kept(self) -> Collection[str]:
        """Digests of the deliveries that workers get which come later."""

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """Value of an expression in each worker, or the exception that it raised, by the worker's name."""

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> Delivered:
        """Gives it to the workers named and to all that join from now on."""


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


def is_a(value: object, package: str, name: str) -> bool:
    """Whether a value is of a class of that name in that package, which is not imported for it."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


def within(deadline: Deadline, cluster: str, call: Callable[[], _T]) -> _T:
    """What a call returns, which waits for lost workers for as long as its library likes, unless the deadline is first.

    Args:
        deadline: when to stop waiting; the call itself goes on.
        cluster: what to call the cluster in a message.
        call: what to do, in a thread of its own.

    Raises:
        TargetTimeoutError: it has not ended by then.
        TargetUnreachableError: it failed.
    """
    outcome: list[_T] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:  # noqa: BLE001 - told to the caller
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if failure and not isinstance(failure[0], TimeoutError):
        raise TargetUnreachableError(
            f"{cluster} failed: {type(failure[0]).__name__}: {plain_text(str(failure[0]))}.",
            advice="Check that it and its workers run, and run the cell again.",
        )
    if not outcome:
        raise TargetTimeoutError(
            f"{cluster} did not answer within {deadline.seconds:g} seconds.",
            advice="Check its dashboard, or allow more time: %config PyO3Magic.remote_timeout = 300",
        )
    return outcome[0]
