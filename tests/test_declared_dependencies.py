"""What the package imports, it declares: a plain installation has everything that its code needs."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import tomlkit

_ROOT = Path(__file__).parents[1]
_THE_USERS_OWN = {"dask", "distributed", "ipyparallel", "ray"}
"""The engines of clusters: whoever uses one has it."""


def _imported() -> set[str]:
    """Top-level packages that the code imports, late imports and ``import_module`` of a literal counted."""
    found: set[str] = set()
    for path in (_ROOT / "pyo3magic").rglob("*.py"):
        if "templates" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Call):
                match node.func, node.args:
                    case (
                        (ast.Name(id="import_module") | ast.Attribute(attr="import_module")),
                        [ast.Constant(value=str(name)), *_],
                    ):
                        found.add(name.partition(".")[0])
    return found - {"pyo3magic"} - set(sys.stdlib_module_names)


def test_what_is_imported_is_declared() -> None:
    project = tomlkit.parse((_ROOT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    declared = {_normal(re.split(r"[^\w.-]", text)[0]) for text in project["dependencies"]}
    homes = packages_distributions()
    missing = {
        name
        for name in _imported() - _THE_USERS_OWN
        if not declared & {_normal(distribution) for distribution in homes.get(name, [name])}
    }
    assert not missing


def _normal(name: str) -> str:
    """A distribution's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
