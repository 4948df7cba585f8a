"""How errors leave a magic: as if the user's own line had raised them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyo3magic.errors import CompileError, Interrupted, PyO3MagicError, resource_error

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["errors_shown", "errors_without_traceback"]


def errors_without_traceback(interrupted: str = "Interrupted; nothing has changed.") -> _Leaving:
    """Let errors of this package, and interrupts, go on without the frames of this package.

    Args:
        interrupted: what to say after an interrupt.
    """
    return _Leaving(interrupted=interrupted)


def errors_shown(shell: Any, label: str, *, interrupted: str) -> _Leaving:
    """Likewise; show what the compiler said, and turn an interrupt into an error that says what has become of it.

    Args:
        shell: IPython's shell.
        label: what the user calls that which is compiled, ``In[3]``.
        interrupted: what to say after an interrupt.
    """
    return _Leaving(shell, label, interrupted)


class _Leaving:
    # No generator: contextlib gives an exception that passes through one its old traceback again.

    def __init__(self, shell: Any = None, label: str = "", interrupted: str = "") -> None:
        self._shell = shell
        self._label = label
        self._interrupted = interrupted

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, CompileError) and self._shell is not None:
            from .display import prepare_error

            prepare_error(self._shell, error, self._label)
        if isinstance(error, OSError) and (shortage := resource_error(error)) is not None:
            raise shortage from None
        if isinstance(error, PyO3MagicError):
            raise error.with_traceback(None) from None
        if isinstance(error, KeyboardInterrupt) and self._interrupted:
            raise Interrupted(self._interrupted) from None
