"""What ``%load_ext pyo3magic`` does to a shell, and how it is undone."""

from __future__ import annotations

import contextlib
import os
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
        if self.magics.relay is not None and os.name == "posix":
            self.magics.relay.drain()

    def info(self, obj: object, *args: Any, **kwargs: Any) -> Any:
        """Add the Rust source to what ``??`` shows."""
        found = self._inspect(obj, *args, **kwargs)
        source = self.session.source_of(obj) if self.magics.has_modules else None
        if source is not None:
            found["source"] = source.strip("\n") if kwargs.get("detail_level", 0) else None
            found["file"] = None
        return found
