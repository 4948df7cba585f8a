"""What runs in Ray's workers: fetches cells from Ray's key-value store, and pickles what is theirs. Sent as source.

In the notebook's process it is imported, since pickling is the same on both sides: a function, a class or the module of
a cell becomes a call of `item`, which fetches the cell if it is not there. Python 3.9 and later, and Ray; nothing else.
"""

from __future__ import annotations

import base64
import functools
import json
import sys
import threading
import types
from typing import Any

__all__ = ["Fetch", "drop", "fetch", "item", "know", "put", "ready"]

NAMESPACE = b"fun"  # Ray's own for functions; what is in there with a job's prefix goes when the job has ended

_lock = threading.RLock()
_places: dict[str, str] = {}
_items: dict[int, tuple[object, str, str]] = {}
_fetches: dict[str, Fetch] = {}
_bound: list[tuple[str, str]] = []


class Fetch:
    """Stands for `item` in a pickle: unpickling puts this module into the process, if it is not there.

    Args:
        place: prefix of the keys of the job's cells.
        name: of this module in the workers.
    """

    def __init__(self, place: str, name: str) -> None:
        self.place = place
        self.name = name

    def __call__(self, reference: str, path: str) -> Any:
        """What the unpickled one does."""
        return item(self.place, reference, path)

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (self.expression("item"), {})

    def expression(self, function: str) -> str:
        """An expression that gives a function of this module, its first argument filled in, in any of Ray's workers."""
        code = (
            f"import sys, types\nfrom ray.experimental.internal_kv import _internal_kv_get\n"
            f"if {self.name!r} not in sys.modules:\n"
            f"    module = types.ModuleType({self.name!r})\n"
            f"    source = _internal_kv_get({key_of(self.place, self.name)!r}, namespace={NAMESPACE!r})\n"
            "    if source is None:\n"
            "        raise ImportError('Rust cells of a Ray job that has ended; run them again in the notebook')\n"
            f"    exec(compile(source, {self.name!r}, 'exec'), module.__dict__)\n"
            f"    sys.modules[{self.name!r}] = module\n"
        )
        partial = f"__import__('functools').partial(__import__({self.name!r}).{function}, {self.place!r})"
        return f"(exec({code!r}, {{}}), {partial})[1]"


def item(place: str, reference: str, path: str) -> Any:
    """Something of a cell, by its name in the module; the module itself where that is empty.

    Raises:
        ImportError: the cell cannot be had.
    """
    if reference not in sys.modules:
        answer = fetch(place, reference)
        if reference not in sys.modules:
            said = json.loads(base64.urlsafe_b64decode(answer)) if answer else {}
            why = said.get("text", "it is no longer kept, or not built for this platform; run it again in the notebook")
            raise ImportError(f"the Rust cell {reference!r} cannot be had: {why}")
    know(place, reference)
    return functools.reduce(getattr, filter(None, path.split(".")), sys.modules[reference])


def fetch(place: str, reference: str, digest: str = "") -> str:
    """Imports a cell, from what was built for this platform; the agent's answer.

    Args:
        place: prefix of the keys of the job's cells.
        reference: the module name that stands for its content.
        digest: of the delivery, where it is known that this is the one for here.
    """
    from ray.experimental.internal_kv import _internal_kv_list

    answer = ""
    with _lock:
        _bound.clear()
        found = _internal_kv_list(key_of(place, f"{reference}/{digest}"), namespace=NAMESPACE)
        for key in map(bytes, found or []):
            entry = json.loads(get(key))
            answer = eval(entry["expression"], {"files": {}})  # noqa: S307 - our own
            result = json.loads(base64.urlsafe_b64decode(answer)).get("result", {})
            if result.get("missing"):
                files = {name: get(key_of(place, name)) for name in result["missing"]}
                answer = eval(entry["expression"], {"files": files})  # noqa: S307
            elif result.get("other"):
                continue
            if reference in sys.modules:
                know(place, reference)
                break
    return answer


def ready(place: str, deliveries: list[tuple[str, str]]) -> None:
    """Binds what was delivered, in that order: names in a worker stand for what was delivered last."""
    with _lock:
        if _bound != deliveries:
            for reference, digest in deliveries:
                fetch(place, reference, digest)
            _bound[:] = deliveries


def know(place: str, reference: str, name: str = __name__) -> Fetch:
    """From now on this process pickles what is in a cell's module so that any worker of the job can unpickle it.

    Args:
        place: prefix of the keys of the job's cells.
        reference: the module's name.
        name: of this module in the workers.
    """
    made = _fetches.setdefault(place, Fetch(place, name))
    module = sys.modules.get(reference)
    if module is not None and _places.get(reference) != place:
        _places[reference] = place
        remember(module, reference, "")
        for each, value in vars(module).items():
            if isinstance(value, (type, types.BuiltinFunctionType)):
                remember(value, reference, each)
        teach()
    return made


def remember(value: object, reference: str, path: str) -> None:
    """Notes where something is found, with the classes in it."""
    if id(value) in _items:
        return
    _items[id(value)] = (value, reference, path)
    if isinstance(value, type):
        for name, inner in vars(value).items():
            if isinstance(inner, type):
                remember(inner, reference, f"{path}.{name}")


def teach() -> None:
    """Lets Ray's pickler ask here first."""
    import ray.cloudpickle

    pickler: Any = ray.cloudpickle.CloudPickler
    plain = pickler.reducer_override
    if getattr(plain, "of", None) == __name__:
        return

    def reducer_override(self: Any, value: object) -> Any:
        known = _items.get(id(value))
        if known is None:
            return plain(self, value)
        _, reference, path = known
        return _fetches[_places[reference]], (reference, path)

    reducer_override.of = __name__  # type: ignore[attr-defined]
    pickler.reducer_override = reducer_override


def key_of(place: str, name: str) -> bytes:
    """The key of something that is kept for a job."""
    return f"{place}:{name}".encode()


def get(key: bytes) -> bytes:
    """What is kept.

    Raises:
        ImportError: it is not any more.
    """
    from ray.experimental.internal_kv import _internal_kv_get

    value = _internal_kv_get(key, namespace=NAMESPACE)
    if value is None:
        raise ImportError("a Rust cell is no longer kept; run it again in the notebook")
    return bytes(value)


def put(place: str, name: str, value: bytes) -> bool:
    """Keeps something for a job; whether it had to be sent."""
    from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put

    key = key_of(place, name)
    if _internal_kv_exists(key, namespace=NAMESPACE):
        return False
    _internal_kv_put(key, value, namespace=NAMESPACE)
    return True


def drop(place: str, name: str) -> None:
    """Forgets it."""
    from ray.experimental.internal_kv import _internal_kv_del

    _internal_kv_del(key_of(place, name), namespace=NAMESPACE)
