"""Connects the package to an IPython shell at ``%load_ext``, and disconnects it at ``%unload_ext``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.errors import PyO3MagicError
from pyo3magic.session import Session
from pyo3magic.session.crash_watch import notebook_name
from pyo3magic.session.load import crash_watch
from pyo3magic.session.output_relay import Relay
from pyo3magic.settings import PyO3Magic, parse_size
from pyo3magic.store import Store

from .editor_hooks import EditorHooks
from .lazy import MagicsClass, MagicsRoom
from .rust_magic import RustMagics

if TYPE_CHECKING:
    from pyo3magic.process import Background

    from .remote_magics import TargetMagics

__all__ = ["Extension", "install", "uninstall"]

_ATTRIBUTE = "_pyo3magic"

_TARGETS = MagicsClass("pyo3magic.notebook.remote_magics", "TargetMagics", ("pyo3_connect", "rust_on"), ("rust_on",))
_LATE = (
    MagicsClass("pyo3magic.notebook.upkeep_magics", "UpkeepMagics", ("pyo3_info", "pyo3_cache")),
    MagicsClass(
        "pyo3magic.notebook.tool_magics",
        "ToolMagics",
        ("rust_expand", "rust_fmt", "rust_clippy", "rust_errors", "rust_fix", "rust_explain"),
        ("rust_expand", "rust_fmt", "rust_clippy"),
    ),
    MagicsClass(
        "pyo3magic.notebook.export_magics",
        "DistributionMagics",
        ("pyo3_wheel", "pyo3_sdist", "pyo3_project", "pyo3_install"),
    ),
    _TARGETS,
)


def install(shell: Any) -> None:
    """Register the magics and hooks with an IPython shell; a second call changes nothing."""
    if getattr(shell, _ATTRIBUTE, None) is None:
        extension = Extension(shell)
        setattr(shell, _ATTRIBUTE, extension)
        extension.attach()


def uninstall(shell: Any) -> None:
    """Remove the magics and hooks; modules that cells have built stay usable."""
    extension: Extension | None = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        extension.detach()
        delattr(shell, _ATTRIBUTE)


class Extension:
    """This package in one shell: settings, session, magics and hooks.

    Args:
        shell: IPython's shell.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.settings = PyO3Magic(parent=shell)
        self._session: Session | None = None
        self._relay = Relay() if hasattr(shell, "kernel") else None
        self._warm_up: Background | None = None
        given = (lambda: self.session, self.settings)
        self._rooms = {late.name: MagicsRoom(shell, late, *given) for late in _LATE}
        self._magics = RustMagics(shell, *given, self._targets)
        self._hooks = EditorHooks(
            shell,
            lambda: self._session,
            store=lambda: self.settings.store,
            targets=self._connected,
            magics=frozenset({"rust", *(name for late in _LATE for name in (*late.lines, *late.cells))}),
        )

    @property
    def session(self) -> Session:
        """The kernel's session; its store is opened at the first use."""
        if self._session is None or str(self._session.store.folder) != self.settings.store:
            session = Session(Store(Path(self.settings.store)))
            session.relay = self._relay
            session.size_limit = parse_size(self.settings.size_limit)
            session.notebook = notebook_name(os.environ, self.shell.user_ns)
            session.open()
            if self._session is not None:
                self._session.close()
            self._session = session
        return self._session

    def attach(self) -> None:
        """Register the magics, the settings and the hooks; start the warm-up."""
        import atexit

        for room in self._rooms.values():
            room.register()
        self.shell.register_magics(self._magics)
        self.shell.configurables.append(self.settings)
        self.shell.events.register("pre_run_cell", self._before_cell)
        self.shell.events.register("post_run_cell", self._after_cell)
        self.shell.input_transformer_manager.line_transforms.insert(0, _accept)
        self._hooks.attach()
        atexit.register(self._close)
        self.settings.observe(self._apply_size_limit, "size_limit")
        self.settings.observe(self._apply_warm_up, "warm_up")
        self._apply_warm_up()
        self._tell_crashes()

    def detach(self) -> None:
        """Unregister everything; only the store remains."""
        import atexit

        self.settings.unobserve_all()
        self.shell.events.unregister("pre_run_cell", self._before_cell)
        self.shell.events.unregister("post_run_cell", self._after_cell)
        self.shell.input_transformer_manager.line_transforms.remove(_accept)
        self._hooks.detach()
        atexit.unregister(self._close)
        self._close()
        with contextlib.suppress(ValueError):
            self.shell.configurables.remove(self.settings)
        for room in self._rooms.values():
            room.unregister()
        for kind, table in self._magics.magics.items():
            for name in table:
                self.shell.magics_manager.magics[kind].pop(name, None)

    def _apply_size_limit(self, change: object) -> None:  # noqa: ARG002 - traitlets passes it
        if self._session is not None:
            self._session.size_limit = parse_size(self.settings.size_limit)

    def _apply_warm_up(self, change: object = None) -> None:  # noqa: ARG002 - traitlets passes it
        """Start or stop compiling pyo3 in the background, for an interpreter and toolchain that the store is new to."""
        if self._warm_up is not None:
            self._warm_up.terminate()
        # A setting or a store that cannot be used is reported at the first cell, not at %load_ext.
        with contextlib.suppress(PyO3MagicError):
            store = self.session.store
            if self.settings.warm_up:
                from pyo3magic.compile.warm_up import start_warming

                self._warm_up = start_warming(store, os.environ, self.settings.build_options())

    def _close(self) -> None:
        if self._warm_up is not None:
            self._warm_up.terminate()
        if self._rooms[_TARGETS.name].magics is not None:
            self._targets().close()
        if self._session is not None:
            self._session.close()

    def _targets(self) -> TargetMagics:
        """The magics that hold the connections to remote kernels."""
        targets: Any = self._rooms[_TARGETS.name].made()
        return targets  # type: ignore[no-any-return]

    def _connected(self) -> list[str]:
        """The names of connected kernels; nothing is imported to find that there are none."""
        return list(self._targets().targets) if self._rooms[_TARGETS.name].magics is not None else []

    def _session_with_modules(self) -> Session | None:
        return self._session if self._session is not None and self._session.outcomes else None

    def _before_cell(self, info: object = None) -> None:  # noqa: ARG002 - IPython passes it
        # The display hook has the number of the cell in all versions of IPython.
        crash_watch.set_cell(self.shell.displayhook.prompt_count)

    def _tell_crashes(self) -> None:
        """Say in which function the notebook's last kernel, or a worker process, died."""
        for text in self._session.crash_reports() if self._session is not None else ():
            from .display import show_note

            show_note(self.shell, text)

    def _after_cell(self, result: object = None) -> None:  # noqa: ARG002 - IPython passes it
        """Flush Rust's output, so that it appears under the cell that wrote it, and report workers that crashed."""
        session = self._session_with_modules()
        if session is not None:
            session.flush()
            if self._relay is not None and os.name == "posix":
                self._relay.drain()
            self._tell_crashes()


def _accept(lines: list[str]) -> list[str]:
    """Make IPython accept two kinds of ``%%rust`` cells that it refuses: with a byte order mark, and without a body."""
    if lines and lines[0].startswith("\ufeff%%rust"):
        lines = [lines[0][1:], *lines[1:]]  # the byte order mark of a file that the cell was pasted from
    words = lines[0].split(maxsplit=1) if len(lines) == 1 else []
    return [f"{lines[0].rstrip()}\n", "\n"] if words and words[0] == "%%rust" else lines
