"""Kernels behind a real sshd, and what ssh is told."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from pyo3magic.remote import ssh as ssh_module
from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.ssh import SshWire, command, connect, fetch_connection_file
from pyo3magic.remote.target import Deadline, TargetDiedError, TargetRefusedError, TargetUnreachableError
from pyo3magic.remote.wire import read_connection_file
from tests.integration.kernel import Kernel

from .conftest import evaluated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.remote.target import Shipment

    from .conftest import RunningKernel

SSHD = os.environ.get("PYO3MAGIC_SSHD") or shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
with_ssh = pytest.mark.skipif(
    shutil.which("ssh") is None and os.environ.get("CI") != "true", reason="there is no ssh client here"
)
with_sshd = pytest.mark.skipif(
    SSHD is None and os.environ.get("CI") != "true",
    reason="there is no sshd here: install openssh-server, or set PYO3MAGIC_SSHD",
)
INFO = {
    "transport": "tcp",
    "ip": "127.0.0.1",
    "key": "",
    **dict.fromkeys(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), 9),
}


def folder_of(wire: SshWire) -> Path:
    """The folder of a tunnel's sockets."""
    return Path(wire._client.ip).parent


@dataclass
class Server:
    name: str
    options: tuple[str, ...]
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert SSHD, "CI must have openssh-server"
    folder = tmp_path_factory.mktemp("sshd")
    if os.getuid() == 0:
        # A root sshd wants it, and Debian's service makes it when it is started.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
        "PermitRootLogin": "prohibit-password",
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    log = folder / "log"
    process = subprocess.Popen([str(SSHD), "-D", "-f", folder / "config", "-E", log])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    options = {
        "Port": port,
        "IdentityFile": folder / "user",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": folder / "known",
    }
    words = tuple(word for key, value in options.items() for word in ("-o", f"{key}={value}"))
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield Server(f"{getpass.getuser()}@127.0.0.1", words, process)
    finally:
        process.terminate()
        process.wait()


@with_sshd
@with_ssh
class TestTunnel:
    @pytest.mark.cargo
    def test_ships_imports_and_evaluates(self, server: Server, kernel: RunningKernel, shipment: Shipment) -> None:
        wire = connect(server.name, str(kernel.connection_file), Deadline.after(20), options=server.options)
        remote = RemoteKernel(wire)
        try:
            assert remote.load(shipment, Deadline.after(60)) == ("Point", "add", "geometry")
            assert evaluated(remote, "add(20, 22)") == "42"
            folder = folder_of(wire)
            assert folder.stat().st_mode & 0o077 == 0
        finally:
            remote.close()
        assert not folder.exists()
        assert not psutil.pid_exists(wire.ssh.pid)
        remote.close()

    @pytest.mark.cargo
    def test_through_the_magics(
        self, server: Server, kernel: RunningKernel, tmp_path: Path, environment: dict[str, str], store: Path
    ) -> None:
        program = tmp_path / "bin" / "ssh"  # what a user has in ~/.ssh/config
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {shlex.join(server.options)} "$@"\n')
        program.chmod(0o755)
        path = f"{program.parent}{os.pathsep}{environment['PATH']}"
        own = {"PATH": path, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}
        here = Kernel(tmp_path / "here", {**environment, **own})
        try:
            shown = str(here.run(f"%pyo3_connect far {kernel.connection_file} --ssh {server.name}").value)
            assert shown.startswith(f"far: ssh at ssh {server.name}, CPython 3.")
            assert shown.endswith("; answers")
            here.rust("pub fn far_away() -> u32 { std::process::id() }", "--on far")
            assert here.run("%rust_on far far_away()").displays == [{"text/plain": str(kernel.process.pid)}]
            assert here.run("%pyo3_connect far --close").value == "far is closed."
        finally:
            here.close()

    def test_connection_file_is_fetched_from_there(self, server: Server, kernel: RunningKernel) -> None:
        file = kernel.connection_file
        info = fetch_connection_file(server.name, str(file), Deadline.after(20), options=server.options)
        assert info == read_connection_file(file)

    def test_kernel_that_dies_behind_it(self, server: Server, kernel: RunningKernel) -> None:
        remote = RemoteKernel(
            connect(server.name, str(kernel.connection_file), Deadline.after(20), options=server.options)
        )
        assert evaluated(remote, "1 + 1", 60) == "2"
        kernel.end()
        with pytest.raises((TargetDiedError, TargetUnreachableError)):
            remote.evaluate("1", Deadline.after(5))
        remote.close()

    def test_tunnel_that_ends(self, server: Server, kernel: RunningKernel) -> None:
        wire = connect(server.name, str(kernel.connection_file), Deadline.after(20), options=server.options)
        remote = RemoteKernel(wire)
        assert evaluated(remote, "1 + 1", 60) == "2"
        os.kill(wire.ssh.pid, signal.SIGKILL)
        with pytest.raises((TargetDiedError, TargetUnreachableError)):
            remote.evaluate("1", Deadline.after(5))
        remote.close()

    @pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)"])
    def test_no_ssh_process_outlives_this_one(self, server: Server, kernel: RunningKernel, end: str) -> None:
        if "KILL" in end and shutil.which("setpriv") is None and os.environ.get("CI") != "true":
            pytest.skip("there is no setpriv here: install util-linux")
        code = f"""
import os, signal, sys
from pyo3magic.remote.ssh import connect
from pyo3magic.remote.target import Deadline
wire = connect({server.name!r}, {str(kernel.connection_file)!r}, Deadline.after(20), options={server.options!r})
print(wire.ssh.pid, flush=True)
{end}
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        pid = int(done.stdout)
        ended = time.monotonic() + 30
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < ended, "ssh still runs"
            time.sleep(0.05)

    def test_failed_connection_leaves_nothing(
        self, server: Server, kernel: RunningKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        broken = {**read_connection_file(kernel.connection_file), "signature_scheme": "hmac-nothing"}
        with pytest.raises(TargetUnreachableError, match="cannot be connected to"):
            SshWire(server.name, broken, Deadline.after(20), options=server.options)
        assert not list(tmp_path.glob("pyo3magic-*"))
        assert not [each for each in psutil.Process().children() if each.name() == "ssh"]

    def test_long_temporary_folder(
        self, server: Server, kernel: RunningKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long = tmp_path / ("d" * 90)
        long.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(long))
        wire = connect(server.name, str(kernel.connection_file), Deadline.after(20), options=server.options)
        try:
            assert folder_of(wire).parent == Path("/tmp")
            assert evaluated(RemoteKernel(wire), "1 + 1", 60) == "2"
        finally:
            wire.close()

    def test_file_that_is_not_there(self, server: Server) -> None:
        with pytest.raises(TargetUnreachableError, match="No such file"):
            connect(server.name, "/nowhere/kernel.json", Deadline.after(20), options=server.options)

    def test_key_that_is_not_accepted(self, server: Server, kernel: RunningKernel) -> None:
        other = tuple(word.replace("/user", "/other") for word in server.options)
        with pytest.raises(TargetRefusedError, match="denied"):
            connect(server.name, str(kernel.connection_file), Deadline.after(20), options=other)

    def test_unknown_host_is_not_trusted(self, server: Server, kernel: RunningKernel, tmp_path: Path) -> None:
        words = tuple(
            f"UserKnownHostsFile={tmp_path}/none" if "KnownHosts" in word else word for word in server.options
        )
        with pytest.raises(TargetRefusedError, match="verification failed"):
            connect(server.name, str(kernel.connection_file), Deadline.after(20), options=words)


@with_ssh
def test_server_that_is_not_there() -> None:
    with pytest.raises(TargetUnreachableError, match=r"ssh to nobody@127\.0\.0\.1 failed: .*refused"):
        SshWire("nobody@127.0.0.1", INFO, Deadline.after(10), options=("-o", "Port=1"))


@with_ssh
@pytest.mark.parametrize("server", ["-oProxyCommand=touch x", "", "host; touch x", "a b", "user@host\n", "$(x)"])
def test_names_that_are_no_servers(server: str) -> None:
    with pytest.raises(TargetUnreachableError, match="is not USER@HOST"):
        command(server)


@with_ssh
@pytest.mark.parametrize("server", ["host", "user@host", "user@10.0.0.1", "me@[::1]", "my-alias", "first.last@a.b.org"])
def test_command_line_asks_nothing_and_ends_with_the_server(server: str) -> None:
    line = command(server, "-N", options=("-p", "2222"))
    assert line[-2:] == ["--", server]
    assert "-oBatchMode=yes" in line
    assert line.index("-p") < line.index("-N")


@with_ssh
@pytest.mark.parametrize("change", [{"transport": "ipc"}, {"ip": "a:/etc/passwd"}, {"ip": "$(x)"}])
def test_connection_files_that_cannot_be_tunnelled(change: dict[str, str]) -> None:
    with pytest.raises(TargetUnreachableError):
        SshWire("host", {**INFO, **change}, Deadline.after(1))


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ("~/a b.json", "~/'a b.json'"),
        ("/x/$(y).json", "'/x/$(y).json'"),
        ("k.json", "k.json"),
        ("~root;x/y", "'~root;x/y'"),
    ],
)
def test_paths_there_are_quoted(path: str, quoted: str) -> None:
    assert ssh_module._remote_path(path) == quoted
