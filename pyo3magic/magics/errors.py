"""How errors leave a magic: as if the user's own line had raised them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import CompileError, Interrupted, PyO3MagicError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["errors_shown", "errors_without_traceback"]


@contextlib.contextmanager
def errors_without_traceback() -> Iterator[None]:
    """Let errors of this package go on without the frames of this package."""
    try:
        yield
    except PyO3MagicError as error:
        raise error.with_traceback(None) from None


@contextlib.contextmanager
def errors_shown(shell: Any, label: str, *, interrupted: str) -> Iterator[None]:
    """Likewise; show what the compiler said, and turn an interrupt into an error that says what has become of it.

    Args:
        shell: IPython's shell.
        label: what the user calls that which is compiled, ``In[3]``.
        interrupted: what to say after an interrupt.
    """
    try:
        with errors_without_traceback():
            yield
    except CompileError as error:
        from pyo3magic.display import prepare_error

        prepare_error(shell, error, label)
        raise error.with_traceback(None) from None
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted(interrupted) from None
