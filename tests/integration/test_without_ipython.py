"""From Python without IPython, and from a shell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyo3magic
from pyo3magic.errors import CompileError

pytestmark = pytest.mark.cargo


def test_build_and_load(store: Path) -> None:
    built = pyo3magic.build("#[pyfunction] fn twice(x: i64) -> i64 { 2 * x }", module="api_module", store=store)
    assert built.path.is_file()
    assert built.module == "api_module"
    module = built.load()
    assert module.twice(21) == 42
    assert built.load() is module


def test_a_compile_error_tells_where(store: Path) -> None:
    with pytest.raises(CompileError) as caught:
        pyo3magic.build("#[pyfunction]\nfn wrong() -> i64 { true }", store=store)
    assert "mismatched types" in str(caught.value)
    assert caught.value.diagnostics[0].spans[0].line == 3
    assert caught.value.__cause__ is None


def test_nothing_of_ipython_is_imported(store: Path, environment: dict[str, str]) -> None:
    program = (
        "import sys, pyo3magic\n"
        f"m = pyo3magic.build('#[pyfunction] fn one() -> i64 {{ 1 }}', store={str(store)!r}).load()\n"
        "assert m.one() == 1 and 'IPython' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyo3magic", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_info(store: Path, environment: dict[str, str]) -> None:
    done = _run(environment, "--store", str(store), "info")
    assert done.returncode == 0
    assert "✓ rustc" in done.stdout
    report = json.loads(_run(environment, "--store", str(store), "info", "--json").stdout)
    assert report["ready"] is True


def test_info_without_rust(tmp_path: Path, environment: dict[str, str]) -> None:
    bare = {
        **{name: value for name, value in environment.items() if not name.startswith(("CARGO", "RUST"))},
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    done = _run(bare, "--store", str(tmp_path / "store"), "info")
    assert done.returncode == 1
    assert "✗ Rust" in done.stdout
    done = _run(bare, "--store", str(tmp_path / "store"), "warm")
    assert done.returncode == 1
    assert done.stderr.startswith("ToolchainError: ")
    assert "Traceback" not in done.stderr


def test_warm_and_cache(store: Path, environment: dict[str, str]) -> None:
    done = _run(environment, "--store", str(store), "warm")
    assert done.returncode == 0
    assert "warm after" in done.stdout
    usage = json.loads(_run(environment, "--store", str(store), "cache", "--json").stdout)
    assert usage["targets"]["count"] >= 1
    assert usage["bytes"] > 10**6
    wrong = _run(environment, "--store", str(store), "cache", "--prune", "much")
    assert wrong.returncode == 1
    assert "'much' is not a size" in wrong.stderr


def test_a_store_that_cannot_be_used(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "something").write_text("")
    done = _run(environment, "--store", str(tmp_path), "cache")
    assert done.returncode == 1
    assert "is not a store of pyo3magic" in done.stderr
    assert Path(tmp_path / "something").exists()


def test_the_guide_holds(store: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Every block of Python in docs/python.md, one after the other, in one process."""
    guide = (Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
    program = "\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYO3MAGIC_STORE": str(store)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert said[:2] == ["3", "6"]
    assert "mismatched types in line 2" in said
    assert re.fullmatch(r"True manylinux\w+", said[-1])
    assert (tmp_path / "dist").is_dir()
    assert (tmp_path / "pyo3magic.log").is_file()
