"""Kernels of a real Jupyter server."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.jupyter_server import JupyterServer
from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.target import (
    Deadline,
    ShippedFile,
    TargetDiedError,
    TargetError,
    TargetRefusedError,
    TargetTimeoutError,
    TargetUnreachableError,
)
from pyo3magic.remote.websocket_wire import WebSocketWire

from .conftest import TOKEN, evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyo3magic.remote.target import Shipment

pytest.importorskip("websocket")


@pytest.fixture
def kernel(server: JupyterServer) -> Iterator[str]:
    made = server._request("POST", "/api/kernels", Deadline.after(30), {"name": "python3"})
    assert isinstance(made, dict)
    yield made["id"]
    with contextlib.suppress(TargetUnreachableError):  # in the middle of restarting what a test has killed
        server.shut_down(made["id"], Deadline.after(30))


@pytest.fixture
def remote(server: JupyterServer, kernel: str) -> Iterator[RemoteKernel]:
    target = RemoteKernel(WebSocketWire(server, kernel, Deadline.after(30)), kind="server")
    target.probe(Deadline.after(60))
    yield target
    target.close()


def test_starts_a_kernel_if_asked_and_finds_it_by_name_and_id(server: JupyterServer) -> None:
    with pytest.raises(TargetUnreachableError, match="No kernel 'python3' runs"):
        server.find("python3", Deadline.after(30))
    started = server.find("python3", Deadline.after(30), start=True)
    try:
        assert server.find("python3", Deadline.after(30), start=True) == started
        assert server.find(started, Deadline.after(30)) == started
    finally:
        server.shut_down(started, Deadline.after(30))


@pytest.mark.cargo
def test_ships_imports_and_evaluates(remote: RemoteKernel, shipment: Shipment) -> None:
    receipt = remote.ship(shipment, Deadline.after(30))
    assert (receipt.by, receipt.sent_bytes) == ("comm", shipment.file.size)
    assert remote.load(shipment, Deadline.after(30)) == ("Point", "add", "geometry")
    assert evaluated(remote, "print('x'); add(20, 22)") == "42"
    assert remote.ship(shipment, Deadline.after(30)).sent == ()


@pytest.mark.cargo
def test_large_files_pass(remote: RemoteKernel, shipment: Shipment, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(os.urandom(40 << 20))
    receipt = remote.ship(replace(shipment, beside=(ShippedFile.of(tmp_path / "data.bin"),)), Deadline.after(60))
    assert receipt.by == "comm"


def test_busy(remote: RemoteKernel) -> None:
    remote.exchange.execute("import time; time.sleep(4)", silent=True)
    with pytest.raises(TargetTimeoutError, match="busy"):
        remote.evaluate("1", Deadline.after(2))


def test_kernel_that_kills_itself(remote: RemoteKernel) -> None:
    remote.exchange.execute("import os; os.kill(os.getpid(), 9)", silent=True)
    with pytest.raises(TargetDiedError):
        remote.evaluate("1", Deadline.after(30))


def test_restarted_kernel_is_probed_again(server: JupyterServer, kernel: str, remote: RemoteKernel) -> None:
    remote.agent.instance = "0" * 32  # as an agent of an earlier process would have it
    assert remote.describe(Deadline.after(30)).state == "answers"
    assert remote.probe(Deadline.after(5))[0].is_abi_equal(Interpreter.current())


@pytest.mark.parametrize("token", ["", "wrong"])
def test_wrong_token(server: JupyterServer, address: str, kernel: str, token: str) -> None:
    stranger = JupyterServer(address, token)
    for act in (
        lambda: stranger.find(kernel, Deadline.after(5)),
        lambda: WebSocketWire(stranger, kernel, Deadline.after(5)),
    ):
        with pytest.raises(TargetRefusedError, match="refused access") as caught:
            act()
        assert "wrong" not in str(caught.value)


def test_kernel_that_is_not_there(server: JupyterServer) -> None:
    with pytest.raises(TargetUnreachableError, match="There is no kernel"):
        WebSocketWire(server, "0" * 36, Deadline.after(10))


@pytest.mark.parametrize("suffix", ["", "/", "/lab", "/lab/tree/a.ipynb", f"/tree?token={TOKEN}"])
def test_urls_as_they_are_copied(suffix: str) -> None:
    server = JupyterServer(f"http://127.0.0.1:1/base{suffix}", TOKEN)
    assert server.address == "http://127.0.0.1:1/base"
    assert TOKEN not in repr(server)
    with pytest.raises(TargetUnreachableError, match="cannot be reached"):
        server.find("x", Deadline.after(5))


def test_token_in_the_url_is_used() -> None:
    assert JupyterServer(f"http://host/?token={TOKEN}").headers == {"Authorization": f"token {TOKEN}"}


@pytest.mark.parametrize("url", ["ftp://host", "host:8888", "http://", "http://user:secret@host", "http://host/a b"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(TargetUnreachableError) as caught:
        JupyterServer(url)
    assert "secret" not in str(caught.value)


@pytest.fixture
def liar() -> Iterator[Callable[[bytes, float], str]]:
    """A server that answers every connection with the same bytes, one piece at a time; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def make(answer: bytes, pause: float) -> str:
        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    try:
                        for begin in range(0, len(answer), 1 if pause else 1 << 16):
                            connection.sendall(answer[begin : begin + (1 if pause else 1 << 16)])
                            time.sleep(pause)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield make
    ended.set()
    listener.close()


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b" " * 9000, 0.02),
        (b"HTTP/1.1 200 OK\r\n" + b"X" * 9000, 0.02),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, 0),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x", 0),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", 0),
        (b"SSH-2.0-OpenSSH\r\n", 0),
        (b"", 0),
        (b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps([{"id": "../../x", "name": "x"}, 5, {"id": 3}]).encode(), 0),
    ],
)
def test_servers_that_lie(liar: Callable[[bytes, float], str], answer: bytes, pause: float) -> None:
    server = JupyterServer(liar(answer, pause), TOKEN)
    started = time.monotonic()
    with pytest.raises(TargetError) as caught:
        server.find("x", Deadline.after(0.15))
    with pytest.raises(TargetError):
        WebSocketWire(server, "x", Deadline.after(0.15))
    assert time.monotonic() - started < 3
    assert TOKEN not in str(caught.value)
