from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pyo3magic.environment import toolchain_search as module
from pyo3magic.environment.install_rust import install_advice, install_toolchain
from pyo3magic.errors import ToolchainError

from .conftest import make_program, posix

if TYPE_CHECKING:
    from pathlib import Path


@posix
@pytest.mark.parametrize(
    ("program", "word"), [("brew", "brew install"), ("dnf", "dnf install"), ("conda", "conda-forge")]
)
def test_advice_names_the_package_managers_there_are(tmp_path: Path, program: str, word: str) -> None:
    assert word not in install_advice({"PATH": str(tmp_path)}, "linux")
    make_program(tmp_path / program, "")
    assert word in install_advice({"PATH": str(tmp_path)}, "linux")


def test_install_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSTUP_UPDATE_ROOT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ToolchainError, match="Rust could not be installed into") as caught:
        install_toolchain(tmp_path / "rust")
    assert "network" in caught.value.advice
    assert "rustup-init" in caught.value.details


@posix
@pytest.mark.parametrize("works", [True, False])
def test_install_from_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    served = tmp_path / "served"
    triple = subprocess.check_output(
        [sys.executable, "-c", "import sys, puccinialin; print(puccinialin.get_triple(sys.stderr))"],
        stderr=subprocess.DEVNULL,
        text=True,
    ).strip()
    made = 'mkdir -p "$CARGO_HOME/bin"; printf "#!/bin/sh\\necho cargo 1.90.0\\n" > "$CARGO_HOME/bin/cargo"; chmod +x "$CARGO_HOME/bin/cargo"'
    make_program(served / "dist" / triple / "rustup-init", made if works else "echo 'error: disk is full' >&2; exit 1")
    handler = functools.partial(_Quiet, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("RUSTUP_UPDATE_ROOT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        try:
            if works:
                folder = tmp_path / "cache" / "puccinialin"
                monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
                variables = install_toolchain()
                assert dict(variables) == {"CARGO_HOME": str(folder / "cargo"), "RUSTUP_HOME": str(folder / "rustup")}
                monkeypatch.setattr(sys, "prefix", str(tmp_path))
                found = module._find_cargo({"PATH": "", "HOME": str(tmp_path)})
                assert found == (folder / "cargo" / "bin" / "cargo", variables)
            else:
                with pytest.raises(ToolchainError, match="disk is full"):
                    install_toolchain(tmp_path / "rust")
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass
