"""Programs that can be interrupted, and that leave no process behind."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from pyo3magic.process import Background, Finished, ask, run, start_in_background

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups and signals are POSIX's")

HERE = Path.cwd()


def python(code: str, **more: object) -> Finished:
    return run([sys.executable, "-c", code], cwd=HERE, environ=dict(os.environ), **more)  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    """Whether a process ends within two seconds (a zombie that init has not collected counts)."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("code", "finished"),
    [
        ("", Finished(0, "", "")),
        ("raise SystemExit(3)", Finished(3, "", "")),
        ("import os; os.kill(os.getpid(), 9)", Finished(-9, "", "")),
        ("print('a'); print('b', end='')", Finished(0, "a\nb", "")),
        ("import sys; sys.stderr.write('x\\ry\\n')", Finished(0, "", "x\ny")),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n')", Finished(0, "\ufffd", "")),
        ("import sys; print(repr(sys.stdin.read()))", Finished(0, "''", "")),
    ],
)
def test_status_and_output(code: str, finished: Finished) -> None:
    assert python(code) == finished


def test_much_output_on_both_streams_blocks_nothing() -> None:
    finished = python("import sys\nfor i in range(20000): print(i); print(-i, file=sys.stderr)")
    assert finished.stdout.splitlines() == [str(i) for i in range(20000)]
    assert finished.stderr.splitlines() == [str(-i) for i in range(20000)]


def test_a_character_split_between_reads_stays_whole() -> None:
    code = "import os,time\nfor b in 'ä€'.encode(): os.write(1, bytes([b])); time.sleep(0.02)"
    assert python(code).stdout == "ä€"


def test_lines_are_handed_on_as_they_come() -> None:
    seen: list[tuple[str, str]] = []
    python(
        "import sys; print('out', flush=True); sys.stderr.write('one\\rtwo')",
        on_stdout=lambda line: seen.append(("out", line)),
        on_stderr=lambda line: seen.append(("err", line)),
    )
    assert sorted(seen) == [("err", "one"), ("err", "two"), ("out", "out")]


def test_idle_is_told_while_nothing_comes() -> None:
    idle: list[int] = []
    python("import time; time.sleep(0.35)", on_idle=lambda: idle.append(1))
    assert len(idle) >= 2


def test_environment_folder_and_priority(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['X'], os.environ.get('HOME'), os.getpriority(os.PRIO_PROCESS, 0))"
    finished = run(
        [sys.executable, "-c", "import time; time.sleep(0.1)\n" + code], cwd=tmp_path, environ={"X": "1"}, nice=7
    )
    assert finished.stdout == f"{tmp_path} 1 None 7"


@pytest.mark.parametrize("program", ["/nonexistent/program", str(HERE)])
def test_what_cannot_be_started(program: str) -> None:
    with pytest.raises(OSError):
        run([program], cwd=HERE, environ={})


GRANDCHILD = """
import subprocess, sys, time, signal
if {leader}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time\\nif {leader}: signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nprint('up', flush=True)\\ntime.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("leader", "child"), [(False, False), (False, True), (True, True)])
def test_an_interrupt_ends_the_whole_group_even_if_it_ignores_sigterm(leader: bool, child: bool) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        python(GRANDCHILD.format(leader=leader, child=child), on_stdout=interrupt)
    assert gone(pids[0])
    assert time.monotonic() - started < 3


def test_a_real_interrupt_while_waiting() -> None:
    before = psutil.Process().children()  # other tests may have left Python's resource tracker
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        python("import time; time.sleep(60)")
    timer.join()
    left = set(psutil.Process().children()) - set(before)
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


def test_no_descriptor_and_no_thread_is_left() -> None:
    python("")
    before = (psutil.Process().num_fds(), threading.active_count())
    for _ in range(5):
        python("print(1)")
    assert (psutil.Process().num_fds(), threading.active_count()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_a_guarded_child_ends_with_a_killed_parent(tmp_path: Path) -> None:
    import shutil
    import subprocess

    if shutil.which("setpriv") is None:
        pytest.skip("setpriv of util-linux is not installed")
    child = tmp_path / "child.py"
    child.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    code = (
        "import os, sys; from pathlib import Path; from pyo3magic.process import run\n"
        "run([sys.executable, sys.argv[1]], cwd=Path.cwd(), environ=dict(os.environ), guarded=True,"
        " on_stdout=lambda line: print(line, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(child)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def _asked(code: str, **options: Any) -> Finished:
    return ask([sys.executable, "-S", "-c", code], timeout=options.pop("timeout", 20), **options)


def test_ask_gives_both_streams_and_the_code() -> None:
    answer = _asked("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (answer.stdout.strip(), answer.stderr.strip(), answer.status) == ("out", "err", 3)


def test_ask_ends_a_program_that_hangs() -> None:
    with pytest.raises(TimeoutError, match=r"within 0\.2 seconds"):
        _asked("import time; time.sleep(60)", timeout=0.2)


@pytest.mark.skipif(os.name == "nt", reason="uses sh")
def test_ask_does_not_wait_for_a_child_that_holds_the_output() -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(["sh", "-c", "sleep 60 & exit 0"], timeout=0.2)
    assert time.monotonic() - start < 5


def test_ask_does_not_wait_for_a_program_that_closed_its_output() -> None:
    with pytest.raises(TimeoutError):
        _asked("import os, time; os.close(1); os.close(2); time.sleep(60)", timeout=0.3)


def test_ask_keeps_no_more_than_the_limit() -> None:
    answer = _asked("import os\nwhile True: os.write(1, b'y' * 65536)", limit=1000)
    assert answer.stdout == "y" * 1000
    assert answer.status != 0


def test_ask_gives_a_program_something_to_read() -> None:
    long = b"x" * 300_000
    answer = _asked("import sys; data = sys.stdin.buffer.read(); print(len(data), data[-1:])", standard_input=long)
    assert answer.stdout.strip() == "300000 b'x'"


def test_a_program_need_not_read_all_it_is_given() -> None:
    assert _asked("import sys; sys.stdin.close(); print('done')", standard_input=b"x" * 300_000).stdout == "done\n"


@pytest.fixture
def sleeper() -> Iterator[Background]:
    """A program in the background that prints a line to standard error when it is asked to end."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended'))\n"
        "print(sys.stdin.read() == '', file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    background = start_in_background([sys.executable, "-S", "-c", code], keep_errors=True)
    assert background._child.stderr is not None
    assert background._child.stderr.readline() == b"True\n"
    yield background
    background.end()


def test_a_background_program_runs_in_a_group_of_its_own(sleeper: Background) -> None:
    assert os.getpgid(sleeper.pid) == sleeper.pid != os.getpgid(0)
    sleeper.terminate()
    assert sleeper.errors() == b"ended\n"
    assert not sleeper.is_running
    sleeper.terminate()  # of no effect


def test_a_background_program_is_ended_with_what_it_started() -> None:
    background = start_in_background(["sh", "-c", "sleep 60 & echo $! >&2; wait"], keep_errors=True)
    assert background._child.stderr is not None
    child = int(background._child.stderr.readline())
    background.end()
    assert not background.is_running
    assert gone(child)
    assert background._child.stderr.closed


def test_a_background_program_has_the_environment_it_is_given(tmp_path: Path) -> None:
    script = "import os; open('out', 'w').write(os.environ['X'] + os.environ.get('HOME', '-'))"
    command = [sys.executable, "-S", "-c", f"import os; os.chdir({str(tmp_path)!r}); {script}"]
    background = start_in_background(command, environ={"X": "1"})
    assert background.errors() == b""
    assert (tmp_path / "out").read_text() == "1-"
    with pytest.raises(OSError):
        start_in_background(["/nonexistent/program"])


def test_what_holds_the_output_of_a_program_that_has_ended_is_ended_too() -> None:
    started = time.monotonic()
    finished = run(["sh", "-c", "sleep 60 & echo $!"], cwd=HERE, environ=dict(os.environ))
    assert finished.status == 0
    assert gone(int(finished.stdout))
    assert 0.5 < time.monotonic() - started < 10


@pytest.mark.parametrize(("end", "ended"), [("exit 0", False), ("exit 3", False), ("kill -9 $$", True)])
def test_what_a_program_leaves_in_the_background_stays_unless_the_program_was_killed(end: str, ended: bool) -> None:
    script = f"sleep 30 >/dev/null 2>&1 & echo $!; {end}"
    pid = int(run(["sh", "-c", script], cwd=HERE, environ=dict(os.environ)).stdout)
    if ended:
        assert gone(pid)
    else:
        time.sleep(0.3)  # a signal would have arrived by then
        assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        os.kill(pid, signal.SIGKILL)


def test_the_priority_is_left_alone_unless_it_is_to_be_lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda _kind, _pid, value: calls.append(value))
    python("")
    assert calls == []
    python("", nice=7)
    assert calls == [7]


def test_commands_and_their_ends_are_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    # The linter of imports, which another test runs, configures logging and so disables every logger there is.
    monkeypatch.setattr(logging.getLogger("pyo3magic.process"), "disabled", False)
    with caplog.at_level("DEBUG", logger="pyo3magic"):
        run(["sh", "-c", "exit 3"], cwd=HERE, environ=dict(os.environ))
        start_in_background(["sh", "-c", "exit 4"]).end()
    first, second, third = [record.getMessage() for record in caplog.records]
    assert first == "starts sh -c 'exit 3'"
    assert second.startswith("sh ended with status 3 after 0.")
    assert third == "starts in the background: sh -c 'exit 4'"


def test_the_errors_of_a_background_program_are_kept_only_on_request() -> None:
    background = start_in_background(["sh", "-c", "echo said >&2"])
    assert background.errors() == b""
    assert background._child.stderr is None
    kept = start_in_background(["sh", "-c", "echo said >&2"], keep_errors=True)
    assert kept.errors() == b"said\n"


def test_a_program_that_ends_by_itself_is_not_waited_for_longer() -> None:
    started = time.monotonic()
    assert _asked("print(1)", timeout=60).stdout == "1\n"
    assert time.monotonic() - started < 5
    with pytest.raises(TimeoutError, match=r"python\S* gave no answer within 0\.2 seconds"):
        _asked("import time; time.sleep(60)", timeout=0.2)
