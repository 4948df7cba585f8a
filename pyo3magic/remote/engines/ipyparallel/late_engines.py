"""Give modules to engines that register later, before any task that needs them starts.

A load-balanced task can reach a new engine before anything that the client sends on hearing of the engine. So each
task, before it is unpickled, waits until the engine is settled. The modules come over the control channel, which an
engine serves in a thread of its own. Engines that exist at the start are settled at once. ipyparallel has no public
means for any of this, so private names of its client are used.
"""

from __future__ import annotations

import pickle
import pickletools
import secrets
import threading
import weakref
from typing import TYPE_CHECKING, Any

from pyo3magic.remote.workers import KEPT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pyo3magic.remote.workers import Delivery

__all__ = ["PATIENCE", "LateEngines", "late_engines_of"]

PATIENCE = 60
"""Seconds for which a task waits until its engine is settled."""

_ASK_AGAIN = 1.0
_SETTLE = "__import__('sys').modules.setdefault({marker!r}, __import__('types').ModuleType({marker!r})) and 1"
_TAKE = (
    "(lambda sent: eval({expression!r}, {{'files': dict(zip({digests!r}, map(bytes, sent)))}}))"
    "(get_ipython().kernel.get_parent('control')['buffers'])"
)
_WAIT = """
import sys, time
end = time.monotonic() + {patience}
while {marker!r} not in sys.modules:
    if time.monotonic() > end:
        raise TimeoutError("this engine is new, and the notebook's Rust cells did not arrive within {patience} seconds")
    time.sleep(0.005)
"""

_known: weakref.WeakKeyDictionary[Any, LateEngines] = weakref.WeakKeyDictionary()


def late_engines_of(client: Any) -> LateEngines:
    """The `LateEngines` of a client, shared by all its views."""
    if client not in _known:
        _known[client] = LateEngines(client)
    return _known[client]


class LateEngines:
    """Deliveries for engines that register while a client lives.

    Args:
        client: an ``ipyparallel.Client``.
    """

    def __init__(self, client: Any) -> None:
        self._client: Any = weakref.proxy(client)
        self._lock = threading.Lock()
        self._deliveries: dict[str, Delivery] = {}
        self._given: dict[str, set[str]] = {}
        self._marker = f"_pyo3magic_settled_{secrets.token_hex(8)}"
        self._started = False

    @property
    def kept(self) -> Collection[str]:
        """Digests of the deliveries that new engines get."""
        return self._deliveries.keys()

    def keep(self, delivery: Delivery) -> list[int]:
        """Give a delivery to engines that register from now on; return the ids of late engines that lack it."""
        with self._lock:
            self._start()
            self._deliveries.pop(delivery.digest, None)
            self._deliveries[delivery.digest] = delivery
            while len(self._deliveries) > KEPT:
                del self._deliveries[next(iter(self._deliveries))]
            lacking = {uuid for uuid, digests in self._given.items() if delivery.digest not in digests}
            return [number for number, uuid in list(self._client._engines.items()) if uuid in lacking]  # noqa: SLF001

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._client._registration_callbacks.append(self._engine_came)  # noqa: SLF001
        for uuid in list(self._client._engines.values()):  # noqa: SLF001
            self._ask(uuid, _SETTLE.format(marker=self._marker))
        plain = self._client.send_apply_request
        self._client.send_apply_request = lambda socket, f, *rest, **named: plain(socket, self._late(f), *rest, **named)

    def _late(self, function: object) -> object:
        """The function, pickled to wait first when it is unpickled; a task's arguments are unpickled after it."""
        from ipyparallel.serialize.serialize import PrePickled

        wait = pickle.dumps(_Wait(_WAIT.format(marker=self._marker, patience=PATIENCE)), 4)
        pickled = function if isinstance(function, PrePickled) else PrePickled(function)
        late = PrePickled(None)
        # The wait leaves nothing in the memo, so any pickle can follow it; POP drops its result.
        start = pickletools.optimize(wait).removesuffix(pickle.STOP) + pickle.POP
        late.buffers = [start + bytes(pickled.buffers[0]), *pickled.buffers[1:]]
        return late

    # -- in the client's own thread, where nothing may wait ------------------------------------------------------------

    def _engine_came(self, event: Mapping[str, Any]) -> None:
        if event.get("event") != "register":
            return
        # From here on, an engine runs what the client sends directly in the order of sending.
        self._client.direct_view(event["id"]).apply_async(int)
        self._greet(event["id"], event["uuid"])

    def _greet(self, number: int, uuid: str) -> None:
        """Ask until the engine answers, since messages are lost until its control channel is connected."""
        if self._client._engines.get(number) != uuid or uuid in self._given:  # noqa: SLF001
            return
        self._ask(uuid, "1").add_done_callback(lambda _: self._settle(uuid))
        self._client._io_loop.call_later(_ASK_AGAIN, self._greet, number, uuid)  # noqa: SLF001

    def _settle(self, uuid: str) -> None:
        with self._lock:
            if uuid in self._given:
                return
            deliveries = list(self._deliveries.values())
            self._given[uuid] = {delivery.digest for delivery in deliveries}
        for delivery in deliveries:
            expression = _TAKE.format(expression=delivery.expression, digests=list(delivery.files))
            self._ask(uuid, expression, list(delivery.files.values()))
        self._ask(uuid, _SETTLE.format(marker=self._marker))

    def _ask(self, uuid: str, expression: str, buffers: list[bytes] | None = None) -> Any:
        """Evaluate in an engine's control thread, also while the engine works."""
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "allow_stdin": False,
            "stop_on_error": False,
            "user_expressions": {"value": expression},
        }
        stream = self._client._control_stream  # noqa: SLF001
        return self._client._send(  # noqa: SLF001
            stream, "execute_request", content=content, buffers=buffers, ident=uuid.encode()
        )


class _Wait:
    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.code, {})
