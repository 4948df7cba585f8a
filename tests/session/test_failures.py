from __future__ import annotations

from typing import Any

import pytest

from pyo3magic.errors import BuildError
from pyo3magic.session.failures import Failure, Failures


@pytest.mark.parametrize(
    ("error", "reason"), [(BuildError("No linker.\nMore."), "No linker"), (KeyboardInterrupt(), "it was interrupted")]
)
def test_a_failure_is_known_until_the_cell_is_good_again(error: Any, reason: Any) -> None:
    failures = Failures()

    def fail() -> None:
        with failures.recorded("a", "In[1]"):
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [failures.latest, failures.failure_of("a")] == [Failure("a", "In[1]", reason)] * 2
    with failures.recorded("b", "In[2]"):
        pass
    assert failures.latest is None
    assert failures.failure_of("a") is not None
    with failures.recorded("a", "In[3]"):
        pass
    assert failures.failure_of("a") is None


def test_a_cell_without_a_name_is_only_the_latest() -> None:
    failures = Failures()

    def fail() -> None:
        with failures.recorded("", "In[1]"):
            raise BuildError("x")

    with pytest.raises(BuildError):
        fail()
    assert failures.latest is not None
    assert failures.failure_of("") is None
