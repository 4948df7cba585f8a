from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cargo

Notebook = Callable[..., tuple[str, list[str]]]

SCRIPT = """
import os, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "pyo3magic")
if "pyo3_wheel" not in shell.magics_manager.magics["line"]:
    from pyo3magic.notebook.export_magics import load_ipython_extension
    load_ipython_extension(shell)
def run(text):
    result = shell.run_cell(text, store_history=True)
    error = result.error_in_exec or result.error_before_exec
    print("RESULT", repr(result.result), type(error).__name__ if error else "")
"""


@pytest.fixture
def notebook(store: Path, environment: dict[str, str], tmp_path: Path) -> Any:
    """Runs cells in a real IPython; gives what was shown and, for each cell, its result and the kind of its error."""

    def run(*cells: str) -> tuple[str, list[str]]:
        script = tmp_path / "script.py"
        script.write_text(SCRIPT + "".join(f"run({cell!r})\n" for cell in cells))
        done = subprocess.run(
            [sys.executable, script], cwd=tmp_path, env={**environment, "PYO3MAGIC_STORE": str(store), "PYO3MAGIC_WARM_UP": "0"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        results = [
            line.removeprefix("RESULT ").strip() for line in done.stdout.splitlines() if line.startswith("RESULT ")
        ]
        return done.stdout + done.stderr, results

    return run


CELL = "%%rust -m doubling\n//! Doubling numbers.\n/// Twice as much.\npub fn double(x: f64) -> f64 { 2.0 * x }\n"


def test_the_last_cell_becomes_a_wheel(notebook: Notebook, tmp_path: Path) -> None:
    shown, results = notebook(
        CELL, "%pyo3_wheel --platform linux --version 2.0 --summary 'Numbers, doubled' --license MIT -o out"
    )
    (path,) = (tmp_path / "out").iterdir()
    assert path.name.startswith("doubling-2.0-cp3")
    assert results[1] == repr(Path("out") / path.name)
    assert "like this one" in shown
    import zipfile

    assert b"Summary: Numbers, doubled\n" in zipfile.ZipFile(path).read("doubling-2.0.dist-info/METADATA")


def test_sdist_and_project(notebook: Notebook, tmp_path: Path) -> None:
    _, results = notebook(CELL, "%pyo3_sdist", "%pyo3_project here doubling --backend setuptools-rust --no-stubs -q")
    assert results[1:] == ["PosixPath('dist/doubling-0.1.0.tar.gz')", "PosixPath('here')"]
    assert (tmp_path / "here" / "MANIFEST.in").is_file()


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("%pyo3_wheel doublin", "OptionError", "Did you mean doubling?"),
        ("%pyo3_wheel doubling --name 'my pack!'", "OptionError", "--name my-pack"),
        ("%pyo3_wheel doubling --version 1.x", "OptionError", "--version 1"),
        ("%pyo3_wheel doubling --licence MIT", "OptionError", "--license"),
        ("%pyo3_wheel doubling --abi3 3.99", "OptionError", "cannot be built"),
        ("%pyo3_wheel doubling -o script.py", "OptionError", "is a file"),
        ("%pyo3_project here doubling --backend poetry", "OptionError", "maturin and setuptools-rust"),
        ("%pyo3_wheel broken", "OptionError", "The cell of 'broken' failed, in In[2] (1 error: mismatched types"),
        ("%pyo3_wheel", "OptionError", "The last cell that was run failed, in In[2]"),
    ],
)
def test_errors_have_no_traceback(notebook: Notebook, line: Any, kind: Any, words: Any) -> None:
    shown, results = notebook(CELL, "%%rust -m broken\npub fn f() -> i64 { 1.0 }", line)
    assert results[2] == f"None {kind}"
    assert words in shown
    assert "Traceback" not in shown


def test_an_older_version_is_not_taken_for_the_one_that_failed(notebook: Notebook, tmp_path: Path) -> None:
    user = "%%rust -m tripling\nuse doubling::double;\npub fn triple(x: f64) -> f64 { double(x) + x }\n"
    wrong = CELL.replace("2.0 * x", '"two"')
    cells = (
        CELL,
        user,
        wrong,
        "%pyo3_wheel doubling",
        "%pyo3_wheel",
        "%pyo3_wheel tripling",
        CELL,
        "%pyo3_wheel doubling -q",
    )
    shown, results = notebook(*cells)
    assert results[3:6] == ["None OptionError"] * 3
    assert shown.count("The earlier build, from In[1], no longer matches the notebook.") == 3
    assert [path.name.partition("-")[0] for path in (tmp_path / "dist").iterdir()] == ["doubling"]


def test_nothing_was_built(notebook: Notebook) -> None:
    shown, results = notebook("%pyo3_wheel")
    assert results == ["None OptionError"]
    assert "No Rust cell has been built" in shown


def test_help(notebook: Notebook) -> None:
    shown, _ = notebook("print(get_ipython().find_line_magic('pyo3_wheel').__doc__)")
    for words in ("--abi3", "manylinux2014", "--requires-python", "Write a wheel of modules"):
        assert words in shown


def test_declaring_the_magics_is_quick() -> None:
    code = (
        "import IPython.core.magic_arguments, IPython.core.magic, time\n"
        "import pyo3magic.errors\n"
        "start = time.perf_counter(); import pyo3magic.notebook.export_magics\n"
        "import sys; heavy = {'packaging', 'tomlkit', 'tree_sitter', 'zipfile', 'pyo3magic.store'} & set(sys.modules)\n"
        "print(heavy or 'none')\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"


def test_a_download_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyo3magic.notebook.show_export import ShownFile

    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "a b.whl").write_bytes(b"x" * 2048)
    shown = ShownFile(Path("dist/a b.whl"), "Linux <x>", 2048)
    assert 'href="dist/a%20b.whl"' in shown._repr_html_()
    assert "Linux &lt;x&gt;, 2 kB" in shown._repr_html_()
    assert repr(shown) == "dist/a b.whl\nLinux <x>, 2 kB"
    assert "href" not in ShownFile(Path("/elsewhere/a.whl"), "x")._repr_html_()
