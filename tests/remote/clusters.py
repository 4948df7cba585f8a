"""Small real clusters on this machine, and what a cell does with them."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit

from pyo3magic.cell import Options
from pyo3magic.remote.deploy import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyo3magic.remote.clusters import ClusterTarget
    from pyo3magic.session import Session

SOURCE = """
    #[pyclass(get_all, frozen)] pub struct Point { pub x: i64, pub y: i64 }
    #[pymethods]
    impl Point {
        #[new] fn new(x: i64, y: i64) -> Self { Point { x, y } }
        fn __getnewargs__(&self) -> (i64, i64) { (self.x, self.y) }
    }
    #[pyfunction] fn mirror(p: &Point) -> Point { Point { x: p.y, y: p.x } }
    #[pyfunction] fn double(x: i64) -> i64 { 2 * x }
    #[pyfunction] fn place(_x: i64) -> (&'static str, u32) { (std::env::consts::ARCH, std::process::id()) }
    #[pyfunction] fn slow(py: Python, p: &Point) -> i64 {
        py.detach(|| std::thread::sleep(std::time::Duration::from_millis(30)));
        p.x
    }
"""
RISKY = """#[pyfunction]
fn risky(x: i64) -> i64 {
    if x == 13 { std::hint::black_box(None::<i64>).unwrap() } else { x }
}
"""
PANIC = "called `Option::unwrap()` on a `None` value\nThe Rust code panicked in In[1], line 4, column 52.\nHint: "
EXPORTED = ("Point", "double", "mirror", "place", "slow")
EMULATED = 200.0  # seconds that an aarch64 Python under qemu may take for a step, on a machine that does other things

# Clusters leave sockets, loops and processes to the garbage collector.
MARKS = [pytest.mark.cargo, pytest.mark.kernel, pytest.mark.slow, pytest.mark.filterwarnings("default")]
CROSS = pytest.mark.skipif(
    not os.environ.get("PYO3MAGIC_CROSS_SITE") and os.environ.get("CI") != "true",
    reason="PYO3MAGIC_CROSS_SITE is not set: run .ci/cross, then source the env.sh it writes",
)


def run(session: Session, target: ClusterTarget, source: str, module: str | None, timeout: float = 60) -> Any:
    """What ``%%rust --on`` does: the module here, and what was done there."""
    options = Options(module=module)
    outcome = session.run(options, source, label="In[1]")
    here = outcome.artifact
    return outcome.module.module, deploy(session, options, source, target, timeout=timeout, here=here, label="In[1]")


def needed(library: str) -> Any:
    """An engine's library; where it is not installed the test is skipped, but not in CI."""
    if os.environ.get("CI") == "true":
        return importlib.import_module(library)
    return pytest.importorskip(library)


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[Any]:
    """A client of two Dask workers in processes of their own."""
    distributed = needed("distributed")
    options = {"processes": True, "dashboard_address": None, "local_directory": str(folder)}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def ipyparallel_cluster(engines: int = 2) -> Iterator[Any]:
    """A client of ipyparallel engines."""
    with needed("ipyparallel").Cluster(n=engines, log_level=40, engine_timeout=120) as client:
        yield client


def _started_ray() -> Any:
    """Ray's head gives up when the machine is too busy to start it in 30 seconds, which nothing can change."""
    from ray.cluster_utils import Cluster

    for _ in range(4):
        with contextlib.suppress(Exception):
            return Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    return Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})


@contextlib.contextmanager
def ray_cluster() -> Iterator[Any]:
    """A Ray of one node with a CPU, to which ``ray`` is connected; more can be added."""
    ray = needed("ray")
    cluster = _started_ray()
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@dataclass(frozen=True)
class DocumentedEngine:
    """The example of "Adding an engine" in docs/scale.md: the module, its entry points, and the notebook's cell."""

    module: str
    points: dict[str, str]
    cell: str


def documented_engine() -> DocumentedEngine:
    text = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    section = text.split("\n## Adding an engine\n")[1].split("\n## ")[0]
    module, points, cell = (
        re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)[0] for kind in ("python", "toml", "rust")
    )
    return DocumentedEngine(
        module, tomlkit.parse(points).unwrap()["project"]["entry-points"]["pyo3magic.engines"], cell
    )


def installed(folder: Path, name: str, files: Mapping[str, str], points: Mapping[str, str]) -> Path:
    """A folder with a package as pip leaves it: the files, and what the distribution says of itself."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "".join(f"{point} = {value}\n" for point, value in points.items())
    (info / "entry_points.txt").write_text(f"[pyo3magic.engines]\n{lines}")
    for path, text in files.items():
        (folder / path).write_text(text)
    return folder


@contextlib.contextmanager
def documented_pool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two processes of the documented engine, which is installed in the folder."""
    example = documented_engine()
    installed(folder / "site", "local-processes", {"local_processes.py": example.module}, example.points)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder / "site")
        pool = importlib.import_module("local_processes").Pool(2)
        try:
            yield pool
        finally:
            pool.close()
            del sys.modules["local_processes"]


@pytest.fixture
def cross_python() -> str:
    """An aarch64 Python with Dask and ipyparallel."""
    assert os.environ.get("PYO3MAGIC_CROSS_SITE"), "CI must run .ci/cross and source the env.sh it writes"
    if platform.python_version_tuple()[:2] != ("3", "11"):
        pytest.skip("the emulated Python is 3.11, and a cluster's Pythons must be of one version")
    return os.environ["PYO3MAGIC_CROSS_PYTHON_AARCH64"]


def run_across(session: Session, target: ClusterTarget, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`run` for machines of which one is emulated; only what goes there is built by the rustc that has its std."""
    outcome = session.run(Options(), SOURCE, label="In[1]")
    with monkeypatch.context() as patch:
        patch.setenv("RUSTC", os.environ["PYO3MAGIC_CROSS_RUSTC"])
        patch.setenv("PATH", f"{os.environ['PYO3MAGIC_CROSS']}/bin", prepend=os.pathsep)
        deployed = deploy(session, Options(), SOURCE, target, timeout=EMULATED, here=outcome.artifact)
    return outcome.module.module, deployed
