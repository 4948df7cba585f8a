"""This kernel as a target: what only it can be asked."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.cell import Options
from pyo3magic.environment.interpreter import Interpreter
from pyo3magic.remote.local import ThisKernel
from pyo3magic.remote.target import Deadline, Shipment, ShippedFile, TargetImportError, TargetMismatchError
from pyo3magic.session import Session
from pyo3magic.store import Artifact, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cargo
SOON = Deadline.after(1000)


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    session = Session(Store(store))
    yield session
    session.close()


@pytest.fixture
def artifact(session: Session) -> Artifact:
    return session.run(Options(module="local_base"), "pub fn base() -> i64 { 1 }", label="In[1]").artifact


def shipment(artifact: Artifact, **changes: Any) -> Shipment:
    made = Shipment(artifact.module, ShippedFile.of(artifact.file), Interpreter.current(), alias="local_base")
    return replace(made, **changes)


def test_it_is_the_module_that_the_session_has(session: Session, artifact: Artifact) -> None:
    namespace: dict[str, Any] = {}
    target = ThisKernel(session.store, namespace)
    assert target.load(shipment(artifact), SOON) == ("base", "local_base")
    assert namespace["local_base"] is sys.modules[artifact.alias]
    assert target.evaluate("x = base() + 1\nx", SOON).outputs[-1].text == "2"
    assert namespace["x"] == 2


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (
            {"interpreter": replace(Interpreter.current(), ext_suffix=".other.so")},
            TargetMismatchError,
            "a different Python",
        ),
        ({"alias": "json"}, TargetImportError, "already the name"),
        ({"names": ("absent",)}, TargetImportError, "has no 'absent'"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    session: Session, artifact: Artifact, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    namespace: dict[str, Any] = {}
    target = ThisKernel(session.store, namespace)
    with pytest.raises(error, match=words):
        target.ship(shipment(artifact, **changes), SOON)
        target.load(shipment(artifact, **changes), SOON)
    assert namespace == {}


def test_an_error_is_shown_without_our_frames(session: Session) -> None:
    evaluation = ThisKernel(session.store, {}).evaluate("print('said')\n1 / 0", SOON)
    assert [output.kind for output in evaluation.outputs] == ["stdout", "error"]
    assert "ZeroDivisionError" in evaluation.outputs[-1].text
    assert "local.py" not in evaluation.outputs[-1].text
    assert not evaluation.ok
    assert not ThisKernel(session.store, {}).evaluate("1 +", SOON).ok
