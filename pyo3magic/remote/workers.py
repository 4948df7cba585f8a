"""What each engine implements, and what is sent to the workers of every engine."""

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
"""How many modules workers that join later are given; older modules are forgotten."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A module for every worker of one platform, also for workers that join later.

    Attributes:
        reference: the module name for the content.
        digest: identifies the delivery.
        expression: makes a worker take the files and import the module; needs the variable ``files``.
        files: the files, by digest.
    """

    reference: str
    digest: str
    expression: str
    files: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of a `Delivery`.

    Attributes:
        answers: the answers of the workers named, as `Workers.evaluate` returns them.
        sent_bytes: how many bytes left this machine.
    """

    answers: dict[str, object]
    sent_bytes: int


class Workers(Protocol):
    """The workers of one cluster, as an engine reaches them. Every method ends before its deadline."""

    @property
    def kind(self) -> str:
        """The engine's name."""

    @property
    def address(self) -> str:
        """The cluster's address, for messages."""

    @property
    def named(self) -> bool:
        """Whether every worker gets each delivery, so a module's plain name means the same in all of them."""

    @property
    def kept(self) -> Collection[str]:
        """Digests of the deliveries for workers that join later."""

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """Evaluate a Python expression once in each worker.

        Args:
            expression: needs the standard library only, and the variable ``files``.
            files: the value of ``files``: content by digest.
            deadline: when the call must have ended.
            among: names of the workers; by default all.

        Returns:
            By the worker's name, the value or the exception that it raised.

        Raises:
            TargetError: not all workers answered before the deadline, or the cluster cannot be reached.
        """

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> Delivered:
        """Give a delivery to workers, and to every worker that joins from now on before its first task.

        Args:
            delivery: the module.
            to: names of the workers that lack it; may be empty.
            deadline: when the call must have ended.

        Returns:
            The answers of the workers in ``to``.

        Raises:
            TargetError: as `evaluate`.
        """


def request(operation: str, *, only: Mapping[str, Any] | None = None, **arguments: Any) -> str:
    """An expression that installs the agent in a worker if necessary, and makes it answer.

    Args:
        operation: the name of the agent's operation.
        only: facts of the interpreter that is meant; workers with other facts do nothing.
        arguments: the operation's arguments.
    """
    name, code = agent_source()
    asked: dict[str, Any] = {"id": secrets.token_hex(16), "op": operation, "arguments": arguments}
    if only is not None:
        asked["only"] = {"source": probe_source(), "facts": dict(only)}
    return f"({code}, __import__({name!r}).call({json.dumps(asked)!r}, files))[1]"


def is_a(value: object, package: str, name: str) -> bool:
    """Whether a value's class, or a base of it, has that name in that package; imports nothing."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


def within(deadline: Deadline, cluster: str, call: Callable[[], _T]) -> _T:
    """Call a function that may wait for lost workers for ever; stop waiting at the deadline.

    Args:
        deadline: when to stop waiting; the call itself goes on.
        cluster: the cluster's name in messages.
        call: the function, which runs in a thread of its own.

    Raises:
        TargetTimeoutError: the call has not ended by the deadline.
        TargetUnreachableError: the call failed.
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
