"""How long a module takes to a second kernel, and to the workers of Dask, ipyparallel and Ray clusters.

``python -m benchmarks.shipping`` prints one line per measurement. A 13.6 MB file goes to a kernel on this machine as
`RemoteKernel` sends it and as the same comm messages written by hand, interleaved. Modules of 0.5 and 50 MB (a real
module, padded behind its end) go to clusters on this machine; ``--workers 1,8,64`` says how large those are.
"""
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyo3magic.api import build
from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.target import Deadline, Shipment, ShippedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROUNDS = 7
_CHUNK = 1 << 20
_RECEIVER = """
import hashlib, os, tempfile
_file, _hash = tempfile.TemporaryFile(), hashlib.sha256()
def _opened(comm, _):
    def received(message):
        chunk = bytes(message["buffers"][0])
        assert hashlib.sha256(chunk).hexdigest() == message["content"]["data"]["sha256"]
        _file.write(chunk); _hash.update(chunk)
    comm.on_msg(received)
get_ipython().kernel.comm_manager.register_target("by_hand", _opened)
"""


def padded(module: Path, size: int, folder: Path) -> ShippedFile:
    """A copy of the module that is so many bytes long and like no other."""
    path = folder / f"padded-{size}-{os.urandom(4).hex()}.so"
    content = module.read_bytes()
    path.write_bytes(content + os.urandom(max(0, size - len(content))))
    return ShippedFile.of(path)


@contextmanager
def second_kernel(folder: Path) -> Iterator[Path]:
    """A kernel in a process of its own; its connection file."""
    from jupyter_client.connect import write_connection_file

    file = folder / "kernel.json"
    write_connection_file(str(file), key=b"k" * 32)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield file
    finally:
        process.kill()
        process.wait()


def by_hand(client: Any, file: ShippedFile) -> float:
    """Sends a file in comm messages and asks for its digest; seconds."""
    started = time.perf_counter()
    shell, session = client.shell_channel.socket, client.session
    session.send(shell, "comm_open", {"comm_id": "hand", "target_name": "by_hand", "data": {}})
    with file.path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            data = {"comm_id": "hand", "data": {"sha256": hashlib.sha256(chunk).hexdigest()}}
            session.send(shell, "comm_msg", data, buffers=[chunk])
    identity = client.execute("_hash = hashlib.sha256()", silent=True, user_expressions={"d": "_hash.hexdigest()"})
    while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != identity:
        pass
    return time.perf_counter() - started


def kernel_rows(module: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """The comparison with comm messages written by hand."""
    from jupyter_client.blocking.client import BlockingKernelClient

    from pyo3magic.remote.kernel import RemoteKernel
    from pyo3magic.remote.wire import ZmqWire, read_connection_file

    with second_kernel(folder) as connection:
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels()
        while True:  # it takes a first heartbeat of more than a second for a dead kernel
            try:
                client.wait_for_ready(timeout=60)
                break
            except RuntimeError:
                time.sleep(0.5)
        client.execute(_RECEIVER, silent=True, reply=True, timeout=60)
        remote = RemoteKernel(ZmqWire(read_connection_file(connection)))
        (interpreter,) = remote.probe(Deadline.after(60))
        ours, theirs = [], []
        for _ in range(_ROUNDS):
            file = padded(module, 13_600_000, folder)
            theirs.append(by_hand(client, file))
            started = time.perf_counter()
            remote.ship(Shipment(module.stem.partition(".")[0], file, interpreter), Deadline.after(60))
            ours.append(time.perf_counter() - started)
            file.path.unlink()
        remote.close()
        client.stop_channels()
    mine, hand = statistics.median(ours), statistics.median(theirs)
    yield {"what": "13.6 MB to a second kernel", "seconds": mine, "by hand": hand, "ratio": mine / hand}


@contextmanager
def dask_cluster(workers: int, folder: Path) -> Iterator[Any]:
    """A Dask cluster of processes."""
    from distributed import Client, LocalCluster

    options = {"processes": True, "dashboard_address": None, "local_directory": str(folder), "memory_limit": 0}
    with LocalCluster(n_workers=workers, threads_per_worker=1, **options) as cluster, Client(cluster) as client:
        client.wait_for_workers(workers, timeout=300)
        yield client


@contextmanager
def ipyparallel_cluster(workers: int, _folder: Path) -> Iterator[Any]:
    """An ipyparallel cluster."""
    import ipyparallel

    with ipyparallel.Cluster(n=workers, log_level=40, engine_timeout=900) as client:
        yield client


@contextmanager
def ray_cluster(nodes: int, _folder: Path) -> Iterator[Any]:
    """A Ray of several nodes; one worker on each is sent to."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield ray
    finally:
        ray.shutdown()
        cluster.shutdown()


def cluster_rows(
    kind: str, start: Callable[[int, Path], Any], module: Path, sizes: list[int], counts: list[int], folder: Path
) -> Iterator[dict[str, Any]]:
    """Shipping to a cluster of each size."""
    for workers in counts:
        with start(workers, folder) as client:
            target = cluster_target(client)
            for size in sizes:
                file = padded(module, size, folder)
                (interpreter,) = target.probe(Deadline.after(300))
                shipment = Shipment(module.stem.partition(".")[0], file, interpreter)
                shipment = replace(shipment, reference=f"padded_{file.sha256[:8]}")
                started = time.perf_counter()
                receipt = target.ship(shipment, Deadline.after(600))
                target.load(shipment, Deadline.after(600))
                first = time.perf_counter() - started
                started = time.perf_counter()
                target.probe(Deadline.after(300))
                target.ship(shipment, Deadline.after(600))
                target.load(shipment, Deadline.after(600))
                yield {
                    "what": f"{kind}, {workers} workers, {size / 1e6:g} MB",
                    "seconds": first,
                    "again": time.perf_counter() - started,
                    "MB/s": receipt.sent_bytes / 1e6 / first,
                }
                file.path.unlink()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="1,8", help="sizes of the clusters")
    parser.add_argument("--sizes", default="500000,50000000", help="bytes of the modules")
    parser.add_argument("--engines", default="kernel,dask,ipyparallel,ray", help="what to measure")
    arguments = parser.parse_args()
    counts, sizes = ([int(n) for n in text.split(",")] for text in (arguments.workers, arguments.sizes))
    module = build("pub fn double(x: f64) -> f64 { 2.0 * x }").path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clusters = {"dask": dask_cluster, "ipyparallel": ipyparallel_cluster, "ray": ray_cluster}
        for engine in arguments.engines.split(","):
            rows = (
                kernel_rows(module, folder)
                if engine == "kernel"
                else cluster_rows(engine, clusters[engine], module, sizes, counts, folder)
            )
            for row in rows:
                figures = ", ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "what")
                print(f"{row['what']}: {figures}", flush=True)


if __name__ == "__main__":
    main()
