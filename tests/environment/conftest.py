"""Programs that answer as cargo and rustc do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.environment.toolchain import Toolchain
from pyo3magic.environment.toolchain_search import find_toolchain
from tests.cross import cross

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cross"]

Find = Callable[..., Toolchain]
HOST = "x86_64-unknown-linux-gnu"
posix = pytest.mark.skipif(os.name == "nt", reason="uses sh")
rustup = pytest.mark.skipif(shutil.which("rustup") is None, reason="needs rustup")


def make_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def rustc_script(sysroot: Path, release: str = "1.90.0", extra: str = "") -> str:
    return f"""{extra}
if [ "$1" = -vV ]; then
  echo 'rustc {release} (0123456 2026-01-01)'; echo 'commit-hash: 0123456'; echo 'host: {HOST}'; echo 'release: {release}'
else echo '{sysroot}'; fi"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A toolchain of shell scripts that counts how often it is started; no other is in reach."""
    root = tmp_path / "rust"
    (root / "lib").mkdir(parents=True)
    count = f"echo x >> '{tmp_path}/starts'"
    make_program(root / "bin" / "rustc", rustc_script(root, extra=count))
    make_program(root / "bin" / "cargo", f"{count}\necho 'cargo 1.90.0 (abc 2026-01-01)'")
    return root


@pytest.fixture
def find(tmp_path: Path, fake: Path) -> Find:
    environ = {"PATH": os.pathsep.join([str(fake / "bin"), "/usr/bin", "/bin"]), "HOME": str(tmp_path / "home")}

    def find(directory: Path = tmp_path, cache: Path | None = tmp_path / "cache", **changes: Any) -> Toolchain:
        return find_toolchain(directory=directory, environ={**environ, **changes}, cache=cache)

    return find


def count_starts(tmp_path: Path) -> int:
    path = tmp_path / "starts"
    return len(path.read_text().split()) if path.exists() else 0
