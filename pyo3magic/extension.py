"""What ``%load_ext pyo3magic`` does to a shell, and how it is undone."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from .distribution.magics import DistributionMagics
from .errors import PyO3MagicError
from .magics import RustMagics
from .programs.magics import ToolMagics
from .targets.magics import TargetMagics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.magic import Magics

    from .session import Session

__all__ = ["install", "uninstall"]

_MAGICS = "_pyo3magic"
_DRAIN_SECONDS = 0.2
_MORE = (ToolMagics, TargetMagics, DistributionMagics)
"""Further classes of magics, each made with the shell, what gives the session, and what gives the settings' values."""


def install(shell: Any) -> None:
    """Register the magics and hooks with an IPython shell; a second call changes nothing."""
    if getattr(shell, _MAGICS, None) is not None:
        return
    magics = RustMagics(shell)
    more = [kind(shell, lambda: magics.session, magics.settings.values) for kind in _MORE]
    shell.register_magics(magics, *more)
    shell.configurables.append(magics.settings)
    hooks = _Hooks(shell, magics, more)
    setattr(shell, _MAGICS, hooks)
    hooks.attach()


def uninstall(shell: Any) -> None:
    """Take the magics and hooks away; what cells have built stays usable."""
    hooks: _Hooks | None = getattr(shell, _MAGICS, None)
    if hooks is not None:
        hooks.detach()
        delattr(shell, _MAGICS)


class _Hooks:
    """The places where this package takes part in what the shell does."""

    def __init__(self, shell: Any, magics: RustMagics, more: Sequence[Magics] = ()) -> None:
        self.shell = shell
        self.magics = magics
        self.more = more
        self._inspect = shell.inspector.info

    def attach(self) -> None:
        import atexit

        self.shell.events.register("post_run_cell", self.after_cell)
        self.shell.inspector.info = self.info
        atexit.register(self.magics.close)
        # A store that cannot be used is reported at the first cell, not at %load_ext.
        with contextlib.suppress(PyO3MagicError):
            self.magics.session  # noqa: B018
            self.magics.start_warm_up()

    def detach(self) -> None:
        import atexit

        self.shell.events.unregister("post_run_cell", self.after_cell)
        self.shell.inspector.info = self._inspect
        atexit.unregister(self.magics.close)
        self.magics.close()
        with contextlib.suppress(ValueError):
            self.shell.configurables.remove(self.magics.settings)
        for magics in (self.magics, *self.more):
            if isinstance(magics, TargetMagics):
                magics.close()
            for kind, table in magics.magics.items():
                registered = self.shell.magics_manager.magics[kind]
                for name in table:
                    registered.pop(name, None)

    @property
    def session(self) -> Session:
        return self.magics.session

    def after_cell(self, result: object = None) -> None:  # noqa: ARG002 - IPython passes it
        """Bring Rust's output under the cell that caused it."""
        if not self.magics.has_modules:
            return
        self.session.flush()
        _drain(self.shell)

    def info(self, obj: object, *args: Any, **kwargs: Any) -> Any:
        """Add the Rust source to what ``??`` shows."""
        found = self._inspect(obj, *args, **kwargs)
        source = self.session.source_of(obj) if self.magics.has_modules else None
        if source is not None:
            found["source"] = source.strip("\n") if kwargs.get("detail_level", 0) else None
            found["file"] = None
        return found


def _drain(shell: Any) -> None:
    """Wait until ipykernel has read what was written to file descriptors 1 and 2.

    Its reader is a thread; what it reads after the cell has ended would appear under another cell, or nowhere.
    """
    if not hasattr(shell, "kernel") or os.name != "posix":
        return
    import fcntl
    import sys
    import termios

    def is_pending(descriptor: object) -> bool:
        with contextlib.suppress(OSError):
            if isinstance(descriptor, int):
                return fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0") != b"\0\0\0\0"
        return False

    deadline = time.monotonic() + _DRAIN_SECONDS
    descriptors = [getattr(stream, "_fid", None) for stream in (sys.stdout, sys.stderr)]
    waiting = any(isinstance(descriptor, int) for descriptor in descriptors)
    while waiting and time.monotonic() < deadline:
        waiting = any(map(is_pending, descriptors))
        # Gives the readers the interpreter lock, so that what they have read is passed on; ipykernel itself then
        # flushes the streams before it says that the cell has ended.
        time.sleep(0.0002)
