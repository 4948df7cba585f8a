"""Real ipyparallel clusters, engines that register later, in the middle of work, and of another architecture included."""
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import operator
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.target import TargetTimeoutError
from tests.remote.clusters import (
    CROSS,
    EMULATED,
    EXPORTED,
    MARKS,
    PANIC,
    RISKY,
    SOURCE,
    ipyparallel_cluster,
    needed,
    run,
    run_across,
)

if TYPE_CHECKING:
    from pyo3magic.session import Session

pytestmark = MARKS


def test_functions_and_classes_map(session: Session, ipp_client: Any) -> None:
    view = ipp_client[:]
    target = cluster_target(view)
    module, (deployed,) = run(session, target, SOURCE, "geometry")
    assert deployed.names == tuple(sorted((*EXPORTED, "geometry")))
    assert view.map_sync(module.double, range(4)) == [0, 2, 4, 6]
    points = ipp_client.load_balanced_view().map_sync(module.mirror, [module.Point(i, 9) for i in range(3)])
    assert [(type(p) is module.Point, p.x, p.y) for p in points] == [(True, 9, i) for i in range(3)]
    view.execute("import geometry; answer = geometry.double(21)", block=True)
    assert view["answer"] == [42, 42]
    _, (again,) = run(session, target, SOURCE, "geometry")
    assert again.receipt.sent == ()


def test_a_panic_comes_back_with_its_place_and_the_engine_goes_on(session: Session, ipp_client: Any) -> None:
    module, _ = run(session, cluster_target(ipp_client), RISKY, "risky_engines")
    with pytest.raises(needed("ipyparallel").error.RemoteError) as caught:
        ipp_client.load_balanced_view().apply_async(module.risky, 13).get(timeout=60)
    assert caught.value.ename == "PanicException"
    assert caught.value.evalue.startswith(PANIC)
    assert ipp_client[:].map_sync(module.risky, range(4)) == [0, 1, 2, 3]


def test_engines_that_register_later(session: Session, ipp_client: Any) -> None:
    module, _ = run(session, cluster_target(ipp_client), SOURCE, "geometry")
    ipp_client.cluster.start_engines_sync(1)
    ipp_client.wait_for_engines(3, timeout=60)
    assert ipp_client[:].apply_sync(module.double, 21) == [42, 42, 42]


def test_load_balanced_view_and_part_of_the_engines(session: Session, ipp_client: Any) -> None:
    one = ipp_client[0]
    _, (deployed,) = run(session, cluster_target(one), SOURCE, "geometry")
    size = deployed.receipt.sent_bytes
    _, (rest,) = run(session, cluster_target(ipp_client.load_balanced_view()), SOURCE, "geometry")
    assert rest.receipt.sent_bytes == size  # to the other engine only


def test_busy_engines(session: Session, ipp_client: Any) -> None:
    ipp_client[:].apply_async(time.sleep, 8)
    with pytest.raises(TargetTimeoutError, match="busy"):
        run(session, cluster_target(ipp_client), SOURCE, "geometry", timeout=2)


@pytest.mark.timeout(600)
def test_no_task_comes_to_a_new_engine_before_the_module(session: Session) -> None:
    """The scheduler gives a new engine waiting tasks at once, before the client can send it anything."""
    with ipyparallel_cluster(1) as client:
        module, _ = run(session, cluster_target(client), SOURCE, "geometry")
        (first,) = client.ids
        view = client.load_balanced_view()
        tasks: list[Any] = []
        seen = {first}
        for _ in range(2):
            client.cluster.start_engines_sync(1)
        end = time.monotonic() + 300
        while len(seen) < 3:  # a new engine never finds the queue empty
            assert time.monotonic() < end, "no two engines have come"
            waiting = sum(not task.ready() for task in tasks)
            tasks += [view.apply_async(module.slow, module.Point(len(tasks) + i, 0)) for i in range(50 - waiting)]
            time.sleep(0.1)
            seen |= {task.engine_id for task in tasks if task.ready()}
        late = [view.apply_async(operator.attrgetter("x"), module.Point(7, i)) for i in range(9)]
        assert [task.get(timeout=120) for task in tasks] == list(range(len(tasks)))
        assert {task.get(timeout=60) for task in late} == {7}


@pytest.mark.timeout(600)
def test_when_all_engines_are_new(session: Session) -> None:
    with ipyparallel_cluster(1) as client:
        module, _ = run(session, cluster_target(client), SOURCE, "geometry")
        edited, _ = run(session, cluster_target(client), "pub fn double(x: i64) -> i64 { 20 * x }", "geometry")
        view = client.load_balanced_view()
        client.cluster.stop_engines_sync()
        while client.ids:
            time.sleep(0.05)
        client.cluster.start_engines_sync(1)
        client.wait_for_engines(1, timeout=120)
        tasks = [view.apply_async(function, 21) for function in (module.double, edited.double)]
        assert [task.get(timeout=120) for task in tasks] == [42, 420]
        direct = client[:]
        direct.execute("import geometry; answer = geometry.double(21)", block=True)
        assert direct["answer"] == [420]


@CROSS
@pytest.mark.timeout(600)
def test_an_aarch64_engine_among_others(
    session: Session, ipp_client: Any, cross_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = ipp_client.cluster
    connection = Path(cluster.profile_dir) / "security" / f"ipcontroller-{cluster.cluster_id}-engine.json"
    # The nanny would be started from sys.executable, which is no program of this machine.
    options = [f"--file={connection}", "--timeout=120", "--IPEngine.enable_nanny=False"]
    command = [cross_python, "-m", "ipyparallel.engine", *options]
    engine = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ipp_client.wait_for_engines(3, timeout=EMULATED)
        view = ipp_client[:]
        target = cluster_target(view)
        module, deployed = run_across(session, target, monkeypatch)
        assert sorted(each.interpreter.machine for each in deployed) == ["aarch64", "x86_64"]
        assert all(each.receipt.sent for each in deployed)
        machines = [machine for machine, _ in view.apply_async(module.place, 0).get(timeout=EMULATED)]
        assert sorted(machines) == ["aarch64", "x86_64", "x86_64"]
        arm = ipp_client[ipp_client.ids[machines.index("aarch64")]]
        point = arm.apply_async(module.mirror, module.Point(1, 2)).get(timeout=EMULATED)
        assert (type(point) is module.Point, point.x, point.y) == (True, 2, 1)
        _, again = run_across(session, target, monkeypatch)
        assert not any(each.receipt.sent for each in again)
    finally:
        engine.kill()
        engine.wait()
