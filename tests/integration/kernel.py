"""A real Jupyter kernel, seen as a front end sees it."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import TYPE_CHECKING, Any

import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

TIMEOUT = 120
_ESCAPE = re.compile(r"\x1b\[[\d;]*[A-Za-z]|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")


def plain(text: str) -> str:
    """Without terminal escapes."""
    return _ESCAPE.sub("", text)


@dataclass
class Result:
    """What a front end has of one cell: what is visible now, and everything that ever was."""

    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, str]] = field(default_factory=list)
    value: str | None = None
    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    status: str = ""
    page: str = ""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    cleared: int = 0
    idle: bool = False
    _ids: dict[str, int] = field(default_factory=dict)

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take one message of the iopub channel into account."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind in {"display_data", "update_display_data"}:
            data, key = content["data"], content.get("transient", {}).get("display_id", "")
            self.seen.append(data.get("text/plain", ""))
            if kind == "update_display_data":
                self.displays[self._ids[key]] = data
            else:
                self._ids[key] = len(self.displays)
                self.displays.append(data)
        elif kind == "execute_result":
            self.value = content["data"]["text/plain"]
        elif kind == "clear_output":
            assert not content["wait"]
            self.stdout = self.stderr = ""
            self.displays, self._ids = [], {}
            self.cleared += 1
        elif kind == "error":
            self.ename, self.evalue = content["ename"], content["evalue"]
            self.traceback = "\n".join(content["traceback"])
        elif kind == "status":
            self.idle = content["execution_state"] == "idle"

    def end(self, reply: Mapping[str, Any]) -> None:
        """Take the answer on the shell channel into account."""
        self.status = reply["status"]
        payload = reply.get("payload", ())
        self.page = plain("".join(part["data"]["text/plain"] for part in payload if "data" in part))
        self.inputs = [part for part in payload if part["source"] == "set_next_input"]

    @property
    def text(self) -> str:
        """All visible text, plain."""
        shown = "".join(data.get("text/plain", "") + "\n" for data in self.displays)
        return plain(self.stdout + self.stderr + shown + (self.value or "") + self.traceback)

    @property
    def html(self) -> str:
        """All visible HTML."""
        return "".join(data.get("text/html", "") for data in self.displays)


class Kernel:
    """A kernel in a process of its own, with pyo3magic loaded unless told otherwise.

    Args:
        folder: its working directory and IPython's own folder.
        environment: its environment, whole.
        python: the interpreter.
        load: whether to run ``%load_ext pyo3magic`` first.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, python: str = sys.executable, load: bool = True
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.manager = KernelManager()
        argv = [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="Python", language="python")
        self._environment = {**environment, "IPYTHONDIR": str(folder / ".ipython")}
        self._load = load
        self._results: dict[str, Result] = {}
        self.manager.start_kernel(
            env=self._environment, cwd=str(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)
        if self._load:
            self.run("%load_ext pyo3magic")

    @property
    def pid(self) -> int:
        """Process id of the kernel."""
        provisioner: Any = self.manager.provisioner
        pid = provisioner.pid
        assert isinstance(pid, int)
        return pid

    def submit(self, code: str) -> str:
        """Send a cell and go on; `result` waits for it."""
        identity = self.client.execute(textwrap.dedent(code).strip("\n"), store_history=True)
        self._results[identity] = Result()
        return str(identity)

    def partial(self, identity: str, seconds: float = 0.05) -> Result:
        """What there is of a cell that may still be running."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                message = self.client.get_iopub_msg(timeout=left)
                self._results.setdefault(message["parent_header"].get("msg_id", ""), Result()).receive(message)
        return self._results[identity]

    def while_running(self, identity: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for something to happen while a cell runs; fails when the cell ends first."""
        for _ in attempts(seconds):
            if condition():
                return
            shown = self.partial(identity, 0.02)
            assert not shown.idle, f"the cell has ended: {shown.text}"
        raise AssertionError("it did not happen in time")

    def result(self, identity: str, timeout: float = TIMEOUT) -> Result:
        """Wait for a cell to end."""
        end = time.monotonic() + timeout
        result = self._results[identity]
        while not (result.status and result.idle):
            if time.monotonic() > end:
                self.kill()  # so that the next test does not wait for it as well
                raise TimeoutError(f"the cell did not end; so far: {result}")
            assert self.manager.is_alive(), f"the kernel died; so far: {result}"
            with contextlib.suppress(Empty):
                if result.idle:  # nothing more comes on iopub
                    reply = self.client.get_shell_msg(timeout=0.2)
                    self._results.setdefault(reply["parent_header"]["msg_id"], Result()).end(reply["content"])
                else:
                    message = self.client.get_iopub_msg(timeout=0.2)
                    self._results.setdefault(message["parent_header"].get("msg_id", ""), Result()).receive(message)
        return result

    def run(self, code: str, *, expect: str = "ok", timeout: float = TIMEOUT) -> Result:
        """Run a cell to its end."""
        result = self._wait(self.submit(code), timeout)
        assert result.status == expect, result.text
        return result

    def _wait(self, identity: str, timeout: float) -> Result:
        end = time.monotonic() + timeout
        result = self._results[identity]
        while not result.idle:
            assert self.manager.is_alive(), f"the kernel died; so far: {result}"
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                if time.monotonic() > end:
                    self.kill()
                    raise TimeoutError(f"the cell did not end; so far: {result}") from None
                continue
            self._results.setdefault(message["parent_header"].get("msg_id", ""), Result()).receive(message)
        return self.result(identity, timeout)

    def rust(self, body: str, line: str = "", *, expect: str = "ok") -> Result:
        """Run a ``%%rust`` cell."""
        return self.run(f"%%rust {line}".rstrip() + "\n" + textwrap.dedent(body).strip("\n"), expect=expect)

    def value(self, expression: str) -> Any:
        """The value of a Python expression that is a literal's."""
        result = self.run(expression)
        return ast.literal_eval(result.value or "None")

    def interrupt(self) -> None:
        """What the front end's stop button does."""
        self.manager.interrupt_kernel()

    def restart(self) -> None:
        """A new process behind the same connection."""
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self._connect()

    def kill(self) -> None:
        """End the kernel as `kill -9` does, leaving its children to themselves."""
        os.kill(self.pid, 9)
        self.close()

    def descendants(self) -> list[psutil.Process]:
        """All processes that the kernel started, directly or not."""
        children: list[psutil.Process] = psutil.Process(self.pid).children(recursive=True)
        return children

    def running(self) -> set[str]:
        """Names of all programs that the kernel has started and that have not ended."""
        names = set()
        for process in self.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    names.add(process.name())
        return names

    def close(self) -> None:
        """End it and its connection."""
        self.client.stop_channels()
        with contextlib.suppress(RuntimeError, ProcessLookupError):
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def wait_until(condition: Callable[[], bool], seconds: float = 60, message: str = "it did not happen in time") -> None:
    """Look again and again until ``condition()`` holds."""
    for _ in attempts(seconds):
        if condition():
            return
    raise AssertionError(message)


def attempts(seconds: float) -> Iterator[None]:
    """Once every 20 ms for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
