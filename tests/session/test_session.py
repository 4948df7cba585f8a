"""What a session says about a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pyo3magic.cell import Options
from pyo3magic.session import Session
from pyo3magic.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.cargo
def test_a_variable_with_an_old_name_is_noted_when_a_cell_is_built(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(Store(store))
    source = "pub fn renamed() -> i64 { 1 }"
    first = session.run(Options(), source, label="In[1]")
    assert first.notes == ()
    # PyO3 would be compiled anew for another value of the variable: what is built is the same.
    monkeypatch.setattr(Session, "_build", lambda *_, **__: first.artifact)
    monkeypatch.setenv("PYTHON_SYS_EXECUTABLE", sys.executable)
    (note,) = session.run(Options(), source, label="In[2]").notes
    assert note.startswith("PYTHON_SYS_EXECUTABLE is PyO3's old name for PYO3_PYTHON")
    session.close()
