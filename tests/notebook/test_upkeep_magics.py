"""``%pyo3_info`` and ``%pyo3_cache`` in an IPython shell of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


def run(shell: Any, cell: str) -> Any:
    """Run a cell; returns its error or None."""
    return shell.run_cell(cell, store_history=True).error_in_exec


def test_cache_and_info_return_data(plain: Any, tmp_path: Path) -> None:
    assert run(plain, "c = get_ipython().run_line_magic('pyo3_cache', '--json')") is None
    assert plain.user_ns["c"]["store"] == str(tmp_path / "store")
    assert run(plain, "i = get_ipython().run_line_magic('pyo3_info', '--json')") is None
    assert {"Python", "settings"} <= {item["name"] for item in plain.user_ns["i"]["findings"]}


@pytest.mark.parametrize(
    ("line", "message", "advice"),
    [
        ("%pyo3_cache --prune lots", "'lots' is not a size", "20GB"),
        ("%pyo3_cache --nonsense", "There is no option '--nonsense'", "%pyo3_cache? lists"),
    ],
)
def test_wrong_use(plain: Any, line: str, message: str, advice: str) -> None:
    error = run(plain, line)
    assert type(error) is OptionError
    assert message in error.message
    assert advice in error.advice


def test_the_doctor_works_where_the_store_does_not(plain: Any, tmp_path: Path) -> None:
    assert run(plain, f"%config PyO3Magic.store = {str(tmp_path)!r}") is None
    assert run(plain, "i = get_ipython().run_line_magic('pyo3_info', '--json')") is None
    (store,) = [item for item in plain.user_ns["i"]["findings"] if item["name"] == "store"]
    assert "is not a store of pyo3magic" in store["value"]
    assert store["advice"]
