"""A real Ray of several nodes: workers and nodes that start later, edited cells, jobs that have ended."""
# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import OptionError, RustPanic
from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.target import TargetTimeoutError
from pyo3magic.remote.workers import KEPT
from tests.remote.clusters import EXPORTED, MARKS, PANIC, RISKY, SOURCE, needed, ray_cluster, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.session import Session

pytestmark = [*MARKS, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster() as cluster:
        yield cluster


@pytest.fixture
def ray(cluster: Any) -> Any:
    return needed("ray")


def test_a_panic_comes_back_with_its_place_and_the_worker_goes_on(session: Session, ray: Any, cluster: Any) -> None:
    del cluster
    module, _ = run(session, cluster_target(ray), RISKY, "risky_ray")

    @ray.remote(max_retries=0)
    def task(x: int) -> Any:
        return module.risky(x), os.getpid()

    _, process = ray.get(task.remote(3), timeout=120)
    with pytest.raises(RustPanic) as caught:
        ray.get(task.remote(13), timeout=120)
    assert isinstance(caught.value, ray.exceptions.RayTaskError)
    assert str(caught.value.cause).startswith(PANIC)
    assert PANIC.splitlines()[1] in str(caught.value)
    assert ray.get(task.remote(5), timeout=120) == (5, process)


def test_tasks_actors_pools_and_nodes_that_come_later(session: Session, ray: Any, cluster: Any) -> None:
    target = cluster_target(ray)
    module, (deployed,) = run(session, target, SOURCE, "geometry")
    assert deployed.names == EXPORTED
    assert deployed.receipt.sent_bytes > 0
    _, (again,) = run(session, target, SOURCE, "geometry")
    assert again.receipt.sent == ()

    @ray.remote
    def used(x: int) -> Any:  # by what is global or captured, the module itself included
        return module.double(x), type(module.mirror(module.Point(1, x))).__module__

    @ray.remote(num_cpus=0)
    def given(function: Any, *arguments: Any) -> Any:
        import sys

        return function(*arguments), "pyo3magic" in sys.modules

    @ray.remote(num_cpus=0)
    def passed_on(function: Any) -> Any:  # a worker pickles for another one
        return ray.get(given.options(resources={"late": 1}).remote(function, 5))

    class Keeper:
        def __init__(self, point: Any) -> None:
            self.point = point

        def mirrored(self) -> Any:
            return module.mirror(self.point)

    assert ray.get([used.remote(i) for i in range(3)]) == [(2 * i, module.Point.__module__) for i in range(3)]
    cluster.add_node(num_cpus=1, resources={"late": 1})
    (_, process), with_package = ray.get(given.options(resources={"late": 1}).remote(module.place, 0))
    assert process != os.getpid()
    assert not with_package
    assert ray.get(passed_on.remote(module.double)) == (10, False)
    point = ray.get(ray.remote(num_cpus=0)(Keeper).remote(module.Point(3, 4)).mirrored.remote())
    assert (type(point) is module.Point, point.x, point.y) == (True, 4, 3)

    from ray.util.multiprocessing import Pool

    with Pool(1) as pool:
        assert pool.map(module.double, range(4)) == [0, 2, 4, 6]


def test_edited_cell_never_runs_as_before(session: Session, ray: Any) -> None:
    @ray.remote(num_cpus=0)
    def call(function: Any, x: int) -> Any:
        return function(x)

    target = cluster_target(ray)
    old, _ = run(session, target, "pub fn f(x: i64) -> i64 { x + 1 }", "edited")
    new, _ = run(session, target, "pub fn f(x: i64) -> i64 { x + 2 }", "edited")
    assert ray.get([call.remote(function, 1) for function in (new.f, old.f, new.f, old.f)]) == [3, 2, 3, 2]
    from pyo3magic.remote.target import Deadline

    evaluation = target.evaluate("f(1)", Deadline.after(60))  # what was run last
    assert {output.text.rpartition("] ")[2].strip() for output in evaluation.outputs} == {"3"}


def test_what_is_forgotten(session: Session, ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyo3magic.remote.engines import ray as engine

    assert KEPT > 1
    monkeypatch.setattr(engine, "KEPT", 1)
    target = cluster_target(ray)
    one, _ = run(session, target, "pub fn one() -> i64 { 1 }", None)
    two, _ = run(session, target, "pub fn two() -> i64 { 2 }", None)

    @ray.remote(num_cpus=0, runtime_env={"env_vars": {"OWN": "worker"}})
    def call(function: Any) -> Any:
        return function()

    assert ray.get(call.remote(two.two)) == 2
    with pytest.raises(Exception, match="run it again in the notebook"):
        ray.get(call.remote(one.one))
    run(session, target, "pub fn one() -> i64 { 1 }", None)
    assert ray.get(call.remote(one.one)) == 1


def test_a_node_that_hangs(session: Session, ray: Any, cluster: Any) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    (raylet,) = node.all_processes["raylet"]
    os.kill(raylet.process.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(TargetTimeoutError, match="within 3 seconds"):
            run(session, cluster_target(ray), SOURCE, "geometry", timeout=3)
        assert time.monotonic() - started < 60
    finally:
        os.kill(raylet.process.pid, signal.SIGCONT)
        cluster.remove_node(node)


def test_job_that_has_ended(session: Session, ray: Any, cluster: Any) -> None:
    target = cluster_target(ray)
    module, _ = run(session, target, SOURCE, "geometry")
    ray.shutdown()
    with pytest.raises(OptionError, match="not connected"):
        run(session, target, SOURCE, "geometry")
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    from ray.experimental.internal_kv import _internal_kv_list

    deadline = time.monotonic() + 60
    while any(b"pyo3magic" in key for key in _internal_kv_list(b"RemoteFunction", namespace=b"fun")):
        assert time.monotonic() < deadline, "the cells of a job that has ended are still kept"
        time.sleep(0.1)

    @ray.remote(num_cpus=0)
    def call(function: Any) -> Any:
        return function(21)

    with pytest.raises(Exception, match="Ray job of these Rust cells has ended"):
        ray.get(call.remote(module.double))
    _, (deployed,) = run(session, target, SOURCE, "geometry")
    assert deployed.receipt.sent
    assert ray.get(call.remote(module.double)) == 42
