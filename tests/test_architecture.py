"""The rooms of the package and what may import what: the contract in ``pyproject.toml``, and what it cannot say."""

from __future__ import annotations

import ast
import collections
import functools
import graphlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

_PACKAGE = Path(__file__).parents[1] / "pyo3magic"
_FILES = {
    ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in _PACKAGE.rglob("*.py")
    if "templates" not in path.parts
}


@functools.cache
def _tree(name: str) -> ast.Module:
    return ast.parse(_FILES[name].read_text(encoding="utf-8"))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _executed(node)


@functools.cache
def _imported(name: str) -> set[str]:
    """The modules of the package, and the top-level packages of others, that a module imports, late imports counted."""
    package = name if _FILES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in _executed(_tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join(filter(None, (*above, node.module)))
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in _FILES else base for alias in node.names}
    return {module if module in _FILES else module.partition(".")[0] for module in found} - {name, "pyo3magic"}


def test_no_circle_of_files() -> None:
    graph = {name: _imported(name) & _FILES.keys() for name in _FILES}
    list(graphlib.TopologicalSorter(graph).static_order())  # a CycleError names the circle


def test_no_import_runs_back_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from importlinter import cli

    monkeypatch.chdir(_PACKAGE.parent)
    assert cli.lint_imports(no_cache=True) == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_only_the_notebook_room_imports_ipython() -> None:
    importing = {name for name in _FILES if "IPython" in _imported(name)}
    assert importing
    assert {name.split(".")[1] for name in importing} == {"notebook"}


def test_every_file_name_stands_once() -> None:
    names = collections.Counter(path.name for path in _FILES.values())
    assert {name for name, count in names.items() if count > 1} == {"__init__.py"}


_STARTING = re.compile(r"(exec|spawn|posix_spawn)[lvpe]*|system|popen|fork(pty)?|startfile|create_subprocess_\w+")


def test_only_one_module_starts_processes() -> None:
    starting = set()
    for name in _FILES:
        for node in _executed(_tree(name)):
            match node:
                case ast.Import(names=names):
                    found = any(alias.name.split(".")[0] in {"subprocess", "multiprocessing", "pty"} for alias in names)
                case ast.ImportFrom(module=("subprocess" | "multiprocessing" | "pty"), names=names):
                    found = any(not alias.name.endswith("Error") for alias in names)
                case ast.Attribute(value=ast.Name(id=("os" | "asyncio")), attr=attribute):
                    found = _STARTING.fullmatch(attribute) is not None
                case _:
                    continue
            if found:
                starting.add(name)
    assert starting == {"pyo3magic.process"}
