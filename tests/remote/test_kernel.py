"""`RemoteKernel` against real ipykernels, with a real module."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.target import (
    Deadline,
    Receipt,
    Shipment,
    ShippedFile,
    TargetDiedError,
    TargetImportError,
    TargetMismatchError,
    TargetRefusedError,
    TargetStorageError,
    TargetTimeoutError,
    TargetUnreachableError,
)

from .conftest import RunningKernel, evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyo3magic.remote.kernel import RemoteKernel
    from pyo3magic.remote.wire import Channel

SOON = 3.0


def blob(folder: Path, size: int) -> ShippedFile:
    path = folder / "blob.bin"
    path.write_bytes(os.urandom(size))
    return ShippedFile.of(path)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def occupy(remote: RemoteKernel, seconds: float) -> None:
    remote.exchange.execute(f"import time; time.sleep({seconds})", silent=True)


def test_probe_says_what_is_there(connected: RemoteKernel) -> None:
    (interpreter,) = connected.probe(Deadline.after(5))
    assert interpreter.is_abi_equal(Interpreter.current())


@pytest.mark.cargo
class TestModules:
    def test_ships_imports_binds_and_calls(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment
    ) -> None:
        receipt = connected.ship(shipment, Deadline.after(30))
        assert receipt == Receipt((shipment.file.name,), shipment.file.size, "comm")
        assert connected.load(shipment, Deadline.after(30)) == ("Point", "add", "geometry")
        assert evaluated(
            connected, "add(2, 40), Point(3).x, geometry.machine(), __import__('geometry') is geometry"
        ).startswith("(42, 3")
        suffix = Interpreter.current().ext_suffix
        assert {name.split("/")[-1] for name in kernel.leftovers()} == {shipment.file.sha256, f"shipped{suffix}"}
        modes = {path.stat().st_mode & 0o077 for path in kernel.temporary.glob("pyo3magic-agent-*/**/*")}
        assert modes <= {0, 0o044}  # the lock file and the copy's umask are no secrets: the folder is closed

    def test_what_is_there_is_not_sent_again(
        self, connected: RemoteKernel, connect: Callable[..., RemoteKernel], kernel: RunningKernel, shipment: Shipment
    ) -> None:
        connected.ship(shipment, Deadline.after(30))
        assert connected.ship(shipment, Deadline.after(30)) == Receipt()
        assert connect(kernel).ship(shipment, Deadline.after(30)) == Receipt()  # another session, too

    def test_an_unchanged_cell_takes_one_round_trip(
        self, connected: RemoteKernel, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected.load(shipment, Deadline.after(30))
        sent = []
        send = connected.wire.send

        def counting(channel: Channel, kind: str, content: Any, buffers: Any = ()) -> str:
            sent.append(kind)
            return send(channel, kind, content, buffers)

        monkeypatch.setattr(connected.wire, "send", counting)
        connected.load(shipment, Deadline.after(30))
        assert len(sent) == 1

    def test_names_deleted_there_come_back(self, connected: RemoteKernel, shipment: Shipment) -> None:
        connected.load(shipment, Deadline.after(30))
        connected.evaluate("del add, geometry", Deadline.after(30))
        connected.load(shipment, Deadline.after(30))
        assert evaluated(connected, "add(1, 1), geometry.add(1, 1)") == "(2, 2)"

    def test_files_removed_behind_its_back_are_sent_again(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment
    ) -> None:
        connected.ship(shipment, Deadline.after(30))
        for path in kernel.temporary.glob("pyo3magic-agent-*/*"):
            if path.name == shipment.file.sha256:
                path.unlink()
        assert connected.load(shipment, Deadline.after(30))

    def test_restarted_kernel_gets_it_again(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment
    ) -> None:
        connected.load(shipment, Deadline.after(30))
        kernel.restart()
        deadline = time.monotonic() + 60
        while True:
            try:
                assert "add" in connected.load(shipment, Deadline.after(30))
                break
            except TargetDiedError:
                assert time.monotonic() < deadline
        assert evaluated(connected, "add(1, 1)") == "2"

    def test_nothing_is_left_by_a_kernel_that_ends(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment
    ) -> None:
        connected.load(shipment, Deadline.after(30))
        connected.wire.send("control", "shutdown_request", {"restart": False})
        kernel.process.wait(timeout=20)
        assert list(kernel.temporary.glob("pyo3magic-agent-*")) == []

    def test_what_a_killed_kernel_left_is_swept_by_the_next(
        self, kernel: RunningKernel, connected: RemoteKernel, connect: Callable[..., RemoteKernel], shipment: Shipment
    ) -> None:
        connected.load(shipment, Deadline.after(30))
        (left,) = kernel.temporary.glob("pyo3magic-agent-*")
        kernel.restart()
        other = connect(kernel)
        other.load(shipment, Deadline.after(30))
        assert not left.exists()
        assert len(list(kernel.temporary.glob("pyo3magic-agent-*"))) == 1

    def test_folder_of_a_living_kernel_is_not_swept(
        self,
        start: Callable[..., RunningKernel],
        connect: Callable[..., RemoteKernel],
        shipment: Shipment,
        tmp_path: Path,
    ) -> None:
        both = [start(name, TMPDIR=str(tmp_path)) for name in ("a", "b")]
        first, second = map(connect, both)
        first.load(shipment, Deadline.after(30))
        second.load(shipment, Deadline.after(30))
        assert len(list(tmp_path.glob("pyo3magic-agent-*"))) == 2

    def test_without_comms_it_goes_in_requests(self, connected: RemoteKernel, shipment: Shipment) -> None:
        connected.evaluate("get_ipython().kernel.comm_manager.targets.clear()", Deadline.after(30))
        assert connected.ship(shipment, Deadline.after(60)).by == "base64"
        assert connected.load(shipment, Deadline.after(30))

    def test_buffers_changed_on_the_way_are_refused(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The signature of a message does not cover its buffers; the digest in its signed part does.
        send = connected.wire.send

        def meddling(channel: Channel, kind: str, content: Any, buffers: Any = ()) -> str:
            return send(channel, kind, content, [b"x" + bytes(buffers[0][1:])] if buffers else ())

        monkeypatch.setattr(connected.wire, "send", meddling)
        with pytest.raises(TargetStorageError, match="chunk 0 differs from its signed digest"):
            connected.ship(shipment, Deadline.after(30))
        assert kernel.leftovers() == []

    def test_module_that_cannot_be_imported_binds_nothing(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment, tmp_path: Path
    ) -> None:
        wrong = replace(shipment, module="other")
        with pytest.raises(TargetImportError, match="PyInit_other"):
            connected.load(wrong, Deadline.after(30))
        with pytest.raises(TargetImportError, match="no absent"):
            connected.load(replace(shipment, names=("add", "absent")), Deadline.after(30))
        assert evaluated(connected, "'add' in globals(), 'geometry' in globals()") == "(False, False)"
        assert not [name for name in kernel.leftovers() if "other" in name]

    def test_files_beside_it_arrive_beside_it_and_are_one_file(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment, tmp_path: Path
    ) -> None:
        library = blob(tmp_path, 3 << 20)
        for module in (shipment, replace(shipment, alias="again", beside=(library,), names=())):
            connected.load(replace(module, beside=(library,)), Deadline.after(30))
        (copy,) = kernel.temporary.glob("pyo3magic-agent-*/build-*/blob.bin")
        (received,) = kernel.temporary.glob(f"pyo3magic-agent-*/{library.sha256}")
        assert copy.samefile(received)

    def test_interpreter_that_changed_is_noticed(
        self, connected: RemoteKernel, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (present,) = connected.probe(Deadline.after(5))
        other = replace(present, version=(3, 9), full_version="3.9.1", ext_suffix=".cpython-39-x86_64-linux-gnu.so")
        with pytest.raises(TargetMismatchError, match=r"built for CPython 3\.9\.1"):
            connected.load(replace(shipment, interpreter=other), Deadline.after(30))

    def test_large_file_at_the_speed_of_comms(
        self, connected: RemoteKernel, shipment: Shipment, tmp_path: Path
    ) -> None:
        library = blob(tmp_path, 50 << 20)
        with within(15):
            receipt = connected.ship(
                replace(shipment, beside=(library,), interpreter=connected.probe(Deadline.after(1))[0]),
                Deadline.after(30),
            )
        assert receipt.sent_bytes == library.size + shipment.file.size


class TestEvaluate:
    def test_output_of_every_kind_in_order(self, connected: RemoteKernel) -> None:
        code = "import sys\nprint('out'); print('err', file=sys.stderr)\nfrom IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))\n6 * 7"
        evaluation = connected.evaluate(code, Deadline.after(30))
        kinds = [output.kind for output in evaluation.outputs]
        assert sorted(kinds) == ["display", "result", "stderr", "stdout"]
        assert evaluation.ok
        assert evaluation.result is not None
        assert evaluation.result.text == "42"

    def test_html_is_shown_without_its_scripts(self, connected: RemoteKernel) -> None:
        code = "from IPython.display import HTML, Javascript\nHTML('<script>alert(1)</script>\"')"
        (output,) = connected.evaluate(code, Deadline.after(30)).outputs
        assert output.data["text/html"].startswith('<iframe sandbox srcdoc="&lt;script&gt;')
        script = connected.evaluate("Javascript('1')", Deadline.after(30)).result
        assert script is not None
        assert script.data.keys() == {"text/plain"}

    def test_errors_come_with_their_traceback(self, connected: RemoteKernel) -> None:
        evaluation = connected.evaluate("1 / 0", Deadline.after(30))
        assert not evaluation.ok
        assert "ZeroDivisionError" in evaluation.outputs[-1].text

    def test_leaves_no_history_and_no_names(self, connected: RemoteKernel) -> None:
        connected.evaluate("mine = 1", Deadline.after(30))
        assert evaluated(connected, "[name for name in dir() if 'pyo3' in name.lower()], len(In)") == "([], 1)"


class TestKernelsInTrouble:
    """One clear kind of error each, before the deadline."""

    def test_nothing_listens(
        self, tmp_path: Path, start: Callable[..., RunningKernel], connect: Callable[..., RemoteKernel]
    ) -> None:
        kernel = start()
        kernel.end()
        with within(SOON + 1), pytest.raises(TargetUnreachableError, match="nothing answers"):
            connect(kernel, probe=False).probe(Deadline.after(SOON))

    def test_busy(self, connected: RemoteKernel) -> None:
        occupy(connected, 4)
        with within(SOON + 1), pytest.raises(TargetTimeoutError, match="busy"):
            connected.evaluate("1", Deadline.after(SOON))

    @pytest.mark.cargo
    def test_what_a_busy_kernel_gets_to_later_has_no_effect(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment
    ) -> None:
        connected.ship(shipment, Deadline.after(30))
        occupy(connected, 2)
        with pytest.raises(TargetTimeoutError, match="busy"):
            connected.load(shipment, Deadline.after(1))
        assert evaluated(connected, "'add' in globals()") == "False"

    def test_stopped(self, kernel: RunningKernel, connected: RemoteKernel) -> None:
        kernel.process.send_signal(signal.SIGSTOP)
        with within(SOON + 1), pytest.raises(TargetUnreachableError, match="stopped"):
            connected.evaluate("1", Deadline.after(SOON))
        kernel.process.send_signal(signal.SIGCONT)
        assert evaluated(connected, "1") == "1"

    def test_hanging_in_native_code(self, connected: RemoteKernel) -> None:
        connected.exchange.execute("import ctypes; ctypes.PyDLL(None).sleep(5)", silent=True)  # holds the GIL
        with within(SOON + 1), pytest.raises(TargetTimeoutError, match="native code"):
            connected.evaluate("1", Deadline.after(SOON))

    def test_killed_while_asked(self, kernel: RunningKernel, connected: RemoteKernel) -> None:
        occupy(connected, 30)
        threading.Timer(0.5, kernel.process.kill).start()
        with within(5), pytest.raises(TargetDiedError):
            connected.agent.call("hello", Deadline.after(30))

    def test_killed_before(self, kernel: RunningKernel, connected: RemoteKernel) -> None:
        kernel.process.kill()
        kernel.process.wait()
        with within(10), pytest.raises((TargetDiedError, TargetUnreachableError)):
            connected.agent.call("hello", Deadline.after(30))

    def test_wrong_key(
        self, kernel: RunningKernel, connected: RemoteKernel, connect: Callable[..., RemoteKernel]
    ) -> None:
        with within(SOON + 1), pytest.raises((TargetTimeoutError, TargetRefusedError), match="key"):
            connect(kernel, probe=False, key="another").probe(Deadline.after(SOON))
        connected.evaluate("1", Deadline.after(10))  # and the kernel is none the worse

    @pytest.mark.cargo
    @pytest.mark.parametrize("limit", ["file", "folder"])
    def test_full_disk(
        self,
        limit: str,
        start: Callable[..., RunningKernel],
        connect: Callable[..., RemoteKernel],
        shipment: Shipment,
        tmp_path: Path,
        request: pytest.FixtureRequest,
    ) -> None:
        if limit == "file":  # writing fails in the middle
            kernel = start(before="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))")
        else:
            small = tmp_path / "small"
            small.mkdir()
            if (
                os.geteuid()
                or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small], check=False).returncode
            ):
                pytest.skip("only root can mount a small file system")
            request.addfinalizer(lambda: subprocess.run(["umount", "-l", small], check=True))
            kernel = start(TMPDIR=str(small))
        remote = connect(kernel)
        big = replace(shipment, beside=(blob(tmp_path, 8 << 20),))
        with pytest.raises(TargetStorageError, match=r"writing failed|are free"):
            remote.load(big, Deadline.after(30))
        assert kernel.leftovers() == []
        assert remote.load(shipment, Deadline.after(30))  # a smaller one still goes

    def test_keeps_its_deadline_while_shipping(
        self, kernel: RunningKernel, connected: RemoteKernel, shipment: Shipment, tmp_path: Path
    ) -> None:
        big = replace(shipment, beside=(blob(tmp_path, 80 << 20),))
        threading.Timer(0.1, kernel.process.send_signal, [signal.SIGSTOP]).start()
        with within(SOON + 1.5), pytest.raises(TargetUnreachableError):
            connected.ship(big, Deadline.after(SOON))
        kernel.process.send_signal(signal.SIGCONT)
        assert connected.probe(Deadline.after(10))
        evaluated(connected, "1")
        assert kernel.leftovers() == []

    def test_describe_never_raises(self, kernel: RunningKernel, connected: RemoteKernel) -> None:
        assert connected.describe(Deadline.after(5)).state == "answers"
        kernel.end()
        assert re.search(r"died|did not answer", connected.describe(Deadline.after(2)).state)
