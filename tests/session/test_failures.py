from __future__ import annotations

from typing import Any

import pytest

from pyo3magic.errors import BuildError
from pyo3magic.session.failures import Attempts, Failure


@pytest.mark.parametrize(
    ("error", "reason"), [(BuildError("No linker.\nMore."), "No linker"), (KeyboardInterrupt(), "it was interrupted")]
)
def test_a_failure_is_known_until_the_cell_is_good_again(error: Any, reason: Any) -> None:
    attempts = Attempts()

    def fail() -> None:
        with attempts.noted("a", "In[1]"):
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [attempts.latest, attempts.failure_of("a")] == [Failure("a", "In[1]", reason)] * 2
    with attempts.noted("b", "In[2]"):
        pass
    assert attempts.latest is None
    assert attempts.failure_of("a") is not None
    with attempts.noted("a", "In[3]"):
        pass
    assert attempts.failure_of("a") is None


def test_a_cell_without_a_name_is_only_the_latest() -> None:
    attempts = Attempts()

    def fail() -> None:
        with attempts.noted("", "In[1]"):
            raise BuildError("x")

    with pytest.raises(BuildError):
        fail()
    assert attempts.latest is not None
    assert attempts.failure_of("") is None
