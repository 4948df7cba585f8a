"""Kernels on the shared warm store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.cross import cross, evaluated, session

from .kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["cross", "evaluated", "session"]


class Start(Protocol):
    """Starts a kernel; keyword arguments in capitals are environment variables, None removes one."""

    def __call__(self, *, python: Any = ..., load: Any = ..., **environment: Any) -> Kernel: ...


@pytest.fixture(scope="session")
def kernel_environment(environment: dict[str, str], store: Path) -> dict[str, str]:
    """The environment of a kernel on the shared store."""
    return {**environment, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, kernel_environment: dict[str, str]) -> Iterator[Kernel]:
    """One kernel for all tests of a module; each uses names of its own."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel"), kernel_environment)
    yield kernel
    kernel.close()


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start kernels of one's own; without PYO3MAGIC_STORE they use the shared warm store."""
    started: list[Kernel] = []

    def start(*, load: bool = True, python: str = "", **variables: str | None) -> Kernel:
        if "PYO3MAGIC_STORE" not in variables:
            variables["PYO3MAGIC_STORE"] = str(request.getfixturevalue("store"))
        merged = {**environment, "PYO3MAGIC_WARM_UP": "0", **variables}
        chosen = {name: value for name, value in merged.items() if value is not None}
        options = {"python": python} if python else {}
        started.append(Kernel(tmp_path / f"kernel{len(started)}", chosen, load=load, **options))
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()
