"""Real Dask clusters of several processes, workers that join later and of another architecture included."""
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.errors import RustPanic
from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.deploy import deploy
from pyo3magic.remote.target import Deadline, TargetDiedError
from tests.remote.clusters import CROSS, EMULATED, EXPORTED, MARKS, PANIC, RISKY, SOURCE, run, run_across

if TYPE_CHECKING:
    from pathlib import Path

    from pyo3magic.session import Session

pytestmark = MARKS


def test_functions_and_classes_map(session: Session, dask_client: Any) -> None:
    target = cluster_target(dask_client)
    module, (deployed,) = run(session, target, SOURCE, "geometry")
    assert deployed.names == tuple(sorted((*EXPORTED, "geometry")))
    assert deployed.receipt.sent_bytes > 0
    assert dask_client.gather(dask_client.map(module.double, range(4))) == [0, 2, 4, 6]
    points = dask_client.gather(dask_client.map(module.mirror, [module.Point(i, 9) for i in range(3)]))
    assert [(type(p) is module.Point, p.x, p.y) for p in points] == [(True, 9, i) for i in range(3)]
    processes = {pid for _, pid in dask_client.gather(dask_client.map(module.place, range(20), pure=False))}
    assert os.getpid() not in processes
    _, (again,) = run(session, target, SOURCE, "geometry")
    assert again.receipt.sent == ()


def test_edited_cell_never_runs_as_before(session: Session, dask_client: Any) -> None:
    target = cluster_target(dask_client)
    old, _ = run(session, target, "pub fn f(x: i64) -> i64 { x + 1 }", "edited")
    new, _ = run(session, target, "pub fn f(x: i64) -> i64 { x + 2 }", "edited")
    assert dask_client.gather(dask_client.map(new.f, range(4))) == [2, 3, 4, 5]
    assert dask_client.gather(dask_client.map(old.f, range(4))) == [1, 2, 3, 4]


def test_workers_that_join_and_restart(session: Session, dask_client: Any) -> None:
    module, _ = run(session, cluster_target(dask_client), SOURCE, "geometry")
    dask_client.cluster.scale(3)
    dask_client.wait_for_workers(3, timeout=60)
    answers = dask_client.run(lambda f: f(21), module.double)
    assert list(answers.values()) == [42, 42, 42]
    dask_client.restart()
    assert list(dask_client.run(lambda f: f(21), module.double).values()) == [42, 42, 42]


def test_unnamed_cell_is_built_once_for_here_and_there(session: Session, dask_client: Any) -> None:
    source = "pub fn unnamed(x: i64) -> i64 { x - 1 }"
    outcome = session.run(Options(), source, label="In[1]")
    target = cluster_target(dask_client)
    (deployed,) = deploy(session, Options(), source, target, timeout=60, here=outcome.artifact)
    assert deployed.artifact is outcome.artifact
    assert deployed.names == ("unnamed",)
    assert dask_client.submit(outcome.module.module.unnamed, 43).result() == 42


def test_two_round_trips_for_an_unchanged_cell(
    session: Session, dask_client: Any, monkeypatch: pytest.MonkeyPatch
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


def test_a_panic_comes_back_with_its_place_and_the_worker_goes_on(session: Session, dask_client: Any) -> None:
    module, _ = run(session, cluster_target(dask_client), RISKY, "risky_dask")
    with pytest.raises(RustPanic) as caught:
        dask_client.submit(module.risky, 13, pure=False).result(timeout=60)
    assert str(caught.value).startswith(PANIC)
    assert dask_client.gather(dask_client.map(module.risky, range(4))) == [0, 1, 2, 3]
    assert len(dask_client.scheduler_info()["workers"]) == 2


def test_busy_workers_answer(session: Session, dask_client: Any) -> None:
    sleeping = dask_client.map(time.sleep, [5, 5], pure=False)
    started = time.monotonic()
    run(session, cluster_target(dask_client), SOURCE, "geometry")
    assert time.monotonic() - started < 4
    del sleeping


def test_output_of_every_worker(dask_client: Any) -> None:
    evaluation = cluster_target(dask_client).evaluate("print('hello'); 6 * 7", Deadline.after(30))
    assert sum("hello" in output.text for output in evaluation.outputs) == 2
    assert sum("42" in output.text for output in evaluation.outputs) == 2
    assert not cluster_target(dask_client).evaluate("1 / 0", Deadline.after(30)).ok


def test_cluster_that_is_gone(session: Session, dask_client: Any) -> None:
    target = cluster_target(dask_client)
    dask_client.cluster.scale(0)
    for _ in range(100):
        if not dask_client.scheduler_info()["workers"]:
            break
        time.sleep(0.1)
    with pytest.raises(TargetDiedError, match="has no workers"):
        run(session, target, SOURCE, "geometry", timeout=10)


@CROSS
@pytest.mark.timeout(600)
def test_an_aarch64_worker_among_others(
    session: Session, dask_client: Any, tmp_path: Path, cross_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        cross_python,
        *("-m", "distributed.cli.dask_worker", dask_client.scheduler.address, "--no-nanny", "--no-dashboard"),
        *("--nthreads", "1", "--local-directory", str(tmp_path / "arm"), "--name", "arm"),
    ]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        dask_client.wait_for_workers(3, timeout=EMULATED)
        target = cluster_target(dask_client)
        module, deployed = run_across(session, target, monkeypatch)
        assert sorted(each.interpreter.machine for each in deployed) == ["aarch64", "x86_64"]
        assert all(each.receipt.sent for each in deployed)
        known = dask_client.scheduler_info(n_workers=-1)["workers"]
        (arm,) = [address for address, it in known.items() if it["name"] == "arm"]
        others = [address for address in known if address != arm]
        there = dask_client.submit(module.place, 0, workers=[arm], pure=False)
        here = dask_client.submit(module.place, 0, workers=others, pure=False)
        assert [there.result(EMULATED)[0], here.result(EMULATED)[0]] == ["aarch64", "x86_64"]
        point = dask_client.submit(module.mirror, module.Point(1, 2), workers=[arm], pure=False).result(EMULATED)
        assert (type(point) is module.Point, point.x, point.y) == (True, 2, 1)
        _, again = run_across(session, target, monkeypatch)
        assert not any(each.receipt.sent for each in again)
    finally:
        worker.kill()
        worker.wait()
