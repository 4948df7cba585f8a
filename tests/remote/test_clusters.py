"""What all clusters have in common."""

from __future__ import annotations

import os

import pytest

from pyo3magic.errors import OptionError
from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.engines import engines


@pytest.mark.parametrize("value", [None, 1, "client", os, object()])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(OptionError, match="cannot ship to") as caught:
        cluster_target(value)
    assert caught.value.advice is not None
    assert all(engine.TAKES in caught.value.advice for engine in engines())
