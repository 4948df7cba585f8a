"""A real Jupyter kernel whose cells are timed from the execute request to idle."""

from __future__ import annotations

import ast
import contextlib
import time
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

__all__ = ["CellFailedError", "Kernel", "running"]

_TIMEOUT = 600.0


class CellFailedError(RuntimeError):
    """A cell that was to be timed did not run."""


class Kernel:
    """A kernel that has started.

    Args:
        client: connected to it.
    """

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> float:
        """Run a cell; returns the seconds between the request and idle.

        Raises:
            CellFailedError: the cell raised.
        """
        return self._execute(code, {})[0]

    def evaluate(self, expression: str) -> Any:
        """Value of an expression whose ``repr`` is a literal.

        Raises:
            CellFailedError: the expression raised.
        """
        _, content = self._execute("", {"value": expression})
        value = content["user_expressions"]["value"]
        if value["status"] != "ok":
            raise CellFailedError(f"{expression}: {value['ename']}: {value['evalue']}")
        return ast.literal_eval(value["data"]["text/plain"])

    def _execute(self, code: str, expressions: dict[str, str]) -> tuple[float, dict[str, Any]]:
        started = time.perf_counter()
        request = self._client.execute(code, user_expressions=expressions)
        while True:
            message = self._client.get_iopub_msg(timeout=_TIMEOUT)
            mine = message["parent_header"].get("msg_id") == request
            if mine and message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        seconds = time.perf_counter() - started
        reply = self._client.get_shell_msg(timeout=_TIMEOUT)
        while reply["parent_header"].get("msg_id") != request:
            reply = self._client.get_shell_msg(timeout=_TIMEOUT)
        content: dict[str, Any] = reply["content"]
        if content["status"] != "ok":
            raise CellFailedError(f"{content.get('ename')}: {content.get('evalue')}")
        return seconds, content


@contextlib.contextmanager
def running(python: str | Path, environ: Mapping[str, str], folder: Path) -> Iterator[Kernel]:
    """Start a kernel of the Python ``python`` in ``folder``; it is shut down when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    manager = KernelManager()
    arguments = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=arguments, display_name="Python", language="python")  # noqa: SLF001
    with (folder / "kernels.log").open("a") as log:
        manager.start_kernel(env=dict(environ), cwd=str(folder), stdout=log, stderr=log)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        kernel = Kernel(client)
        for _ in range(3):
            kernel.run("pass")
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
