"""What every target does, whatever it is: this kernel, another one, and the engines of clusters."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.kernel import RemoteKernel
from pyo3magic.remote.local import ThisKernel
from pyo3magic.remote.target import Deadline, Shipment, ShippedFile, Target, TargetError
from pyo3magic.session import Session
from pyo3magic.store import Artifact, Store
from tests.remote.clusters import MARKS, dask_cluster, documented_pool, ipyparallel_cluster, ray_cluster
from tests.remote.conftest import start_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = MARKS
SOURCE = "#[pyfunction] fn triple(x: i64) -> i64 { 3 * x }\n#[pyclass] pub struct Thing;"


def soon() -> Deadline:
    return Deadline.after(60)


@contextlib.contextmanager
def made(kind: str, session: Session, folder: Path) -> Iterator[Target]:
    """A target of that kind, and all it takes."""
    with contextlib.ExitStack() as stack:
        if kind == "this kernel":
            yield ThisKernel(session.store, {})
        elif kind == "remote kernel":
            kernel = start_kernel(folder / "kernel")
            stack.callback(kernel.end)
            yield RemoteKernel(kernel.wire())
        elif kind == "Dask":
            yield cluster_target(stack.enter_context(dask_cluster(folder)))
        elif kind == "an engine of another package":
            yield cluster_target(
                stack.enter_context(documented_pool(folder, stack.enter_context(pytest.MonkeyPatch.context())))
            )
        elif kind == "ipyparallel":
            yield cluster_target(stack.enter_context(ipyparallel_cluster()))
        else:
            stack.enter_context(ray_cluster())
            import ray

            yield cluster_target(ray)


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    session = Session(Store(store))
    yield session
    session.close()


@pytest.fixture
def artifact(session: Session) -> Artifact:
    return session.run(Options(), SOURCE, label="In[1]").artifact


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kind", ["this kernel", "remote kernel", "Dask", "ipyparallel", "Ray", "an engine of another package"]
)
def test_contract(kind: str, session: Session, artifact: Artifact, tmp_path: Path) -> None:
    with made(kind, session, tmp_path) as target:
        (interpreter,) = target.probe(soon())
        assert interpreter.identity == Interpreter.current().identity
        file = ShippedFile.of(artifact.file)
        reference = artifact.alias if kind != "remote kernel" else ""
        shipment = Shipment(artifact.module, file, interpreter, names=("triple",), reference=reference)

        receipt = target.ship(shipment, soon())
        assert receipt.sent == (() if kind == "this kernel" else (file.name,))
        assert target.load(shipment, soon()) == ("triple",)
        evaluation = target.evaluate("print('said'); triple(14)", soon())
        assert evaluation.ok
        text = "\n".join(output.text for output in evaluation.outputs)
        assert "said" in text
        assert "42" in text
        assert not target.evaluate("1 / 0", soon()).ok

        target.probe(soon())
        again = target.ship(shipment, soon())
        assert (again.sent, again.sent_bytes) == ((), 0)
        assert target.load(shipment, soon()) == ("triple",)
        everything = replace(shipment, names=())
        target.ship(everything, soon())
        assert target.load(everything, soon()) == ("Thing", "triple")

        description = target.describe(soon())
        assert "answer" in description.state
        assert description.interpreter == interpreter.name
        refused(target, shipment, tmp_path)
        assert "43" in "\n".join(output.text for output in target.evaluate("triple(14) + 1", soon()).outputs)
        target.close()
        target.close()


def refused(target: Target, shipment: Shipment, folder: Path) -> None:
    """A file that is no module, and a name that it does not export: an error, and no change."""
    other = folder / shipment.file.name
    other.write_bytes(b"no module")
    wrong: list[Any] = [
        replace(shipment, file=ShippedFile.of(other), reference=""),
        replace(shipment, names=("triple", "absent"), reference=""),
    ]
    for each in wrong:
        with pytest.raises(TargetError):
            target.ship(each, soon())
            target.load(each, soon())
