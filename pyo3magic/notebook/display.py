"""Shows progress, compiler messages and notes: in a notebook, in a terminal, or in a file."""

from __future__ import annotations

import contextlib
import html
import logging
import re
import sys
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from pyo3magic.diagnostics import Diagnostic
    from pyo3magic.environment.build_options import Event
    from pyo3magic.errors import CompileError

__all__ = [
    "Logged",
    "Progress",
    "Shown",
    "describe_event",
    "is_notebook",
    "latest_diagnostics",
    "prepare_error",
    "show_diagnostics",
    "show_latest_diagnostics",
    "show_note",
]

_latest: WeakKeyDictionary[Any, tuple[tuple[Diagnostic, ...], str]] = WeakKeyDictionary()
"""By shell, the compiler messages that were shown last, and the name of their cell."""
_CELL = re.compile(r"In\[\d+\]")
_INTERVAL = 0.1
_NAMES_SHOWN = 60
_EMPTY = {"text/plain": "", "text/html": "<span hidden></span>"}
_MAGIC = re.compile(r"(?:[\w.,\[\] ]+=\s*)?%")


class Logged(contextlib.AbstractContextManager["Logged"]):
    """Print what the package logs, while this is entered: what was decided, which commands ran, how long they took."""

    def __enter__(self) -> Self:
        self._logger = logging.getLogger("pyo3magic")
        self._level = self._logger.level
        self._handler = logging.StreamHandler(sys.stdout)
        self._handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.setLevel(self._level)


class Shown(str):
    """Text whose ``repr`` is itself, so that a notebook shows it as it stands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def is_notebook(shell: Any) -> bool:
    """Whether what is displayed goes to a Jupyter front end."""
    return hasattr(shell, "kernel")


def _is_alone(shell: Any) -> bool:
    """Whether the running cell is one magic and nothing else, so no other output of the cell can be lost."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    code = str((parent or {}).get("content", {}).get("code", "")).strip()
    return code.startswith("%%rust") or ("\n" not in code and _MAGIC.match(code) is not None)


class Progress:
    """One live line under the cell: it comes when a build takes longer than ``delay`` seconds, and goes with its end.

    Args:
        shell: IPython's shell, or None for a plain program.
        delay: seconds to wait before anything is shown.
        quiet: show nothing.
        started: when the build began, in the seconds of `time.monotonic`; now by default.
    """

    def __init__(self, shell: Any, *, delay: float = 0.5, quiet: bool = False, started: float | None = None) -> None:
        self._notebook = is_notebook(shell)
        self._terminal = not self._notebook and sys.stderr.isatty()
        self._quiet = quiet
        self._started = time.monotonic() if started is None else started
        self._delay = delay
        self._last = 0.0
        self._handle: Any = None
        self._owns_output = _is_alone(shell)
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def report(self, event: Event) -> None:
        """Show how far the build is, at most ten times a second."""
        now = time.monotonic()
        if self._quiet or now - self._started < self._delay or now - self._last < _INTERVAL:
            return
        self._last = now
        text = describe_event(event, now - self._started)
        if self._notebook:
            self._update(text, event)
        elif self._terminal:
            line = text[:118]
            sys.stderr.write("\r" + line.ljust(self._width))
            sys.stderr.flush()
            self._width = len(line)

    def close(self) -> None:
        """Take the line away, and nothing else that the cell has shown."""
        if self._handle is not None:
            from IPython.display import clear_output

            if self._owns_output:
                clear_output()
            else:
                self._handle.update(_EMPTY, raw=True)
            self._handle = None
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0

    def _update(self, text: str, event: Event) -> None:
        from IPython.display import display

        bar = f'<progress value="{event.done}" max="{event.total}"></progress> ' if event.total else ""
        data = {"text/plain": text, "text/html": f"<div>{bar}<small>{html.escape(text)}</small></div>"}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def describe_event(event: Event, seconds: float) -> str:
    """One line about a running build."""
    names = event.text if len(event.text) <= _NAMES_SHOWN else event.text[:_NAMES_SHOWN].rsplit(",", 1)[0] + ", …"
    count = f" {event.done} of {event.total}" if event.total else ""
    if event.kind == "waiting":
        what = f"Waiting for another build{count}" + (f": {names}" if names else "")
    elif event.kind == "resolving":
        what = names or "Choosing versions of the crates"
    else:
        what = f"Compiling{count}" + (f": {names}" if names else "")
    return f"{what} ({seconds:.0f} s)"


def _display(data: dict[str, str], transient: dict[str, Any] | None = None) -> None:
    from IPython.display import display

    display(data, raw=True, transient=transient)


def show_diagnostics(shell: Any, diagnostics: Iterable[Diagnostic], label: str, *, whole: bool = False) -> None:
    """Show compiler messages: as HTML and text in a notebook, in colours in a terminal, as plain text in a file.

    Args:
        shell: IPython's shell.
        diagnostics: the messages, in the compiler's order.
        label: the cell's name, ``In[3]``.
        whole: show all messages. Otherwise the first few, and ``%rust_errors`` shows the rest.
    """
    items = tuple(diagnostics)
    if not items:
        return
    from pyo3magic import diagnostics as rendering  # 6 ms that a cell without messages does not need

    if shell is not None:
        _latest[shell] = (items, label)
    shown, rest = (items, []) if whole else rendering.folded(items)
    more = f"\n… and {len(rest)} more; %rust_errors shows them.\n" if rest else ""
    if is_notebook(shell):
        render = rendering.render_html if whole else rendering.render_folded_html
        data = {"text/plain": rendering.render_text(shown, label) + more, "text/html": render(items, label)}
        # Front ends do not save what is transient (docs/protocol.md).
        in_cell = _CELL.fullmatch(label)
        _display(data, {"pyo3magic": rendering.for_front_end(items, label)} if in_cell else None)
        return
    colour = sys.stderr.isatty()
    text = rendering.render_ansi(shown, label, links=True) if colour else rendering.render_text(shown, label)
    sys.stderr.write((text + more).rstrip("\n") + "\n")
    sys.stderr.flush()


def latest_diagnostics(shell: Any) -> tuple[tuple[Diagnostic, ...], str] | None:
    """Return the compiler's messages that were shown last and the name of their cell; None if there were none."""
    return _latest.get(shell)


def show_latest_diagnostics(shell: Any) -> None:
    """Show all messages of the cell that last had any."""
    if found := latest_diagnostics(shell):
        show_diagnostics(shell, *found, whole=True)
    else:
        show_note(shell, "The compiler has had nothing to say in this session.")


def show_note(shell: Any, text: str) -> None:
    """Show a remark under the cell."""
    if is_notebook(shell):
        _display({"text/plain": text, "text/html": f"<small>{html.escape(text)}</small>"})
    else:
        sys.stderr.write(text + "\n")


def prepare_error(shell: Any, error: CompileError, label: str) -> None:
    """Show a compile error's messages, so that the exception itself needs only one line."""
    error.label = label
    with contextlib.suppress(Exception):
        show_diagnostics(shell, error.diagnostics, label)
