"""Real clusters of several processes: Dask and ipyparallel, workers that join later and of another architecture included."""
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.errors import OptionError
from pyo3magic.session import Session
from pyo3magic.store import Store
from pyo3magic.targets import TargetDiedError, TargetTimeoutError
from pyo3magic.targets.clusters import cluster_target
from pyo3magic.targets.deploy import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyo3magic.targets.clusters import ClusterTarget

pytestmark = [
    pytest.mark.cargo,
    pytest.mark.slow,
    # Clusters leave sockets, loops and processes to the garbage collector.
    pytest.mark.filterwarnings("default"),
]

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
"""
CROSS = pytest.mark.skipif(
    not os.environ.get("PYO3MAGIC_CROSS_SITE"),
    reason="PYO3MAGIC_CROSS_SITE is not set: a folder with distributed and ipyparallel for aarch64",
)


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    session = Session(Store(store))
    yield session
    session.close()


def run(session: Session, target: ClusterTarget, source: str, module: str | None, timeout: float = 60) -> Any:
    """What ``%%rust --on`` does: the module here, and what was done there."""
    options = Options(module=module)
    outcome = session.run(options, source, label="In[1]")
    return outcome.module.module, deploy(session, options, source, target, timeout=timeout, here=outcome.artifact)


@pytest.fixture
def dask_client(tmp_path: Path) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def ipp_client() -> Iterator[Any]:
    import ipyparallel

    with ipyparallel.Cluster(n=2, log_level=40) as client:
        yield client


class TestDask:
    def test_functions_and_classes_map(self, session: Session, dask_client: Any) -> None:
        target = cluster_target(dask_client)
        module, (deployed,) = run(session, target, SOURCE, "geometry")
        assert deployed.names == ("Point", "double", "geometry", "mirror", "place")
        assert deployed.receipt.sent_bytes > 0
        assert dask_client.gather(dask_client.map(module.double, range(4))) == [0, 2, 4, 6]
        points = dask_client.gather(dask_client.map(module.mirror, [module.Point(i, 9) for i in range(3)]))
        assert [(type(p) is module.Point, p.x, p.y) for p in points] == [(True, 9, i) for i in range(3)]
        processes = {pid for _, pid in dask_client.gather(dask_client.map(module.place, range(20), pure=False))}
        assert os.getpid() not in processes
        _, (again,) = run(session, target, SOURCE, "geometry")
        assert again.receipt.sent == ()

    def test_edited_cell_never_runs_as_before(self, session: Session, dask_client: Any) -> None:
        target = cluster_target(dask_client)
        old, _ = run(session, target, "pub fn f(x: i64) -> i64 { x + 1 }", "edited")
        new, _ = run(session, target, "pub fn f(x: i64) -> i64 { x + 2 }", "edited")
        assert dask_client.gather(dask_client.map(new.f, range(4))) == [2, 3, 4, 5]
        assert dask_client.gather(dask_client.map(old.f, range(4))) == [1, 2, 3, 4]

    def test_workers_that_join_and_restart(self, session: Session, dask_client: Any) -> None:
        module, _ = run(session, cluster_target(dask_client), SOURCE, "geometry")
        dask_client.cluster.scale(3)
        dask_client.wait_for_workers(3, timeout=60)
        answers = dask_client.run(lambda f: f(21), module.double)
        assert list(answers.values()) == [42, 42, 42]
        dask_client.restart()
        assert list(dask_client.run(lambda f: f(21), module.double).values()) == [42, 42, 42]

    def test_unnamed_cell_is_built_once_for_here_and_there(self, session: Session, dask_client: Any) -> None:
        source = "pub fn unnamed(x: i64) -> i64 { x - 1 }"
        outcome = session.run(Options(), source, label="In[1]")
        target = cluster_target(dask_client)
        (deployed,) = deploy(session, Options(), source, target, timeout=60, here=outcome.artifact)
        assert deployed.artifact is outcome.artifact
        assert deployed.names == ("unnamed",)
        assert dask_client.submit(outcome.module.module.unnamed, 43).result() == 42

    def test_two_round_trips_for_an_unchanged_cell(
        self, session: Session, dask_client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = cluster_target(dask_client)
        run(session, target, SOURCE, "geometry")
        asked: list[Any] = []
        plain = type(dask_client).run

        def counted(client: Any, *arguments: Any, **options: Any) -> Any:
            asked.append(arguments)
            return plain(client, *arguments, **options)

        monkeypatch.setattr(type(dask_client), "run", counted)
        run(session, target, SOURCE, "geometry")
        assert len(asked) == 2

    def test_busy_workers_answer(self, session: Session, dask_client: Any) -> None:
        sleeping = dask_client.map(time.sleep, [5, 5], pure=False)
        started = time.monotonic()
        run(session, cluster_target(dask_client), SOURCE, "geometry")
        assert time.monotonic() - started < 4
        del sleeping

    def test_output_of_every_worker(self, dask_client: Any) -> None:
        from pyo3magic.targets import Deadline

        evaluation = cluster_target(dask_client).evaluate("print('hello'); 6 * 7", Deadline.after(30))
        assert sum("hello" in output.text for output in evaluation.outputs) == 2
        assert sum("42" in output.text for output in evaluation.outputs) == 2
        assert not cluster_target(dask_client).evaluate("1 / 0", Deadline.after(30)).ok

    def test_cluster_that_is_gone(self, session: Session, dask_client: Any) -> None:
        target = cluster_target(dask_client)
        dask_client.cluster.scale(0)
        for _ in range(100):
            if not dask_client.scheduler_info()["workers"]:
                break
            time.sleep(0.1)
        with pytest.raises(TargetDiedError, match="has no workers"):
            run(session, target, SOURCE, "geometry", timeout=10)


class TestIpyparallel:
    def test_functions_and_classes_map(self, session: Session, ipp_client: Any) -> None:
        view = ipp_client[:]
        target = cluster_target(view)
        module, (deployed,) = run(session, target, SOURCE, "geometry")
        assert deployed.names == ("Point", "double", "geometry", "mirror", "place")
        assert view.map_sync(module.double, range(4)) == [0, 2, 4, 6]
        points = ipp_client.load_balanced_view().map_sync(module.mirror, [module.Point(i, 9) for i in range(3)])
        assert [(type(p) is module.Point, p.x, p.y) for p in points] == [(True, 9, i) for i in range(3)]
        view.execute("import geometry; answer = geometry.double(21)", block=True)
        assert view["answer"] == [42, 42]
        _, (again,) = run(session, target, SOURCE, "geometry")
        assert again.receipt.sent == ()

    def test_engines_that_register_later(self, session: Session, ipp_client: Any) -> None:
        module, _ = run(session, cluster_target(ipp_client), SOURCE, "geometry")
        ipp_client.cluster.start_engines_sync(1)
        ipp_client.wait_for_engines(3, timeout=60)
        assert ipp_client[:].apply_sync(module.double, 21) == [42, 42, 42]

    def test_load_balanced_view_and_part_of_the_engines(self, session: Session, ipp_client: Any) -> None:
        one = ipp_client[0]
        _, (deployed,) = run(session, cluster_target(one), SOURCE, "geometry")
        size = deployed.receipt.sent_bytes
        _, (rest,) = run(session, cluster_target(ipp_client.load_balanced_view()), SOURCE, "geometry")
        assert rest.receipt.sent_bytes == size  # to the other engine only

    def test_busy_engines(self, session: Session, ipp_client: Any) -> None:
        ipp_client[:].apply_async(time.sleep, 8)
        with pytest.raises(TargetTimeoutError, match="busy"):
            run(session, cluster_target(ipp_client), SOURCE, "geometry", timeout=2)


@pytest.mark.parametrize("value", [None, 1, "client", os, object()])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(OptionError, match="cannot ship to"):
        cluster_target(value)


@pytest.fixture
def cross_session(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("RUSTC", os.environ["PYO3MAGIC_CROSS_RUSTC"])
    monkeypatch.setenv("PATH", f"{os.environ['PYO3MAGIC_CROSS']}/bin", prepend=os.pathsep)
    session = Session(Store(store))
    yield session
    session.close()


@CROSS
class TestTwoArchitectures:
    def test_dask(self, cross_session: Session, dask_client: Any, tmp_path: Path) -> None:
        command = [
            os.environ["PYO3MAGIC_CROSS_PYTHON_AARCH64"],
            *("-m", "distributed.cli.dask_worker", dask_client.scheduler.address, "--no-nanny", "--no-dashboard"),
            *("--nthreads", "1", "--local-directory", str(tmp_path / "arm"), "--name", "arm"),
        ]
        variables = {**os.environ, "PYTHONPATH": os.environ["PYO3MAGIC_CROSS_SITE"]}
        worker = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            dask_client.wait_for_workers(3, timeout=150)
            target = cluster_target(dask_client)
            module, deployed = run(cross_session, target, SOURCE, "geometry", timeout=150)
            assert sorted(each.interpreter.machine for each in deployed) == ["aarch64", "x86_64"]
            assert all(each.receipt.sent for each in deployed)
            (arm,) = [
                address
                for address, worker in dask_client.scheduler_info(n_workers=-1)["workers"].items()
                if worker["name"] == "arm"
            ]
            there = dask_client.submit(module.place, 0, workers=[arm], pure=False)
            here = dask_client.submit(
                module.place, 0, workers=[a for a in dask_client.nthreads() if a != arm], pure=False
            )
            assert [there.result()[0], here.result()[0]] == ["aarch64", "x86_64"]
            point = dask_client.submit(module.mirror, module.Point(1, 2), workers=[arm], pure=False).result()
            assert (type(point) is module.Point, point.x, point.y) == (True, 2, 1)
            _, again = run(cross_session, target, SOURCE, "geometry", timeout=150)
            assert not any(each.receipt.sent for each in again)
        finally:
            worker.kill()
            worker.wait()
