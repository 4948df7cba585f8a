"""What ``%load_ext pyo3magic`` does to a shell of this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

import pyo3magic
from pyo3magic.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def run(shell: Any, cell: str) -> Any:
    """Run a cell; returns its error or None."""
    return shell.run_cell(cell, store_history=True).error_in_exec


def test_loading_and_unloading(plain: Any, tmp_path: Path) -> None:
    names = {"rust", "pyo3_info", "pyo3_cache", "pyo3_wheel", "pyo3_connect", "rust_on", "rust_fmt"}
    lines = plain.magics_manager.magics["line"]
    assert names <= lines.keys()
    pyo3magic.load_ipython_extension(plain)
    assert len([item for item in plain.configurables if type(item).__name__ == "PyO3Magic"]) == 1
    (session,) = (tmp_path / "store" / "sessions").iterdir()
    assert str(session) in sys.path
    pyo3magic.unload_ipython_extension(plain)
    assert not names & lines.keys()
    assert str(session) not in sys.path
    assert not session.exists()
    pyo3magic.unload_ipython_extension(plain)


def test_a_store_that_cannot_be_used_is_reported_at_the_cell(plain: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    assert run(plain, f"%config PyO3Magic.store = {str(tmp_path)!r}") is None
    assert type(run(plain, "%%rust\npub fn f() {}")) is StoreError
    assert run(plain, "1") is None


def test_settings_are_configurable(plain: Any) -> None:
    assert run(plain, "%config PyO3Magic.edition = '2021'") is None
    assert next(item for item in plain.configurables if type(item).__name__ == "PyO3Magic").edition == "2021"


@pytest.mark.cargo
def test_source_and_documentation(shell: Any) -> None:
    assert run(shell, "%%rust\n/// What it does.\n#[pyfunction]\nfn shown(x: i32) -> i32 { x }") is None
    item = shell.user_ns["shown"]
    assert "fn shown(x: i32)" in shell.inspector.info(item, detail_level=1)["source"]
    plain = shell.inspector.info(item, "shown")
    assert plain["docstring"] == "fn shown(x: i32) -> i32\n\nWhat it does."
    assert plain["definition"] == "shown(x)"
    assert plain["source"] is None
    assert shell.inspector.info(len, detail_level=1)["source"] is None


@pytest.mark.cargo
def test_a_cell_with_a_byte_order_mark(shell: Any) -> None:
    assert run(shell, "\ufeff%%rust\npub fn marked() -> i32 { 1 }") is None
    assert shell.user_ns["marked"]() == 1


def test_the_size_limit_is_in_force_at_once(plain: Any) -> None:
    extension = plain._pyo3magic
    assert extension.session.size_limit == 20 * 10**9
    assert run(plain, "%config PyO3Magic.size_limit = '5MB'") is None
    assert extension.session.size_limit == 5 * 10**6
    assert run(plain, "%config PyO3Magic.size_limit = 'lots'") is None  # IPython prints the error
    assert extension.session.size_limit == 5 * 10**6


def test_the_warm_up_starts_and_ends_with_its_setting(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extension: Any = plain._pyo3magic
    assert not extension._warm_up
    monkeypatch.setenv("PYO3MAGIC_OFFLINE", "1")
    assert run(plain, "%config PyO3Magic.warm_up = True") is None
    process = extension._warm_up
    assert process is not None
    assert run(plain, "%config PyO3Magic.warm_up = False") is None
    assert process._child.wait(timeout=20) != 0
