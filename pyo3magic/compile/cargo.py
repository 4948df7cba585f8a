"""Run cargo in the shared target folder, and read its messages and progress."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import TYPE_CHECKING, Any

from pyo3magic.environment.build_options import Event
from pyo3magic.errors import StoreError, ToolchainError, resource_error
from pyo3magic.process import Finished, run
from pyo3magic.store.locking import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pyo3magic.environment.context import Context

__all__ = ["failure_text", "json_lines", "run_cargo", "target_folder"]

_BAR = re.compile(r"\[[=> ]*\] (\d+)/(\d+)(?:: (.*?))?\s*(?:Running|$)")
_BLOCKED = re.compile(r"Blocking waiting for file lock on (.*)")
_FETCHING = re.compile(r"^\s*(Updating|Downloading|Downloaded|Locking) (.*)")
_PROGRESS_INTERVAL = 0.2


@contextlib.contextmanager
def target_folder(context: Context) -> Iterator[Callable[[Event], None]]:
    """Lock the target folder that all cells share, and yield a function that reports progress.

    The function reports to this process and to every process that waits for the lock. A build that waits for a warm-up
    shows the warm-up's progress, because the warm-up is compiling the pyo3 that the build needs.
    """
    status = context.store.place("targets", f"{context.target_name}.progress.json")
    last_written = 0.0

    def announce(event: Event) -> None:
        nonlocal last_written
        context.report(event)
        now = time.monotonic()
        if now - last_written > _PROGRESS_INTERVAL:
            last_written = now
            kind = event.kind if context.nice else "waiting"
            with contextlib.suppress(StoreError):
                context.store.write_text(status, json.dumps([kind, event.text, event.done, event.total]))

    def waiting() -> None:
        event = Event("waiting")
        with contextlib.suppress(OSError, ValueError, TypeError):
            event = Event(*json.loads(status.read_bytes()))
        context.report(event)

    with exclusive(context.target_lock, waiting=waiting):
        try:
            if context.nice:
                announce(Event("compiling", "pyo3"))
            yield announce
        finally:
            context.store.remove(status)


def run_cargo(
    context: Context,
    arguments: list[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    announce: Callable[[Event], None] | None = None,
) -> Finished:
    """Run cargo in the notebook's working directory and report its progress.

    cargo records in the target folder what rustc said of itself, even that rustc was killed; a failure is forgotten.

    Args:
        context: where and with what to build.
        arguments: cargo's arguments.
        environ: the environment, if not the context's.
        announce: receives progress, if not the context's ``report``.

    Returns:
        The finished process; the caller checks its exit status.

    Raises:
        ToolchainError: cargo cannot be started.
    """
    report = announce or context.report
    latest = Event("resolving", "")
    known = context.target_folder / ".rustc_info.json"
    with contextlib.suppress(OSError):
        if b'"success":false' in known.read_bytes():
            known.unlink()

    def read(line: str) -> None:
        nonlocal latest
        if bar := _BAR.search(line):
            latest = Event("compiling", bar[3] or "", int(bar[1]), int(bar[2]))
        elif blocked := _BLOCKED.search(line):
            latest = Event("waiting", blocked[1])
        elif fetching := _FETCHING.match(line):
            latest = Event("resolving", f"{fetching[1]} {fetching[2]}")
        else:
            return
        report(latest)

    try:
        return run(
            [context.toolchain.cargo, *arguments],
            cwd=context.directory,
            environ=context.environ if environ is None else environ,
            on_stderr=read,
            on_idle=lambda: report(latest),
            nice=context.nice,
            guarded=True,
        )
    except OSError as error:
        shortage = resource_error(error)
        if shortage is not None:
            raise shortage from error
        raise ToolchainError(
            f"cargo cannot be started ({context.toolchain.cargo}): {error.strerror or error}.",
            advice="Run %pyo3_info to see which Rust is found.",
        ) from error


def json_lines(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a program's output, one per line; other lines are skipped."""
    for line in text.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def failure_text(finished: Finished, messages: list[dict[str, Any]]) -> str:
    """Return the output of cargo and its compilers, without cargo's command lines and progress bars."""
    said = [line for line in finished.stderr.splitlines() if "Running `" not in line and not _BAR.search(line)]
    for item in messages:
        message = item.get("message")
        if isinstance(message, dict) and str(message.get("level", "")).startswith("error"):
            said.append(str(message.get("rendered") or message.get("message")))
    return "\n".join(said)
