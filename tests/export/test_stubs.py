from __future__ import annotations

import ast
import json
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyo3magic.export.stubs import make_stubs, read_chunks
from pyo3magic.export.type_stubs import type_stubs
from pyo3magic.export.wheel import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyo3magic.environment.context import Context

    from .conftest import Exporter


def name(text: Any) -> Any:
    *before, last = text.split(".")
    if not before:
        return {"type": "name", "id": last}
    return {"type": "attribute", "value": name(".".join(before)), "attr": last}


CHUNKS = [
    {"type": "module", "id": "m", "name": "shapes", "members": ["c", "f", "s"], "doc": 'Shapes.\n\nMore """.'},
    {"type": "module", "id": "s", "name": "inner", "members": ["g"]},
    {"type": "class", "id": "c", "name": "Square", "decorators": [name("typing.final")]},
    {"type": "function", "parent": "c", "name": "int", "arguments": {"posonlyargs": [{"name": "self"}]}, "returns": name("builtins.int")},
    {"type": "function", "id": "f", "name": "f", "arguments": {
        "args": [{"name": "a", "annotation": {"type": "id", "id": "c"}, "default": {"type": "constant", "kind": "none"}}],
        "vararg": {"name": "rest"}, "kwonlyargs": [{"name": "k", "default": {"type": "constant", "kind": "str", "value": "x"}}]},
     "returns": {"type": "subscript", "value": name("collections.abc.Sequence"), "slice": {"type": "binop", "op": "bitor", "left": name("builtins.str"), "right": {"type": "constant", "kind": "none"}}}},
    {"type": "function", "id": "g", "name": "g", "arguments": {"args": [{"name": "a", "annotation": {"type": "id", "id": "c"}}]}, "returns": {"type": "id", "id": "unknown"}},
]  # fmt: skip


def test_stubs_of_a_module_with_a_submodule() -> None:
    found = make_stubs(CHUNKS, "shapes", complete=frozenset(), exceptions={"inner": {"Bad": "ValueError"}})
    assert found == {
        "__init__.pyi": '"""Shapes.\n\nMore \\"\\"\\".\n"""\n\nimport builtins\nimport collections.abc\nimport typing\n'
        "from . import inner as inner\n\n"
        '__all__ = ["Square", "f", "inner"]\n\n'
        "@typing.final\nclass Square:\n    def int(self, /) -> builtins.int: ...\n\n"
        "def f(a: Square = None, *rest: typing.Any, k='x') -> collections.abc.Sequence[str | None]: ...\n",
        "inner.pyi": 'import shapes\nimport typing\n\n__all__ = ["Bad", "g"]\n\nclass Bad(ValueError): ...\n\n'
        "def g(a: shapes.Square) -> typing.Any: ...\n",
    }
    for text in found.values():
        ast.parse(text)


def test_an_incomplete_module_says_so() -> None:
    chunks = [{"type": "module", "id": "m", "name": "shapes", "members": [], "incomplete": True}]
    assert "def __getattr__" in make_stubs(chunks, "shapes", complete=frozenset(), exceptions={})["__init__.pyi"]
    assert (
        "def __getattr__"
        not in make_stubs(chunks, "shapes", complete=frozenset({"shapes"}), exceptions={})["__init__.pyi"]
    )


def test_no_such_module() -> None:
    assert make_stubs(CHUNKS, "other", complete=frozenset(), exceptions={}) == {}


@pytest.mark.parametrize("order", ["<", ">"])
def test_chunks_are_found_among_other_bytes(tmp_path: Path, order: Any) -> None:
    text = json.dumps(CHUNKS[0]).encode()
    noise = b'\x7fELF{"a{"type": "module"}' + bytes(range(256))
    (tmp_path / "m.so").write_bytes(
        noise + struct.pack(f"{order}I", len(text)) + text + noise + struct.pack("<I", 9) + b'{"type":1}'
    )
    assert read_chunks(tmp_path / "m.so") == [CHUNKS[0]]


@pytest.mark.cargo
def test_mypy_accepts_right_uses_of_the_wheel_and_refuses_wrong_ones(
    context: Context, export: Exporter, tmp_path: Path, environment_of: Callable[..., Path], say: Callable[..., str]
) -> None:
    package = export("geometry")
    stub = type_stubs(context, package)["__init__.pyi"]
    assert "class GeometryError(ValueError): ..." in stub
    assert '"""Its distance from the origin."""' in stub
    wheel = make_wheel(context, package, tmp_path, platform="linux")
    python = environment_of()
    say(python, "-m", "pip", "install", "--quiet", wheel.path)
    user = tmp_path / "user.py"
    user.write_text(
        "import geometry\n"
        "from geometry import GeometryError, Point, mirrored\n\n"
        "def longest(points: list[Point]) -> float:\n"
        "    try:\n"
        "        return max(point.length() for point in points) + geometry.DIMENSIONS\n"
        "    except GeometryError:\n"
        "        return geometry.double(1)\n\n"
        "print(longest([Point(3.0, 4.0), mirrored(Point(1.0))]))\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", tmp_path / "mypy"]
    assert "Success" in say(*mypy, user)
    for wrong in (
        "geometry.double('x')",
        "geometry.Point().length()",
        "geometry.missing",
        "x: str = geometry.double(1.0)",
    ):
        user.write_text(f"import geometry\n{wrong}\n")
        with pytest.raises(AssertionError, match=r"user\.py:2: error"):
            say(*mypy, user)


@pytest.mark.cargo
def test_stubs_of_several_modules(context: Context, export: Exporter) -> None:
    found = type_stubs(context, export("measures"))
    assert set(found) == {"__init__.pyi", "geometry.pyi"}
    assert (
        "def middle(first: measures.geometry.Point, second: measures.geometry.Point) -> measures.geometry.Point:"
        in found["__init__.pyi"]
    )
    assert "class Point" in found["geometry.pyi"]
