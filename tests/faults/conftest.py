"""What makes things fail: system calls, file systems and other processes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.kernel import Kernel
from tests.stores import for_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Mount = Callable[..., Path]
    Start = Callable[..., Kernel]

_SHIM = Path(__file__).with_name("shim.c")
_BUILD = """
import sys
import pyo3magic
source, module = sys.argv[1:]
try:
    built = pyo3magic.build(source, module=module or None, force="--force" in source)
    print("built", built.load().f())
except pyo3magic.PyO3MagicError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library for LD_PRELOAD that makes system calls fail as its environment variables say (`shim.c`)."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("LD_PRELOAD needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, _SHIM, "-ldl"], check=True)
    return str(library)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system in memory, with the given options; it is unmounted afterwards."""
    mounted: list[Path] = []

    def mount(options: str, *, at: Path | None = None) -> Path:
        folder = at or tmp_path / f"mount{len(mounted)}"
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(folder)]
        if "remount" in options:
            command = ["mount", "-o", options, str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"mounting needs root on Linux: {error}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)


@pytest.fixture
def build(environment: dict[str, str], store: Path) -> Callable[..., str]:
    """Builds ``pub fn f`` in a process of its own, and returns what is printed; keyword arguments are variables."""

    def build(
        number: int, module: str = "", *, more: str = "", before: Callable[[], object] | None = None, **variables: str
    ) -> str:
        source = f"{more}pub fn f() -> u64 {{ {number} }}"
        environ = {**environment, "PYO3MAGIC_STORE": str(store), **for_copies(variables)}
        command = [sys.executable, "-c", _BUILD, source, module]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, preexec_fn=before)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout.strip()

    return build


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Starts kernels; keyword arguments are environment variables."""
    with contextlib.ExitStack() as stack:

        def start(**variables: str) -> Kernel:
            folder = tmp_path / "notebook"
            folder.mkdir(exist_ok=True)
            kernel = Kernel(folder, {**environment, "PYO3MAGIC_WARM_UP": "0", **for_copies(variables)})
            stack.callback(kernel.close)
            return kernel

        yield start
