"""Ray's workers, which come and go: cells are stored in Ray's key-value store, and pickles say how to fetch them.

Ray starts worker processes when it needs them, on nodes that may join later, so nothing is sent to a worker. A cell is
stored next to the job's functions, and Ray deletes it with them when the job ends. In this process and in the workers,
unpickling a cell's functions and classes fetches the cell first: see `worker`.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pyo3magic.errors import OptionError
from pyo3magic.remote.workers import KEPT, Delivered, is_a, within

from . import worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pyo3magic.remote.target import Deadline
    from pyo3magic.remote.workers import Delivery, Workers

__all__ = ["LIBRARY", "NAME", "PACKAGE", "TAKES", "RayWorkers", "workers_of"]

NAME = "Ray"
LIBRARY = "ray"
PACKAGE = "ray"
TAKES = "ray (the module, or what ray.init() returned)"

_T = TypeVar("_T")


def workers_of(value: object) -> Workers | None:
    """The nodes of the cluster that the module ``ray`` is connected to; None for anything else.

    Raises:
        OptionError: Ray is not connected.
    """
    is_module = isinstance(value, ModuleType) and value.__name__ == "ray"
    return RayWorkers() if is_module or is_a(value, "ray", "BaseContext") else None


class RayWorkers:
    """The nodes of Ray's cluster, each by one of its worker processes.

    Raises:
        OptionError: Ray is not connected.
    """

    kind = NAME
    named = False

    def __init__(self) -> None:
        import ray

        self._ray: Any = ray
        self._kept: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        self._place()

    @property
    def address(self) -> str:
        """Address of the cluster, or of its Ray client server."""
        return str(self._ray.get_runtime_context().gcs_address if self._ray.is_initialized() else "nowhere")

    @property
    def kept(self) -> Collection[str]:
        """Digests of the deliveries that the present job's workers can fetch."""
        place = self._place()
        return [digest for digest, (its, _, _) in self._kept.items() if its == place]

    def evaluate(
        self, expression: str, files: Mapping[str, bytes], deadline: Deadline, among: Sequence[str] | None = None
    ) -> dict[str, object]:
        """As `workers.Workers.evaluate`; in one worker of each node, which needs no free CPU."""
        place = self._place()
        kept = [(reference, digest) for digest, (its, reference, _) in self._kept.items() if its == place]
        if kept:
            ready = worker.Fetch(place, _worker_source()[0]).expression("ready")
            expression = f"({ready}({kept!r}), {expression})[1]"
        return self._within(deadline, lambda: self._on_nodes(expression, dict(files), deadline, among))

    def deliver(self, delivery: Delivery, to: Sequence[str], deadline: Deadline) -> Delivered:
        """As `workers.Workers.deliver`; Ray's head gets the files once, and each worker fetches them from there."""
        place = self._place()
        sent = self._within(deadline, lambda: self._store(place, delivery))
        fetch = worker.know(place, delivery.reference, _worker_source()[0]).expression("fetch")
        expression = f"{fetch}({delivery.reference!r}, {delivery.digest!r})"
        answers = self._within(deadline, lambda: self._on_nodes(expression, {}, deadline, to))
        return Delivered(answers, sent)

    def _store(self, place: str, delivery: Delivery) -> int:
        """Put a delivery into the key-value store; return how many bytes had to be sent."""
        name, source = _worker_source()
        entry = {"expression": delivery.expression, "files": list(delivery.files)}
        values = {
            **delivery.files,
            name: source,
            f"{delivery.reference}/{delivery.digest}": json.dumps(entry).encode(),
        }
        sent = sum(
            len(value) for key, value in values.items() if worker.put(place, key, value) and key in delivery.files
        )
        self._kept.pop(delivery.digest, None)
        self._kept[delivery.digest] = (place, delivery.reference, tuple(delivery.files))
        while len(self._kept) > KEPT:
            self._forget(next(iter(self._kept)))
        return sent

    def _forget(self, digest: str) -> None:
        place, reference, files = self._kept.pop(digest)
        others = {file for _, _, its in self._kept.values() for file in its}
        for key in [f"{reference}/{digest}", *(file for file in files if file not in others)]:
            worker.drop(place, key)

    def _on_nodes(
        self, expression: str, files: dict[str, bytes], deadline: Deadline, among: Sequence[str] | None
    ) -> dict[str, object]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = [node for node in self._ray.nodes() if node["Alive"]]
        known = {f"{node['NodeManagerAddress']}/{node['NodeID'][:8]}": node["NodeID"] for node in alive}
        nodes = {name: known[name] for name in (known if among is None else among) if name in known}
        # A lambda is sent by value, since the workers may not have this package.
        task = self._ray.remote(num_cpus=0, max_retries=0)(lambda expression, files: eval(expression, {"files": files}))  # noqa: S307 - our own
        pending = {
            task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                expression, files
            ): name
            for name, node in nodes.items()
        }
        _, late = (
            self._ray.wait(list(pending), num_returns=len(pending), timeout=deadline.left()) if pending else ([], [])
        )
        for reference in late:
            self._ray.cancel(reference, force=True)
        if late:
            raise TimeoutError(f"{len(late)} of {len(pending)} nodes did not answer")
        gone = {name: RuntimeError("the node is gone") for name in among or () if name not in nodes}
        return {**gone, **{name: self._outcome(reference) for reference, name in pending.items()}}

    def _outcome(self, reference: Any) -> object:
        try:
            return cast("object", self._ray.get(reference))
        except Exception as error:  # noqa: BLE001 - told to the caller
            return error

    def _place(self) -> str:
        """Prefix of the present job's cells: among its functions, which Ray deletes when the job ends."""
        if not self._ray.is_initialized():
            raise OptionError("--on ray: Ray is not connected.", advice="Run ray.init() first, and then this cell.")
        return f"RemoteFunction:{self._ray.get_runtime_context().get_job_id()}:pyo3magic"

    def _within(self, deadline: Deadline, call: Callable[[], _T]) -> _T:
        return within(deadline, f"The Ray cluster at {self.address}", call)


@functools.cache
def _worker_source() -> tuple[str, bytes]:
    """The name of `worker` in the workers, different for each version, and its source."""
    source = Path(__file__).with_name("worker.py").read_bytes()
    return f"_pyo3magic_ray_{hashlib.sha256(source).hexdigest()[:16]}", source
