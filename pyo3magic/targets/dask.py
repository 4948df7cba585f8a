"""Dask's workers, those that join later included: a `WorkerPlugin` carries the module to every worker that starts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import OptionError
from pyo3magic.targets import TargetTimeoutError, TargetUnreachableError, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyo3magic.targets import Deadline
    from pyo3magic.targets.clusters import Delivery

__all__ = ["DaskWorkers"]

KEPT = 32
"""Modules that the scheduler hands to workers that join; older ones are forgotten."""


class DaskWorkers:
    """The workers of a ``distributed.Client``.

    Args:
        client: the client.

    Raises:
        OptionError: the client is asynchronous.
    """

    kind = "Dask"

    def __init__(self, client: Any) -> None:
        if client.asynchronous:
            raise OptionError(
                "--on cannot use an asynchronous Dask client.", advice="Make a Client without asynchronous=True."
            )
        self._client = client
        self._plugins: list[str] = []

    @property
    def address(self) -> str:
        """The scheduler's."""
        return str(self._client.scheduler.address) if self._client.scheduler else "a closed scheduler"

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """As `clusters.Workers` says; in the worker's event loop, so that a busy worker answers too."""
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

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> dict[str, object]:
        """As `clusters.Workers` says; the scheduler keeps it and passes it to each worker once."""
        name = f"pyo3magic-{delivery.reference}-{delivery.digest}"
        self._within(deadline, lambda: self._client.register_plugin(_plugin(delivery), name=name))
        self._plugins = [*(other for other in self._plugins if other != name), name]
        while len(self._plugins) > KEPT:
            oldest = self._plugins.pop(0)
            self._within(deadline, lambda: self._client.unregister_worker_plugin(oldest))  # noqa: B023 - called at once
        return self.evaluate(delivery.expression, {}, deadline, to)

    def _within(self, deadline: Deadline, call: Callable[[], Any]) -> Any:
        # Dask's own calls wait for a lost worker for as long as its connections do.
        outcome: list[Any] = []
        failure: list[Exception] = []

        def run() -> None:
            try:
                outcome.append(call())
            except Exception as error:  # noqa: BLE001 - told to the caller
                failure.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(deadline.left())
        if failure:
            raise TargetUnreachableError(
                f"The Dask cluster at {self.address} failed: {type(failure[0]).__name__}: "
                f"{plain_text(str(failure[0]))}.",
                advice="Check that its scheduler and workers run, and run the cell again.",
            )
        if not outcome:
            raise TargetTimeoutError(
                f"The Dask cluster at {self.address} did not answer within {deadline.seconds:g} seconds.",
                advice="Check its dashboard, or allow more time: %config PyO3Magic.remote_timeout = 300",
            )
        return outcome[0]


def _plugin(delivery: Delivery) -> Any:
    """A plugin whose class is sent by value, since the workers need not have this package."""
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
