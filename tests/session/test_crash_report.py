"""Reports of crashes: read, described, and told once."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest

from pyo3magic.session.crash_report import Frame, parse_report, take_reports
from pyo3magic.session.crash_watch import Crashes
from pyo3magic.store import Store
from pyo3magic.store.locking import Presence

if TYPE_CHECKING:
    from pathlib import Path

_STACK = 140000008192
TEXT = """\
signal 11 16 5 42
{details}
frame 0 1000 900 0\t/store/m.so\tpyo3magic_watch_crashes
frame 1 1100 900 140000008192\t/store/m.so\t
frame 0 1200 900 140000008200\t/store/m.so\t
frame 0 7000 6000 140000008300\t/lib/libpython3.so\t_PyEval_EvalFrameDefault
frames 4
Thread 0x00007f (most recent call first):
  File "/lib/threading.py", line 1 in wait

Current thread 0x00007e [name] (most recent call first):
  File "/tmp/analysis.py", line 7 in helper
  File "/tmp/ipykernel_42/123.py", line 2 in call
  File "/tmp/ipykernel_42/124.py", line 1 in <module>
  File "/lib/IPython/core/interactiveshell.py", line 3823 in run_code
"""


@pytest.fixture
def text(tmp_path: Path) -> str:
    """A report whose module is not there any more."""
    return TEXT.format(details=repr(("/store/m.so", str(tmp_path), (("src/lib.rs", "In[3]", 0),))))


def test_reading_a_report(text: str) -> None:
    report = parse_report(text)
    assert (report.signal, report.address, report.cell, report.depth) == ("SIGSEGV", 16, 5, 3)
    assert report.frames[0] == Frame(1100, 900, _STACK, "/store/m.so", "")
    assert len(report.frames) == 3
    assert [function for _, _, function in report.python] == ["helper", "call", "<module>"]


@pytest.mark.parametrize("length", [0, 10, 40, 150, 250, 350, 500])
def test_a_report_that_was_cut_off(text: str, length: int) -> None:
    try:
        said = parse_report(text[:length]).describe("It")
    except (ValueError, SyntaxError):
        return
    assert said.startswith("It died")


def test_without_a_cell_on_the_stack(text: str) -> None:
    report = dataclasses.replace(parse_report(text), modules={})
    said = report.describe("The last kernel")
    assert said.startswith(
        "The last kernel died in _PyEval_EvalFrameDefault of libpython3.so: invalid memory access at address 0x10 "
        "(SIGSEGV).\nNo Rust code of a cell was running"
    )
    assert said.endswith(
        "Python, innermost call first:\n  helper, /tmp/analysis.py line 7\n  call, a cell, line 2\n"
        "  <module>, In[5] line 1"
    )


@pytest.mark.parametrize(
    ("address", "reason"),
    [(_STACK - 4096, "stack overflow"), (_STACK + 8, "stack overflow"), (0x7F0000000000, "invalid memory access")],
)
def test_an_address_next_to_the_stack_is_an_overflow(text: str, address: int, reason: str) -> None:
    report = dataclasses.replace(parse_report(text), address=address)
    assert f": {reason}" in report.describe("It")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("abort", "abort (SIGABRT)"),
        ("_ZN4core9panicking19panic_cannot_unwind17h0123456789abcdefE", "abort after a panic (SIGABRT)"),
        ("_ZN5alloc5alloc18handle_alloc_error17h0123456789abcdefE", "out of memory (SIGABRT)"),
    ],
)
def test_the_reason_of_an_abort(text: str, name: str, reason: str) -> None:
    report = parse_report(text)
    frames = (dataclasses.replace(report.frames[0], file="/lib/libc.so", name=name), *report.frames)
    said = dataclasses.replace(report, signal="SIGABRT", frames=frames).describe("It")
    assert said.splitlines()[0].endswith(f": {reason}.")


@pytest.fixture
def crashes(tmp_path: Path) -> Crashes:
    """The place for reports of a session in a store."""
    store = Store(tmp_path / "store")
    made = Crashes.of(store.folder, "notebook", "aa")
    made.folder.mkdir(parents=True)
    return made


def test_which_reports_are_due(crashes: Crashes, tmp_path: Path, text: str) -> None:
    store = Store(tmp_path / "store")
    sessions = {name: store.make_folder(store.place("sessions", name)) for name in ("bb", "cc")}
    presences = [Presence(folder / "alive") for folder in sessions.values()]
    own = f"aa.{crashes.kernel}.100"
    names = [own, "bb.1.2", "cc.1.1", "cc.1.3", "dd.1.2", "unknown"]
    for number, name in enumerate(names):
        file = crashes.folder / name
        file.write_text(text.replace("signal 11 16", f"signal 11 {number + 1}"))
        os.utime(file, (number, number))
    said = take_reports(crashes, store, {})
    assert [line.split(" of this")[0] for line in said] == [
        "A worker process",
        "A worker process",
        "The last kernel",
        "1 more processes",
    ]
    assert sorted(path.name for path in crashes.folder.iterdir()) == ["bb.1.2", "unknown"]
    assert take_reports(crashes, store, {}) == []
    for presence in presences:
        presence.release()
    assert len(take_reports(crashes, store, {})) == 1


def test_the_folder_goes_with_its_last_report(crashes: Crashes, tmp_path: Path) -> None:
    (crashes.folder / "cc.1.1").write_text("damaged")
    assert crashes.exist()
    assert take_reports(crashes, Store(tmp_path / "store"), {}) == []
    assert not crashes.exist()
