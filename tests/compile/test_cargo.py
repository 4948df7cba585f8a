"""What builds that share a target folder show of each other."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

import pytest

from pyo3magic.compile.cargo import target_folder
from pyo3magic.environment.build_options import Event

from .conftest import make_context

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.environment.context import Context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, {})


@pytest.mark.parametrize(
    ("nice", "announced", "shown"),
    [
        (10, None, Event("compiling", "pyo3")),
        (10, Event("compiling", "syn", 1, 20), Event("compiling", "syn", 1, 20)),
        (0, Event("compiling", "syn", 1, 20), Event("waiting", "syn", 1, 20)),
        (0, None, Event("waiting")),
    ],
)
def test_a_build_that_waits_shows_what_a_warm_up_does(
    context: Context, monkeypatch: pytest.MonkeyPatch, nice: int, announced: Event | None, shown: Event
) -> None:
    """Under a cell's first build, "waiting for another build" would be its own kernel's warm-up."""
    monkeypatch.setattr("pyo3magic.compile.cargo._PROGRESS_INTERVAL", -1)
    seen: list[Event] = []
    waits = threading.Event()

    def report(event: Event) -> None:
        seen.append(event)
        waits.set()

    def wait() -> None:
        with target_folder(dataclasses.replace(context, report=report)):
            pass

    thread = threading.Thread(target=wait)
    with target_folder(dataclasses.replace(context, nice=nice)) as announce:
        if announced is not None:
            announce(announced)
        thread.start()
        assert waits.wait(20)
    thread.join(20)
    assert seen[0] == shown
