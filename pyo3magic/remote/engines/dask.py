"""Dask's workers; a `WorkerPlugin` carries modules to every worker that joins later, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pyo3magic.errors import OptionError
from pyo3magic.remote.workers import KEPT, Delivered, is_a, within

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pyo3magic.remote.target import Deadline
    from pyo3magic.remote.workers import Delivery, Workers

__all__ = ["LIBRARY", "NAME", "PACKAGE", "TAKES", "DaskWorkers", "workers_of"]

NAME = "Dask"
LIBRARY = "distributed"
PACKAGE = "distributed"
TAKES = "a Dask Client"

_T = TypeVar("_T")


def workers_of(value: object) -> Workers | None:
    """The workers of a ``distributed.Client``; None for anything else.

    Raises:
        OptionError: the client is asynchronous.
    """
    return DaskWorkers(value) if is_a(value, "distributed", "Client") else None


class DaskWorkers:
    """The workers of a ``distributed.Client``.

    Args:
        client: the client.

    Raises:
        OptionError: the client is asynchronous.
    """

    kind = NAME
    named = True

    def __init__(self, client: Any) -> None:
        if client.asynchronous:
            raise OptionError(
                "--on cannot use an asynchronous Dask client.", advice="Make a Client without asynchronous=True."
            )
        self._client = client
        self._plugins: dict[str, str] = {}

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return str(self._client.scheduler.address) if self._client.scheduler else "a closed scheduler"

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """As `workers.Workers.evaluate`; runs in the worker's event loop, so a busy worker answers too."""
        answers: dict[str, object] = self._within(
            deadline,
            lambda: self._client.run(
                eval,
                expression,
                {"files": dict(files)},
                workers=None if among is None else list(among),
                on_error="return",
            ),
        )
        return answers

    @property
    def kept(self) -> Collection[str]:
        """Digests of the deliveries that the scheduler hands to workers that join."""
        return self._plugins.keys()

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> Delivered:
        """As `workers.Workers.deliver`; the scheduler keeps the delivery and passes it to each worker once."""
        name = f"pyo3magic-{delivery.reference}-{delivery.digest}"
        self._within(deadline, lambda: self._client.register_plugin(_plugin(delivery), name=name))
        self._plugins.pop(delivery.digest, None)
        self._plugins[delivery.digest] = name
        while len(self._plugins) > KEPT:
            oldest = self._plugins.pop(next(iter(self._plugins)))
            self._within(deadline, lambda: self._client.unregister_worker_plugin(oldest))  # noqa: B023 - called at once
        return Delivered(self.evaluate(delivery.expression, {}, deadline, to), delivery.size * len(to))

    def _within(self, deadline: Deadline, call: Callable[[], _T]) -> _T:
        return within(deadline, f"The Dask cluster at {self.address}", call)


def _plugin(delivery: Delivery) -> Any:
    """A plugin whose class is sent by value, since the workers may not have this package."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class RustCell(WorkerPlugin):  # type: ignore[misc,unused-ignore]
        def __init__(self, expression: str, files: dict[str, bytes]) -> None:
            self.expression = expression
            self.files = files

        def setup(self, worker: object) -> None:
            import base64
            import json
            import logging

            del worker
            text = eval(self.expression, {"files": self.files})  # noqa: S307 - our own
            answer = json.loads(base64.urlsafe_b64decode(text))
            if "result" not in answer:
                logging.getLogger("distributed.worker").warning("A Rust cell is not here: %s", answer.get("text"))

    return RustCell(delivery.expression, dict(delivery.files))
