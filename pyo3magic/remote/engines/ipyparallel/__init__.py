"""ipyparallel's engines; `late_engines` gives modules to engines that register later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyo3magic.errors import OptionError
from pyo3magic.remote.target import TargetTimeoutError, TargetUnreachableError, plain_text
from pyo3magic.remote.workers import Delivered, is_a

from .late_engines import late_engines_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pyo3magic.remote.target import Deadline
    from pyo3magic.remote.workers import Delivery, Workers

__all__ = ["LIBRARY", "NAME", "PACKAGE", "TAKES", "Engines", "workers_of"]

NAME = "ipyparallel"
LIBRARY = "ipyparallel"
PACKAGE = "ipyparallel"
TAKES = "an ipyparallel Client, DirectView or LoadBalancedView"


def workers_of(value: object) -> Workers | None:
    """The engines of an ipyparallel client or view; None for anything else."""
    names = ("Client", "DirectView", "LoadBalancedView")
    return Engines(value) if any(is_a(value, "ipyparallel", name) for name in names) else None


class Engines:
    """The engines of an ipyparallel client, or of a view.

    Args:
        value: a Client, a DirectView or a LoadBalancedView.

    Raises:
        OptionError: this ipyparallel is too old.
    """

    kind = NAME
    named = True

    def __init__(self, value: Any) -> None:
        import ipyparallel

        if ipyparallel.version_info < (9,):  # its engines serve the control channel between tasks only
            raise OptionError(
                f"--on needs ipyparallel 9 or later; this is {ipyparallel.__version__}.",
                advice='Update it, here and for the engines: pip install -U "ipyparallel>=9"',
            )
        self._client = getattr(value, "client", value)
        self._view = value if self._client is not value else None
        self._late_engines = late_engines_of(self._client)

    @property
    def address(self) -> str:
        """The cluster's name."""
        return str(getattr(self._client, "_config", {}).get("task", "") or "its controller")

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """As `workers.Workers.evaluate`; an engine answers after the tasks that it was given before."""
        import ipyparallel

        ids = self._ids() if among is None else [int(name) for name in among]
        if not ids:
            return {}
        try:
            pending = self._client.direct_view(ids).apply_async(eval, expression, {"files": dict(files)})
            answers = pending.get(timeout=deadline.left(), return_exceptions=True)
        except (ipyparallel.TimeoutError, TimeoutError):
            raise TargetTimeoutError(
                f"The engines did not all answer within {deadline.seconds:g} seconds: they are busy or hang.",
                advice="Wait for running tasks to end (client.queue_status() lists them), or allow more time: "
                "%config PyO3Magic.remote_timeout = 300",
            ) from None
        except (OSError, ipyparallel.error.IPythonError) as error:
            raise TargetUnreachableError(
                f"The engines cannot be reached: {plain_text(str(error))}.", advice="Check that the cluster runs."
            ) from None
        return dict(zip(map(str, ids), answers, strict=True))

    @property
    def kept(self) -> Collection[str]:
        """Digests of the deliveries for engines that register while the client lives."""
        return self._late_engines.kept

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> Delivered:
        """As `workers.Workers.deliver`; this client sends it, also to engines that register while the client lives."""
        since = [str(number) for number in self._late_engines.keep(delivery) if str(number) not in to]
        answers = self.evaluate(delivery.expression, delivery.files, deadline, [*to, *since])
        return Delivered({name: answers[name] for name in to}, delivery.size * len(answers))

    def _ids(self) -> list[int]:
        targets = getattr(self._view, "targets", None)
        if targets is None or targets == "all":
            return list(self._client.ids)
        if isinstance(targets, int):
            return [targets]
        known = set(self._client.ids)
        return [target for target in targets if target in known]
