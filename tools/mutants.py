"""Tests that can fail: change one thing in a module at a time, and see whether its unit tests notice.

    python tools/mutants.py [MODULE...] [--sample N] [--seed N] [--workers N]

Each mutant is a copy of the package with one change in one module: a comparison, a constant, a boolean operator, a
condition, a returned value or a statement. The module's unit tests (those that start neither cargo nor a kernel) run
against the copy. Survivors are listed with their line; the exit status is 1 when more than one mutant in twenty
survives.
"""

# ruff: noqa: INP001, T201, PLR0911 - a script; a table of cases
from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROOT = Path(__file__).resolve().parents[1]
_ALLOWED = 0.05
_TIMEOUT = 120

MODULES: dict[str, tuple[str, ...]] = {
    "environment/context": ("environment/test_context.py",),
    "store/artifact": ("store",),
    "store/digests": ("store",),
    "store/files": ("store",),
    "store/folder": ("store",),
    "store/locking": ("store/test_locking.py",),
    "store/records": ("store",),
    "store/upkeep": ("store",),
    "export/tags": ("export/test_tags.py",),
    "export/metadata": ("export/test_metadata.py",),
    "export/metadata_rules": ("export/test_metadata.py",),
    "export/metadata_sources": ("export/test_metadata.py",),
    "export/write_files": ("export/test_write_files.py",),
    "export/wheel_file": ("export/test_wheel_file.py",),
    "cell/tool_table": ("cell/test_tool_table.py",),
    "environment/triples": ("environment/test_triples.py",),
    "session/load": ("session",),
    "compile/hints/cargo_failures": ("compile/hints",),
    "compile/hints/rustc_hints": ("compile/hints",),
    "compile/hints/idioms": ("compile/hints",),
    "remote/elf": ("remote/test_elf.py",),
    "remote/evaluation": ("remote/test_evaluation.py",),
    "remote/exchange": ("remote/test_exchange.py",),
    "remote/websocket_wire": ("remote/test_websocket_wire.py",),
    "remote/wire": ("remote/test_wire.py",),
}
"""What is mutated by default, and the tests that should notice."""

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        line: where it is.
        before: the code as it stands there.
        after: the code in its place.
        source: the whole module, changed.
    """

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module's source."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for index, node in enumerate(ast.walk(tree)):
        if _is_irrelevant(node, parents):
            continue
        for change in _changes(node, parents):
            changed = copy.deepcopy(tree)
            target = next(other for position, other in enumerate(ast.walk(changed)) if position == index)
            before = ast.unparse(target)
            after = change(target)
            yield Mutant(getattr(node, "lineno", 0), before, after, ast.unparse(ast.fix_missing_locations(changed)))


def _is_irrelevant(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Docstrings, annotations, ``__all__``, types for checkers only: nothing that runs."""
    while node in parents:
        parent = parents[node]
        match parent:
            case ast.If() if "TYPE_CHECKING" in ast.dump(parent.test):
                return True
            case ast.Expr() if isinstance(node, ast.Constant):
                return True
            case ast.arg() | ast.AnnAssign() if node is parent.annotation:
                return True
            case ast.FunctionDef() if node is parent.returns or node in parent.decorator_list:
                return True
            case ast.ClassDef() if node in parent.decorator_list:
                return True
            case ast.Assign() if ast.unparse(parent.targets[0]) == "__all__":
                return True
        node = parent
    return False


def _changes(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> list[Callable[[Any], str]]:
    """Functions that change a copy of the node in place and return how that reads."""
    match node:
        case ast.Compare():
            return [
                functools.partial(_compare, position=position, other=other)
                for position, operator in enumerate(node.ops)
                for other in _COMPARISONS.get(type(operator), ())
            ]
        case ast.BoolOp():
            return [_swap_boolean]
        case ast.Constant(value=bool() as value):
            return [functools.partial(_constant, value=not value)]
        case ast.Constant(value=int() as value):
            return [functools.partial(_constant, value=value + 1)]
        case ast.Constant(value=str() as value) if _decides(value) and not isinstance(parents[node], ast.JoinedStr):
            return [functools.partial(_constant, value=value + "~")]
        case ast.If() | ast.IfExp() if "TYPE_CHECKING" not in ast.dump(node.test):
            return [_negate]
        case ast.Return() if node.value is not None and not _is_falsy(node.value):
            return [_return_nothing]
    return []


def _decides(text: str) -> bool:
    """Whether a string may decide something: no sentence, and not the name of an encoding."""
    return bool(text) and " " not in text and text not in {"utf-8", "replace", "ignore", "surrogatepass"}


def _is_falsy(value: ast.expr) -> bool:
    """Whether a value is false wherever it is tested, so that None in its place is hardly another."""
    return isinstance(value, ast.Constant) and not value.value


def _compare(node: ast.Compare, position: int, other: type[ast.cmpop]) -> str:
    node.ops[position] = other()
    return ast.unparse(node)


def _swap_boolean(node: ast.BoolOp) -> str:
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return ast.unparse(node)


def _constant(node: ast.Constant, value: str | int) -> str:
    node.value = value
    return repr(value)


def _negate(node: ast.If | ast.IfExp) -> str:
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return f"if {ast.unparse(node.test)}"


def _return_nothing(node: ast.Return) -> str:
    node.value = ast.Constant(None)
    return "return None"


def passes(source: str, module: str, tests: Sequence[str], tree: Path) -> bool:
    """Whether a module's tests pass with another source of the module.

    Args:
        source: the module's source.
        module: the module's path in the package, without its ending.
        tests: paths in ``tests``.
        tree: a copy of the project, in which the module is written.
    """
    (tree / "pyo3magic" / f"{module}.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:rerunfailures"]
    command += ["-m", "not cargo and not kernel", *(f"tests/{name}" for name in tests)]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, cwd=tree, env=environ, capture_output=True, timeout=_TIMEOUT, check=False)
        return done.returncode == 0
    return False


def main() -> int:
    """Mutate the modules that were named; returns the exit status."""
    parser = argparse.ArgumentParser(description="Change a module, and see whether its unit tests notice.")
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="such as store/locking; by default all that are listed"
    )
    parser.add_argument("--sample", type=int, default=40, help="mutants of each module; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    total = survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees: Queue[Path] = Queue()
        for number in range(options.workers):
            tree = Path(folder) / str(number)
            for name in ("pyo3magic", "tests", "docs"):
                shutil.copytree(_ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(_ROOT / "pyproject.toml", tree)
            trees.put(tree)
        for module in options.modules or MODULES:
            tests = MODULES.get(module) or (f"{Path(module).parent}/test_{Path(module).name}.py",)
            source = (_ROOT / "pyo3magic" / f"{module}.py").read_text(encoding="utf-8")

            def judge(changed: str, module: str = module, tests: Sequence[str] = tests, source: str = source) -> bool:
                tree = trees.get()
                try:
                    return passes(changed, module, tests, tree)
                finally:
                    (tree / "pyo3magic" / f"{module}.py").write_text(source, encoding="utf-8")
                    trees.put(tree)

            if not judge(source):
                print(f"{module}: its tests fail as it is: {' '.join(tests)}")
                return 1
            chosen = list(mutants(source))
            if options.sample and len(chosen) > options.sample:
                chosen = random.Random(options.seed).sample(chosen, options.sample)  # noqa: S311 - which are tried
            with ThreadPoolExecutor(options.workers) as pool:
                lives = pool.map(judge, (mutant.source for mutant in chosen))
                alive = [mutant for mutant, lived in zip(chosen, lives, strict=True) if lived]
            total, survived = total + len(chosen), survived + len(alive)
            print(f"{module}: {len(alive)} of {len(chosen)} survive", flush=True)
            for mutant in alive:
                print(f"  line {mutant.line}: {mutant.before.splitlines()[0]} -> {mutant.after.splitlines()[0]}")
    print(f"{survived} of {total} mutants survive")
    return 0 if survived <= _ALLOWED * total else 1


if __name__ == "__main__":
    sys.exit(main())
