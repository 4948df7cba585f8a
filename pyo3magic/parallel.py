"""Run functions in threads, and end the programs that they run when the caller is interrupted."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["CancelledError", "Threads", "check_cancelled", "threads"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_cancelled: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("cancelled", default=None)


class CancelledError(Exception):
    """The caller no longer waits for this thread's result."""


class Threads:
    """Threads whose work can be cancelled; made by `threads`.

    Args:
        pool: runs the functions.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._event = threading.Event()

    def start(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call a function in a thread, and return the future of its result."""
        context = contextvars.copy_context()
        context.run(_cancelled.set, self._event)
        return self._pool.submit(context.run, lambda: function(*args, **kwargs))

    def cancel(self) -> None:
        """Let each thread raise CancelledError at its next `check_cancelled`."""
        self._event.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def threads(number: int) -> Iterator[Threads]:
    """Provide threads for a block, and wait for them at its end.

    When the block is left by an exception, a KeyboardInterrupt included, the threads' programs are ended.

    Args:
        number: how many functions may run at once.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(number) as pool:
        started = Threads(pool)
        try:
            yield started
        except BaseException:
            started.cancel()
            raise


def check_cancelled() -> None:
    """Raise CancelledError if this thread was cancelled; called while a thread waits for a program."""
    event = _cancelled.get()
    if event is not None and event.is_set():
        raise CancelledError
