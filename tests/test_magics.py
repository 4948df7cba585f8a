"""The magics in an IPython shell of this process: `magics`, `extension`, `session`, `panics`."""

from __future__ import annotations

import gc
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import pyo3magic
from pyo3magic.errors import (
    CellError,
    CompileError,
    ImportConflictError,
    Interrupted,
    OptionError,
    PyO3MagicError,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell with the extension and an empty store."""
    yield from _shell(tmp_path / "store", monkeypatch)


@pytest.fixture
def shell(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell with the extension and a warm store."""
    yield from _shell(store, monkeypatch)


def _shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYO3MAGIC_STORE", str(folder))
    monkeypatch.setenv("PYO3MAGIC_WARM_UP", "0")
    shell: Any = InteractiveShell()
    shell.history_manager.enabled = False
    monkeypatch.setattr(shell, "_showtraceback", lambda *_: None)
    pyo3magic.load_ipython_extension(shell)
    yield shell
    pyo3magic.unload_ipython_extension(shell)
    shell.history_manager.end_session()
    gc.collect()


def run(shell: Any, cell: str) -> Any:
    """Run a cell; returns its error or None."""
    return shell.run_cell(cell, store_history=True).error_in_exec


def test_loading_and_unloading(plain: Any, tmp_path: Path) -> None:
    names = {"rust", "pyo3_info", "pyo3_cache"}
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


@pytest.mark.parametrize(
    ("cell", "kind", "message", "advice"),
    [
        ("%%rust\n \n", CellError, "The cell is empty", ""),
        ("%%rust --releas\nfn f() {}", OptionError, "There is no option '--releas'", "%rust? lists"),
        ("%%rust --edition\nfn f() {}", OptionError, "expected one argument", "lists the options"),
        ("%%rust --debgu\nfn f() {}", OptionError, "There is no option '--debgu'", "Did you mean --debug?"),
        ("%%rust stray\nfn f() {}", OptionError, "stray", "lists the options"),
        ("%%rust -m 'a\nfn f() {}", OptionError, "quotation", "lists the options"),
        ("%rust", CellError, "on a line of its own", "%%rust"),
        ("%pyo3_cache --prune lots", OptionError, "'lots' is not a size", "20GB"),
        ("%pyo3_cache --nonsense", OptionError, "There is no option '--nonsense'", "%pyo3_cache? lists"),
    ],
)
def test_wrong_use(plain: Any, cell: str, kind: type[PyO3MagicError], message: str, advice: str) -> None:
    error = run(plain, cell)
    assert type(error) is kind
    assert message in error.message
    assert advice in error.advice


def test_a_store_that_cannot_be_used_is_reported_at_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text("")
    for shell in _shell(tmp_path, monkeypatch):
        assert type(run(shell, "%%rust\npub fn f() {}")) is StoreError
        assert run(shell, "1") is None


def test_settings_are_configurable(plain: Any) -> None:
    assert run(plain, "%config PyO3Magic.edition = '2021'") is None
    assert next(item for item in plain.configurables if type(item).__name__ == "PyO3Magic").edition == "2021"


def test_cache_and_info_return_data(plain: Any, tmp_path: Path) -> None:
    assert run(plain, "c = get_ipython().run_line_magic('pyo3_cache', '--json')") is None
    assert plain.user_ns["c"]["store"] == str(tmp_path / "store")
    assert run(plain, "i = get_ipython().run_line_magic('pyo3_info', '--json')") is None
    assert {"Python", "settings"} <= {item["name"] for item in plain.user_ns["i"]["findings"]}


@pytest.mark.cargo
def test_names_come_change_return_and_come_back(shell: Any) -> None:
    one, two = ("%%rust\n" + f"pub fn value() -> i32 {{ {number} }}" for number in (1, 2))

    def value() -> Any:
        return shell.user_ns["value"]()

    assert run(shell, one) is None
    first = shell.user_ns["value"]
    assert value() == 1
    assert run(shell, two) is None
    assert value() == 2
    assert run(shell, one) is None
    assert shell.user_ns["value"] is first
    run(shell, "del value")
    assert run(shell, one) is None
    assert value() == 1
    run(shell, "value = None")
    assert run(shell, one) is None
    assert value() == 1


@pytest.mark.cargo
def test_a_failed_cell_changes_no_name_and_stops(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shell, "%%rust\npub fn kept() -> i32 { 5 }") is None
    error = run(shell, "%%rust\npub fn kept() -> i32 { true }")
    assert type(error) is CompileError
    assert error.__traceback__ is None or "pyo3magic" not in error.__traceback__.tb_frame.f_code.co_filename
    assert shell.user_ns["kept"]() == 5
    assert "mismatched types" in capsys.readouterr().err


@pytest.mark.cargo
def test_a_named_cell_is_a_module(shell: Any) -> None:
    try:
        assert run(shell, "%%rust -m named_cell\npub fn six() -> i32 { 6 }") is None
        assert run(shell, "import named_cell as again; same = again is named_cell; n = again.six()") is None
        assert (shell.user_ns["same"], shell.user_ns["n"]) == (True, 6)
    finally:
        sys.modules.pop("named_cell", None)


@pytest.mark.cargo
def test_a_name_of_someone_else_is_refused_before_anything_is_built(shell: Any) -> None:
    error = run(shell, "%%rust -m json\npub fn six() -> i32 { 6 }")
    assert type(error) is ImportConflictError
    assert "six" not in shell.user_ns


@pytest.mark.cargo
def test_source_and_documentation(shell: Any) -> None:
    assert run(shell, "%%rust\n/// What it does.\n#[pyfunction]\nfn shown(x: i32) -> i32 { x }") is None
    item = shell.user_ns["shown"]
    assert "fn shown(x: i32)" in shell.inspector.info(item, detail_level=1)["source"]
    plain = shell.inspector.info(item, "shown")
    assert plain["docstring"] == "What it does."
    assert plain["definition"] == "shown(x)"
    assert plain["source"] is None
    assert shell.inspector.info(len, detail_level=1)["source"] is None


@pytest.mark.cargo
def test_a_class_of_an_earlier_version_says_so(shell: Any) -> None:
    cell = (
        "%%rust\n#[pyclass] struct Spot {{ #[pyo3(get)] x: i32 }}\n#[pymethods] impl Spot {{ #[new] fn new() -> Self {{ Spot {{ x: {} }} }} }}\n"
        "#[pyfunction] fn read(spot: &Spot) -> i32 {{ spot.x }}"
    )
    assert run(shell, cell.format(1)) is None
    old = shell.user_ns["Spot"]()
    assert run(shell, cell.format(2)) is None
    with pytest.raises(TypeError, match=r"before it was replaced by In\[\d+\]"):
        shell.user_ns["read"](old)
    assert shell.user_ns["read"](shell.user_ns["Spot"]()) == 2
    assert old.x == 1


@pytest.mark.cargo
def test_a_panic_names_the_cells_line(shell: Any) -> None:
    assert run(shell, '%%rust\npub fn fail(x: i32) -> i32 {\n    if x > 0 { panic!("on purpose") }\n    x\n}') is None
    count = shell.execution_count - 1
    error = run(shell, "fail(1)")
    assert type(error).__name__ == "PanicException"
    notes = "\n".join((*getattr(error, "__notes__", ()), *map(str, error.args)))
    assert "on purpose" in notes
    assert f"In[{count}], line 3, column 16" in notes
    assert shell.user_ns["fail"](0) == 0


@pytest.mark.cargo
def test_an_interrupted_build(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    cell = f"%%rust\n// {time.time_ns()}\npub fn slow() -> i32 {{ 9 }}"
    popen_started = threading.Event()
    import subprocess

    popen = subprocess.Popen

    def started(*arguments: Any, **options: Any) -> Any:
        child = popen(*arguments, **options)
        if not popen_started.is_set():
            popen_started.set()
            threading.Timer(0.05, _thread.interrupt_main).start()
        return child

    monkeypatch.setattr(subprocess, "Popen", started)
    error = run(shell, cell)
    assert type(error) is Interrupted
    assert "slow" not in shell.user_ns
    assert run(shell, cell) is None
    assert shell.user_ns["slow"]() == 9


@pytest.mark.cargo
def test_output_options(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cell = "%%rust {}\npub fn noisy() {{ let unused = 1; }}"
    for options, warned, verbose in (("", True, False), ("-q", False, False), ("-v", True, True)):
        assert run(shell, cell.format(options)) is None
        said = capsys.readouterr().err
        assert ("unused variable" in said) is warned
        assert ("exports noisy" in said) is verbose
