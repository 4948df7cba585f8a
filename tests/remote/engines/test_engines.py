"""Engines are found by entry point, an engine of another package included, and what is missing is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import pyo3magic
from pyo3magic.remote.clusters import cluster_target
from pyo3magic.remote.engines import EngineError, engines, workers_of
from pyo3magic.remote.target import Deadline, TargetTimeoutError
from tests.integration.kernel import Kernel
from tests.remote.clusters import documented_engine, documented_pool, installed

OURS = ("Dask", "ipyparallel", "Ray")


def test_engines_of_this_package() -> None:
    found = engines()
    assert tuple(engine.NAME for engine in found) == OURS
    assert [engine.workers_of(object()) for engine in found] == [None, None, None]


def test_finding_engines_imports_no_library_of_theirs() -> None:
    code = (
        "import sys, pyo3magic.remote.engines as e; assert len(e.engines()) == 3;"
        "print([name for name in ('distributed', 'dask', 'ipyparallel', 'ray') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_load_ext_reads_no_entry_point_of_engines() -> None:
    code = """
        import contextlib, importlib.metadata
        from IPython.core.interactiveshell import InteractiveShell
        shell, asked, plain = InteractiveShell(), [], importlib.metadata.entry_points
        importlib.metadata.entry_points = lambda **selection: asked.append(selection) or plain(**selection)
        shell.run_line_magic("load_ext", "pyo3magic")
        before = [each for each in asked if each.get("group") == "pyo3magic.engines"]
        with contextlib.suppress(Exception):
            shell.run_line_magic("rust_on", "1 1")
        print(before, [each for each in asked if each.get("group") == "pyo3magic.engines"])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] [{'group': 'pyo3magic.engines'}]"


HIDE = """
import importlib.abc, json, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"dask", "distributed", "ipyparallel", "ray"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.run_line_magic("load_ext", "pyo3magic")
said = {}
for expression in sys.argv[1:]:
    try:
        shell.run_line_magic("rust_on", f"{expression} 1")
    except Exception as error:
        said[expression] = [type(error).__name__, str(error)]
print(json.dumps(said))
"""
NOT_INSTALLED = [
    ("ray", "Ray", "ray"),
    ("distributed.Client()", "Dask", "distributed"),
    ("dask", "Dask", "distributed"),
    ("__import__('dask.distributed').Client()", "Dask", "distributed"),
    ("__import__('ipyparallel').Client()", "ipyparallel", "ipyparallel"),
    ("type('Client',(),{'__module__':'ipyparallel.client'})()", "ipyparallel", "ipyparallel"),
]
WRONG = ["nothing", "nothing.Client()", "raymond", "1/0", "__import__('no_such_module')"]


@pytest.fixture(scope="module")
def said() -> Any:
    """For each expression, the error's type and text in a kernel without any engine's library."""
    command = [sys.executable, "-c", HIDE, *(expression for expression, *_ in NOT_INSTALLED), *WRONG]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(("expression", "name", "package"), NOT_INSTALLED)
def test_an_engine_that_is_not_installed_is_named(said: Any, expression: str, name: str, package: str) -> None:
    text = f"{name} is not installed in this kernel's environment.\nRun %pip install {package}"
    assert said[expression] == ["EngineError", text]


@pytest.mark.parametrize("expression", WRONG)
def test_what_fails_for_another_reason_is_not_blamed_on_an_engine(said: Any, expression: str) -> None:
    kind, text = said[expression]
    assert kind == "OptionError"
    assert "is not installed" not in text


def test_an_engine_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with documented_pool(tmp_path, monkeypatch) as pool:
        assert [engine.NAME for engine in engines()] == ["Dask", "ipyparallel", "Local processes", "Ray"]
        target = cluster_target(pool)
        evaluation = target.evaluate("import os; print('hello'); 6 * 7", Deadline.after(60))
        assert [output.text for output in evaluation.outputs] == [
            "[process-0] hello\n",
            "[process-0] 42\n",
            "[process-1] hello\n",
            "[process-1] 42\n",
        ]
        with pytest.raises(TargetTimeoutError, match="The pool did not answer within"):
            target.evaluate("import time; time.sleep(0.5)", Deadline.after(0.1))


@pytest.mark.cargo
@pytest.mark.kernel
def test_the_documented_notebook(tmp_path: Path, environment: dict[str, str], store: Path) -> None:
    section = documented_engine()
    folder = installed(tmp_path / "site", "local-processes", {"local_processes.py": section.module}, section.points)
    own = {
        "PYTHONPATH": f"{folder}{os.pathsep}{environment['PYTHONPATH']}",
        "PYO3MAGIC_STORE": str(store),
        "PYO3MAGIC_WARM_UP": "0",
    }
    kernel = Kernel(tmp_path / "kernel", {**environment, **own})
    try:
        kernel.run("from local_processes import Pool\npool = Pool(2)")
        kernel.run(section.cell)
        assert kernel.run("pool.map(double, range(4))").value == "[0, 2, 4, 6]"
        kernel.run("pool.close()")
    finally:
        kernel.close()


def test_two_engines_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path, "other", {"other.py": ""}, {"dask": "other"}))
    with pytest.raises(EngineError, match="Two packages declare an engine named 'dask': ") as caught:
        engines()
    assert "other 1.0" in caught.value.message
    assert "pyo3magic 0" in caught.value.message
    assert caught.value.advice == "Uninstall one of them."


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("NAME = LIBRARY = TAKES = 'broken'", "broken_engine lacks PACKAGE, workers_of"),
        ("NAME, LIBRARY, PACKAGE, TAKES, workers_of = 1, '', '', '', print", "broken_engine lacks NAME"),
    ],
)
def test_an_engine_that_cannot_be_used(
    source: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(
        installed(tmp_path, "broken", {"broken_engine.py": source}, {"broken": "broken_engine"})
    )
    monkeypatch.delitem(sys.modules, "broken_engine", raising=False)
    message = f"The engine 'broken' of broken 1.0 cannot be used: {why}."
    with pytest.raises(EngineError) as caught:
        workers_of(object())
    assert (caught.value.message, caught.value.advice) == (message, "Update or uninstall that package.")
    assert message in caplog.text
    assert tuple(engine.NAME for engine in engines()) == OURS  # the others can still be used


def test_an_engine_whose_library_does_not_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        NAME, LIBRARY, PACKAGE, TAKES = "Half", "half_engine", "half-engine", "a number"
        def workers_of(value):
            from half_engine import nothing
    """
    monkeypatch.syspath_prepend(
        installed(tmp_path, "half", {"half_engine.py": textwrap.dedent(source)}, {"half": "half_engine"})
    )
    with pytest.raises(EngineError, match=r"Half cannot be used: cannot import name 'nothing'") as caught:
        workers_of(5)
    assert caught.value.advice == "Run %pip install --upgrade half-engine"


def test_source_without_its_metadata() -> None:
    code = """
        import sys
        sys.path[:] = [path for path in sys.path if not path.endswith("site-packages")]
        import pyo3magic.remote.engines as e
        try:
            e.workers_of(1)
        except e.EngineError as error:
            print(error.message)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    root = Path(pyo3magic.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "This installation of pyo3magic declares no engines, not even its own."
