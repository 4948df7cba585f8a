"""ipyparallel's engines, those that register later included: the client hears of each, and sends it the modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyo3magic.targets import TargetTimeoutError, TargetUnreachableError, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyo3magic.targets import Deadline
    from pyo3magic.targets.clusters import Delivery

__all__ = ["Engines"]

KEPT = 32
"""Modules that engines which register later are sent; older ones are forgotten."""


class Engines:
    """The engines of an ipyparallel client, or of a view.

    Args:
        value: a Client, a DirectView or a LoadBalancedView.
    """

    kind = "ipyparallel"

    def __init__(self, value: Any) -> None:
        self._client = getattr(value, "client", value)
        self._view = value if self._client is not value else None
        self._deliveries: dict[str, Delivery] = {}

    @property
    def address(self) -> str:
        """What the cluster is called."""
        return str(getattr(self._client, "_config", {}).get("task", "") or "its controller")

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """As `clusters.Workers` says; an engine answers when it has done what it was given before."""
        import ipyparallel

        ids = self._ids() if among is None else [int(name) for name in among]
        if not ids:
            return {}
        try:
            pending = self._client.direct_view(ids).apply_async(eval, expression, {"files": dict(files)})
            answers = pending.get(timeout=deadline.left(), return_exceptions=True)
        except (ipyparallel.TimeoutError, TimeoutError):
            raise TargetTimeoutError(
                f"The engines did not all answer within {deadline.seconds:g} seconds: they are busy, or hang.",
                advice="Wait for what runs there (client.queue_status() tells), or allow more time: "
                "%config PyO3Magic.remote_timeout = 300",
            ) from None
        except (OSError, ipyparallel.error.IPythonError) as error:
            raise TargetUnreachableError(
                f"The engines cannot be reached: {plain_text(str(error))}.", advice="Check that the cluster runs."
            ) from None
        return dict(zip(map(str, ids), answers, strict=True))

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> dict[str, object]:
        """As `clusters.Workers` says; this client sends it to engines that register while it lives."""
        callbacks = getattr(self._client, "_registration_callbacks", None)
        if callbacks is not None and self._engine_came not in callbacks:
            callbacks.append(self._engine_came)
        answers = self.evaluate(delivery.expression, delivery.files, deadline, to)
        self._deliveries.pop(delivery.digest, None)
        self._deliveries[delivery.digest] = delivery
        while len(self._deliveries) > KEPT:
            del self._deliveries[next(iter(self._deliveries))]
        return answers

    def _ids(self) -> list[int]:
        targets = getattr(self._view, "targets", None)
        if targets is None or targets == "all":
            return list(self._client.ids)
        if isinstance(targets, int):
            return [targets]
        known = set(self._client.ids)
        return [target for target in targets if target in known]

    def _engine_came(self, event: Mapping[str, Any]) -> None:
        # In the client's own thread: nothing may wait here. The engine does what it is sent in this order.
        if event.get("event") == "register":
            for delivery in list(self._deliveries.values()):
                files = {"files": dict(delivery.files)}
                self._client.direct_view(event["id"]).apply_async(eval, delivery.expression, files)
