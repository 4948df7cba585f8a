"""A process writes a report when a signal ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyo3magic.session.crash_watch import Crashes, notebook_name


@pytest.mark.parametrize(
    ("environ", "variables", "name"),
    [
        ({"JPY_SESSION_NAME": "/n.ipynb"}, {"__vsc_ipynb_file__": "/v.ipynb"}, "/n.ipynb"),
        ({"JPY_SESSION_NAME": ""}, {"__vsc_ipynb_file__": "/v.ipynb"}, "/v.ipynb"),
        ({}, {"__vsc_ipynb_file__": 3}, str(Path.cwd())),
        ({}, {}, str(Path.cwd())),
    ],
)
def test_what_identifies_a_notebook(environ: dict[str, str], variables: dict[str, object], name: str) -> None:
    assert notebook_name(environ, variables) == name


def test_each_notebook_has_a_folder_of_its_own(tmp_path: Path) -> None:
    one, again, other = (Crashes.of(tmp_path, name, "abc") for name in ("one", "one", "other"))
    assert one == again
    assert one.folder.parent == other.folder.parent == tmp_path / "crashes"
    assert one.folder != other.folder
    assert not one.exist()


PROGRAM = """
import sys
from pathlib import Path
from pyo3magic.api import build
from pyo3magic.session.load import crash_watch, load
from pyo3magic.session.crash_watch import Crashes

store, folder, code = sys.argv[1:]
made = build("#[pyfunction] fn stop(at: usize) { unsafe { *(at as *mut u8) = 1 } }", store=Path(store))
module = load(made.artifact).module
crash_watch.start(made.artifact.file, Crashes(Path(folder), "0123abcd", 7))
crash_watch.describe(made.artifact, [("src/lib.rs", "In[1]", 0)])
crash_watch.set_cell(5)
exec(code)
"""


EVERY_DESCRIPTOR = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    module.stop(0)
"""


def run(store: Path, folder: Path, code: str) -> tuple[int, list[Path]]:
    """Run a program with handlers; return its status and the reports."""
    program = [sys.executable, "-c", PROGRAM, str(store), str(folder), code]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done.returncode, [*folder.iterdir()] if folder.exists() else []


@pytest.mark.cargo
@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="handlers are for Linux and macOS")
def test_a_report_is_written(store: Path, tmp_path: Path) -> None:
    status, reports = run(store, tmp_path / "reports", "module.stop(16)")
    assert status == -signal.SIGSEGV
    (report,) = reports
    assert report.name.startswith("0123abcd.7.")
    lines = report.read_text().splitlines()
    assert lines[0].split()[:4] == ["signal", str(int(signal.SIGSEGV)), "16", "5"]
    assert "'In[1]'" in lines[1]
    assert sum(line.startswith("frame ") for line in lines) > 3
    assert "in <module>" in report.read_text()


@pytest.mark.cargo
@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="handlers are for Linux and macOS")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", -9),
        # Many open files, and descriptors that a program has closed.
        ("import os; os.closerange(3, 256); module.stop(0)", -signal.SIGSEGV),
        (
            EVERY_DESCRIPTOR,
            -signal.SIGSEGV,
        ),
    ],
)
def test_only_crashes_leave_a_report(store: Path, tmp_path: Path, code: str, expected: int) -> None:
    status, reports = run(store, tmp_path / "reports", code)
    assert status == expected
    assert len(reports) == (status == -signal.SIGSEGV)
