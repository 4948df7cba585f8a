"""The clusters that the tests of the engines use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.session import Session
from pyo3magic.store import Store
from tests.remote.clusters import cross_python, dask_cluster, ipyparallel_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["cross_python"]


@pytest.fixture
def session(store: Path) -> Iterator[Session]:
    session = Session(Store(store))
    yield session
    session.close()


@pytest.fixture
def dask_client(tmp_path: Path) -> Iterator[Any]:
    with dask_cluster(tmp_path) as client:
        yield client


@pytest.fixture
def ipp_client() -> Iterator[Any]:
    with ipyparallel_cluster() as client:
        yield client
