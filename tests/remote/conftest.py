"""Real kernels in their own processes, and one real PyO3 module built once per run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyter_client.connect import write_connection_file

from pyo3magic.cell import Options
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.jupyter_server import JupyterServer
from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.target import Deadline, Shipment, ShippedFile, TargetUnreachableError
from pyo3magic.remote.wire import ZmqWire, read_connection_file
from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
from typing import Any

TOKEN = "0123456789abcdef"
CRATE = """
use pyo3::prelude::*;
#[pyclass(module = "shipped")]
struct Point { #[pyo3(get)] x: i64 }
#[pymethods]
impl Point {
    #[new] fn new(x: i64) -> Self { Point { x } }
    fn _repr_html_(&self) -> String { format!("<b>{}</b>", self.x) }
}
#[pyfunction] fn add(a: i64, b: i64) -> i64 { a + b }
#[pyfunction] fn machine() -> &'static str { std::env::consts::ARCH }
#[pymodule]
fn shipped(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Point>()?;
    m.add_function(wrap_pyfunction!(add, m)?)?;
    m.add_function(wrap_pyfunction!(machine, m)?)
}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start a kernel, a server or sshd are marked, so that the tests which do not can be run alone."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.is_relative_to(Path(__file__).parent):
            starting = {"start", "address", "server"} & set(item.fixturenames)
            item.add_marker(pytest.mark.kernel) if starting else None


@pytest.fixture(scope="session")
def library(store: Path) -> Path:
    """The crate above as one file that needs no other, built for this Python."""
    return Session(Store(store)).build(Options(), CRATE, interpreter=Interpreter.current()).file


@pytest.fixture(scope="session")
def shipment(library: Path) -> Shipment:
    return Shipment("shipped", ShippedFile.of(library), Interpreter.current(), names=("add", "Point"), alias="geometry")


@dataclass
class RunningKernel:
    """A kernel process with a folder for temporary files of its own."""

    process: subprocess.Popen[bytes]
    connection_file: Path
    temporary: Path
    command: list[str]
    environment: dict[str, str]

    def wire(self, **changes: object) -> ZmqWire:
        return ZmqWire({**read_connection_file(self.connection_file), **changes})

    def leftovers(self) -> list[str]:
        """Everything that agents have put on disk here, by path within the temporary folder."""
        return sorted(
            str(path.relative_to(self.temporary))
            for folder in self.temporary.glob("pyo3magic-agent-*")
            for path in folder.rglob("*")
            if path.is_file() and path.name != "lock"
        )

    def restart(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def start_kernel(folder: Path, *, python: str = sys.executable, before: str = "", **environment: str) -> RunningKernel:
    """Starts ipykernel; ``before`` is code run in its process first."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    file = folder / "kernel.json"
    write_connection_file(str(file), key=b"k" * 32)
    code = f"{before}\nfrom ipykernel.kernelapp import launch_new_instance\nlaunch_new_instance(argv=['-f', {str(file)!r}])"
    command = [python, "-c", textwrap.dedent(code)]
    variables = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "TMPDIR": str(temporary),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        **environment,
    }
    process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return RunningKernel(process, file, temporary, command, variables)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningKernel]]:
    running: list[RunningKernel] = []

    def starter(name: Any = "kernel", **options: Any) -> RunningKernel:
        running.append(start_kernel(tmp_path / name, **options))
        return running[-1]

    yield starter
    for kernel in running:
        kernel.end()


@pytest.fixture
def kernel(start: Callable[..., RunningKernel]) -> RunningKernel:
    return start()


@pytest.fixture
def connect() -> Iterator[Callable[..., RemoteKernel]]:
    """Connects and probes, so that what a test times afterwards is not the kernel's start."""
    made: list[RemoteKernel] = []

    def connector(running: Any, *, probe: Any = True, **changes: Any) -> RemoteKernel:
        made.append(RemoteKernel(running.wire(**changes)))
        if probe:
            made[-1].probe(Deadline.after(60))
        return made[-1]

    yield connector
    for remote in made:
        remote.close()


@pytest.fixture
def connected(kernel: RunningKernel, connect: Callable[..., RemoteKernel]) -> RemoteKernel:
    return connect(kernel)


def evaluated(remote: RemoteKernel, code: str, seconds: float = 30) -> str:
    evaluation = remote.evaluate(code, Deadline.after(seconds))
    assert evaluation.result is not None, json.dumps([output.text for output in evaluation.outputs])
    return evaluation.result.text


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("jupyter_server")
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "tmp").mkdir()
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = {**os.environ, **{name: str(folder / name.lower()) for name in names}, "TMPDIR": str(folder / "tmp")}
    environment.pop("PYTHONPATH", None)
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.base_url": "/user/me/",
        "IdentityProvider.token": TOKEN,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": folder,
    }
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        "--allow-root",
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/user/me"
    finally:
        process.terminate()
        process.wait()


def _answers(server: JupyterServer) -> bool:
    try:
        server._request("GET", "/api/kernels", Deadline.after(5))
    except TargetUnreachableError:
        return False
    return True


@pytest.fixture(scope="session")
def server(address: str) -> JupyterServer:
    ready = JupyterServer(address, TOKEN)
    end = time.monotonic() + 60
    while not _answers(ready):
        assert time.monotonic() < end
        time.sleep(0.1)
    return ready
