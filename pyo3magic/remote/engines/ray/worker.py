"""Runs in Ray's workers: fetches cells from Ray's key-value store, and pickles their functions and classes.

Sent to the workers as source; imported in the notebook's process, since pickling is the same on both sides: a cell's
function, class or module becomes a call of `item`, which fetches the cell if necessary. Needs Python 3.9 and Ray only.
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

NAMESPACE = b"fun"  # Ray's own, for functions: Ray deletes the keys with a job's prefix when the job ends

_lock = threading.RLock()
_places: dict[str, str] = {}
_items: dict[int, tuple[object, str, str]] = {}
_fetches: dict[str, Fetch] = {}
_bound: list[tuple[str, str]] = []


class Fetch:
    """Stands for `item` in a pickle; unpickling it installs this module in the process if necessary.

    Args:
        place: prefix of the keys of the job's cells.
        name: this module's name in the workers.
    """

    def __init__(self, place: str, name: str) -> None:
        self.place = place
        self.name = name

    def __call__(self, reference: str, path: str) -> Any:
        """Do what the unpickled object does."""
        return item(self.place, reference, path)

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (self.expression("item"), {})

    def expression(self, function: str) -> str:
        """An expression that gives a function of this module with ``place`` bound, in any of Ray's workers."""
        code = (
            f"import sys, types\nfrom ray.experimental.internal_kv import _internal_kv_get\n"
            f"if {self.name!r} not in sys.modules:\n"
            f"    module = types.ModuleType({self.name!r})\n"
            f"    source = _internal_kv_get({key_of(self.place, self.name)!r}, namespace={NAMESPACE!r})\n"
            "    if source is None:\n"
            "        raise ImportError('the Ray job of these Rust cells has ended; run the cells again')\n"
            f"    exec(compile(source, {self.name!r}, 'exec'), module.__dict__)\n"
            f"    sys.modules[{self.name!r}] = module\n"
        )
        partial = f"__import__('functools').partial(__import__({self.name!r}).{function}, {self.place!r})"
        return f"(exec({code!r}, {{}}), {partial})[1]"


def item(place: str, reference: str, path: str) -> Any:
    """A function or class of a cell by its name in the module; the module itself for an empty path.

    Raises:
        ImportError: the cell is not available.
    """
    if reference not in sys.modules:
        answer = fetch(place, reference)
        if reference not in sys.modules:
            said = json.loads(base64.urlsafe_b64decode(answer)) if answer else {}
            why = said.get(
                "text", "it is no longer stored, or was not built for this platform; run it again in the notebook"
            )
            raise ImportError(f"the Rust cell {reference!r} is not available: {why}")
    know(place, reference)
    return functools.reduce(getattr, filter(None, path.split(".")), sys.modules[reference])


def fetch(place: str, reference: str, digest: str = "") -> str:
    """Import the build of a cell for this platform; return the agent's answer.

    Args:
        place: prefix of the keys of the job's cells.
        reference: the module name for the cell's content.
        digest: the delivery for this platform, if it is known.
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
    """Bind what was delivered, in that order, since a worker's names mean the last delivery."""
    with _lock:
        if _bound != deliveries:
            for reference, digest in deliveries:
                fetch(place, reference, digest)
            _bound[:] = deliveries


def know(place: str, reference: str, name: str = __name__) -> Fetch:
    """Make this process pickle a cell's functions and classes for any worker of the job.

    Args:
        place: prefix of the keys of the job's cells.
        reference: the module's name.
        name: this module's name in the workers.
    """
    made = _fetches.setdefault(place, Fetch(place, name))
    module = sys.modules.get(reference)
    if module is not None and _places.get(reference) != place:
        _places[reference] = place
        remember(module, reference, "")
        for each, value in vars(module).items():
            if isinstance(value, (type, types.BuiltinFunctionType)) or type(value).__name__ == "ufunc":
                remember(value, reference, each)
        teach()
    return made


def remember(value: object, reference: str, path: str) -> None:
    """Remember where a function or class is found, and the classes inside it."""
    if id(value) in _items:
        return
    _items[id(value)] = (value, reference, path)
    if isinstance(value, type):
        for name, inner in vars(value).items():
            if isinstance(inner, type):
                remember(inner, reference, f"{path}.{name}")


def teach() -> None:
    """Make Ray's pickler ask this module first; Ray has no public means for functions."""
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
    """The key of a value that is stored for a job."""
    return f"{place}:{name}".encode()


def get(key: bytes) -> bytes:
    """The stored value.

    Raises:
        ImportError: the value is no longer stored.
    """
    from ray.experimental.internal_kv import _internal_kv_get

    value = _internal_kv_get(key, namespace=NAMESPACE)
    if value is None:
        raise ImportError("a Rust cell is no longer stored; run it again in the notebook")
    return bytes(value)


def put(place: str, name: str, value: bytes) -> bool:
    """Store a value for a job; return whether it had to be sent."""
    from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put

    key = key_of(place, name)
    if _internal_kv_exists(key, namespace=NAMESPACE):
        return False
    _internal_kv_put(key, value, namespace=NAMESPACE)
    return True


def drop(place: str, name: str) -> None:
    """Delete a stored value."""
    from ray.experimental.internal_kv import _internal_kv_del

    _internal_kv_del(key_of(place, name), namespace=NAMESPACE)
