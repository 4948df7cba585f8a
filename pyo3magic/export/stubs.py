"""Writes type stubs from the introspection data that PyO3 compiles into a module.

With PyO3's feature ``experimental-inspect`` each of PyO3's macros leaves a piece of JSON in the module file, preceded
by its length in four bytes. The crate ``pyo3-introspection``, which ``maturin generate-stubs`` uses, reads the same
format (version 1, PyO3 0.27 and newer). Expressions in the data are nodes of Python's own grammar (``ast``).
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from .rust_syntax import Member

__all__ = ["FIRST_PYO3", "make_stubs", "plain_stubs", "read_chunks"]

FIRST_PYO3 = (0, 27)
"""The first PyO3 that writes this format."""

_KINDS = frozenset({"module", "class", "function", "attribute"})
_START = re.compile(rb'(?s)(?=(.{4})\{")')
_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
_MODIFIERS = ("property", "setter", "deleter")

Chunk = dict[str, Any]


def read_chunks(file: Path) -> list[Chunk]:
    """Every piece of introspection data in a module file of any object format."""
    data = file.read_bytes()
    found = []
    for match in _START.finditer(data):
        start = match.start() + 4
        for order in _ORDERS:
            length = int.from_bytes(match[1], order)
            if length <= len(data) - start and data[start + length - 1 : start + length] == b"}":
                try:
                    chunk = json.loads(data[start : start + length])
                except ValueError:
                    continue
                if isinstance(chunk, dict) and chunk.get("type") in _KINDS:
                    found.append(chunk)
                    break
    return found


def make_stubs(
    chunks: Iterable[Chunk],
    module: str,
    *,
    complete: frozenset[str],
    exceptions: Mapping[str, Mapping[str, str]],
    types: Mapping[str, Mapping[str, tuple[Mapping[str, str], str]]] = MappingProxyType({}),
    ufuncs: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> dict[str, str]:
    """Write the stubs of a package.

    Args:
        chunks: the introspection data (`read_chunks`).
        module: the name of the extension module, and of the package around it.
        complete: dotted names of modules that have no members except those in the data.
        exceptions: by module, the name and base of each ``create_exception!``, about which PyO3 writes no data.
        types: by module and function, the types of parameters, and that of the result, which replace PyO3's.
        ufuncs: by module, the name and documentation of each NumPy ufunc.

    Returns:
        Path below the package and text of each stub; empty if the data does not contain the module.
    """
    graph = _Graph(list(chunks))
    root = next((chunk for chunk in graph.chunks if chunk["type"] == "module" and chunk["name"] == module), None)
    if root is None:
        return {}
    graph.locate(root, (module,))
    for chunk in [item for item in graph.chunks if item["type"] == "module"]:
        for name, base in exceptions.get(chunk["name"], {}).items():
            bases = [{"type": "name", "id": base}]
            graph.chunks.append(
                {"type": "class", "id": f"exception {name}", "name": name, "parent": chunk["id"], "bases": bases}
            )
        for name, (parameters, result) in types.get(chunk["name"], {}).items():
            for item in graph.members(chunk):
                if item["type"] == "function" and item["name"] == name:
                    _set_types(item, parameters, result)
        for name, doc in ufuncs.get(chunk["name"], {}).items():
            kind = {"type": "attribute", "value": {"type": "name", "id": "numpy"}, "attr": "ufunc"}
            graph.chunks.append(
                {"type": "attribute", "name": name, "parent": chunk["id"], "annotation": kind, "doc": doc}
            )
    return dict(_files(graph, root, (module,), complete))


def _set_types(function: Chunk, parameters: Mapping[str, str], result: str) -> None:
    """Change the annotations of a function; an empty text changes nothing."""
    for listed in ("posonlyargs", "args", "kwonlyargs"):
        for argument in function["arguments"].get(listed, ()):
            if argument["name"] in parameters:
                argument["annotation"] = _node(ast.parse(parameters[argument["name"]], mode="eval").body)
    if result:
        function["returns"] = _node(ast.parse(result, mode="eval").body)


def _node(node: ast.expr) -> dict[str, Any]:
    """Return an expression of types as PyO3 writes it."""
    if isinstance(node, ast.Attribute):
        return {"type": "attribute", "value": _node(node.value), "attr": node.attr}
    if isinstance(node, ast.BinOp):
        return {"type": "binop", "left": _node(node.left), "op": "bitor", "right": _node(node.right)}
    if isinstance(node, ast.Subscript):
        return {"type": "subscript", "value": _node(node.value), "slice": _node(node.slice)}
    if isinstance(node, ast.Tuple):
        return {"type": "tuple", "elts": [_node(item) for item in node.elts]}
    if isinstance(node, ast.Name):
        return {"type": "name", "id": node.id}
    return {"type": "constant", "kind": "none"}


def plain_stubs(members: Iterable[Member], root: Member | None) -> dict[str, str]:
    """Stubs that contain only names, for a PyO3 without introspection.

    Args:
        members: the cells.
        root: the cell whose items the package itself exports, or None.

    Returns:
        Path below the package and text of each stub.
    """
    files = {}
    for member in members:
        lines = ["import typing", ""]
        if any(export.ufunc for export in member.syntax.exports):
            lines.insert(0, "import numpy")
        for export in member.syntax.exports:
            if export.ufunc:
                lines.append(f"{export.name}: numpy.ufunc")
            elif export.kind == "function":
                lines.append(f"def {export.name}(*args: typing.Any, **kwargs: typing.Any) -> typing.Any: ...")
            elif export.kind == "constant":
                lines.append(f"{export.name}: typing.Any")
            else:
                base = "(Exception)" if export.kind == "exception" else ""
                lines += [f"class {export.name}{base}:", "    def __getattr__(self, name: str) -> typing.Any: ..."]
        lines.append("def __getattr__(name: str) -> typing.Any: ...")
        name = "__init__.pyi" if member is root else f"{member.syntax.main_module or member.module}.pyi"
        files[name] = "\n".join(lines) + "\n"
    files.setdefault("__init__.pyi", "import typing\n\ndef __getattr__(name: str) -> typing.Any: ...\n")
    return files


@dataclass(slots=True)
class _Graph:
    """The pieces of data, by the module or class that they belong to."""

    chunks: list[Chunk]
    places: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)

    def members(self, chunk: Chunk) -> list[Chunk]:
        """The members of a module or class, sorted by name."""
        listed = set(chunk.get("members", ()))
        unique: dict[str, Chunk] = {}
        for item in self.chunks:
            own = item.get("parent") is not None and item.get("parent") == chunk.get("id")
            if own or (item.get("id") is not None and item.get("id") in listed):
                unique.setdefault(json.dumps(item, sort_keys=True), item)
        return sorted(unique.values(), key=lambda item: (item["name"], _modifier(item)))

    def locate(self, chunk: Chunk, module: tuple[str, ...], prefix: str = "") -> None:
        """Record where each class is, for the annotations that mention it."""
        for item in self.members(chunk):
            if item["type"] == "module":
                self.locate(item, (*module, item["name"]))
            elif item["type"] == "class":
                self.places[item["id"]] = (module, prefix + item["name"])
                self.locate(item, module, f"{prefix}{item['name']}.")


def _modifier(chunk: Chunk) -> int:
    names = [item.get("attr", item.get("id", "")) for item in chunk.get("decorators", ())]
    return next((rank for rank, word in enumerate(_MODIFIERS) if word in names), 0)


def _files(graph: _Graph, chunk: Chunk, module: tuple[str, ...], complete: frozenset[str]) -> Iterator[tuple[str, str]]:
    inner = [item for item in graph.members(chunk) if item["type"] == "module"]
    below = "/".join(module[1:])
    name = "__init__.pyi" if len(module) == 1 else f"{below}/__init__.pyi" if inner else f"{below}.pyi"
    yield name, _Writer(graph, module).text(chunk, is_complete=".".join(module) in complete)
    for item in inner:
        yield from _files(graph, item, (*module, item["name"]), complete)


class _Writer:
    """Writes one module's stub."""

    def __init__(self, graph: _Graph, module: tuple[str, ...]) -> None:
        self.graph = graph
        self.module = module
        self.imports: set[str] = set()
        self.taken: set[str] = set()

    def text(self, chunk: Chunk, *, is_complete: bool) -> str:
        members = self.graph.members(chunk)
        self.taken = set(self.names(chunk))
        order = ("attribute", "class", "function")
        body = []
        for kind in order:
            body += ["", *(line for item in members if item["type"] == kind for line in self.member(item))]
        whole = is_complete or not chunk.get("incomplete", False)
        if not whole:
            self.imports.add("typing")
            body += ["", "def __getattr__(name: str) -> typing.Any: ..."]
        submodules = [item["name"] for item in members if item["type"] == "module"]
        names = dict.fromkeys([*(item["name"] for item in members if item["type"] != "module"), *submodules])
        docs = list(_docstring(chunk.get("doc")))
        head = [*docs, *([""] if docs else []), *(f"import {name}" for name in sorted(self.imports))]
        head += [f"from . import {name} as {name}" for name in submodules]
        if whole and names:
            head += ["", f"__all__ = {json.dumps(list(names))}"]
        text = "\n".join([*head, "", *body]).strip("\n") + "\n"
        return re.sub(r"\n{3,}", "\n\n", text)

    def names(self, chunk: Chunk) -> Iterator[str]:
        """Every name that a module, its classes and their members define; they hide built-in names."""
        for item in self.graph.members(chunk):
            yield item["name"]
            if item["type"] == "class":
                yield from self.names(item)

    def member(self, chunk: Chunk, class_name: str = "") -> Iterator[str]:
        if chunk["type"] == "attribute":
            note = self.expression(chunk["annotation"]) if chunk.get("annotation") else ""
            value = self.expression(chunk["value"]) if chunk.get("value") else ""
            if not note and not value:
                self.imports.add("typing")
                note = "typing.Any"
            yield chunk["name"] + (f": {note}" if note else "") + (f" = {value}" if value else "")
            yield from _docstring(chunk.get("doc"))
        elif chunk["type"] == "class":
            yield from self.class_(chunk, class_name)
        else:
            yield from self.function(chunk, class_name)

    def class_(self, chunk: Chunk, outer: str) -> Iterator[str]:
        yield ""
        yield from (f"@{self.expression(item)}" for item in chunk.get("decorators", ()))
        bases = ", ".join(self.expression(item) for item in chunk.get("bases", ()))
        body = list(_docstring(chunk.get("doc")))
        order = ("attribute", "function", "class")
        members = self.graph.members(chunk)
        name = f"{outer}{chunk['name']}."
        body += [line for kind in order for item in members if item["type"] == kind for line in self.member(item, name)]
        yield f"class {chunk['name']}{f'({bases})' if bases else ''}:{'' if any(body) else ' ...'}"
        yield from (f"    {line}" if line else "" for line in body)

    def function(self, chunk: Chunk, class_name: str) -> Iterator[str]:
        for item in chunk.get("decorators", ()):
            yield f"@{self.expression(item).removeprefix(class_name)}"
        arguments = ", ".join(self.arguments(chunk["arguments"]))
        returns = f" -> {self.expression(chunk['returns'])}" if chunk.get("returns") else ""
        doc = list(_docstring(chunk.get("doc")))
        keyword = "async def" if chunk.get("async") else "def"
        yield f"{keyword} {chunk['name']}({arguments}){returns}:{'' if doc else ' ...'}"
        yield from (f"    {line}" if line else "" for line in doc)

    def arguments(self, given: Mapping[str, Any]) -> Iterator[str]:
        yield from (self.argument(item) for item in given.get("posonlyargs", ()))
        if given.get("posonlyargs"):
            yield "/"
        yield from (self.argument(item) for item in given.get("args", ()))
        if given.get("vararg"):
            yield f"*{self.argument(given['vararg'], anything=True)}"
        elif given.get("kwonlyargs"):
            yield "*"
        yield from (self.argument(item) for item in given.get("kwonlyargs", ()))
        if given.get("kwarg"):
            yield f"**{self.argument(given['kwarg'], anything=True)}"

    def argument(self, item: Mapping[str, Any], *, anything: bool = False) -> str:
        note = f": {self.expression(item['annotation'])}" if item.get("annotation") else ""
        if anything and not note:
            self.imports.add("typing")
            note = ": typing.Any"
        if not item.get("default"):
            return f"{item['name']}{note}"
        return f"{item['name']}{note}{' = ' if note else '='}{self.expression(item['default'])}"

    def expression(self, node: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one for each kind of node
        """The text of an expression in Python; the modules that it mentions are imported."""
        kind = node["type"]
        if kind == "name":
            return str(node["id"])
        if kind == "id":
            return self.reference(str(node["id"]))
        if kind == "attribute":
            prefix = _dotted(node["value"])
            if prefix == "builtins" and node["attr"] not in self.taken:
                return str(node["attr"])
            if prefix:
                self.imports.add(prefix)
                return f"{prefix}.{node['attr']}"
            return f"{self.expression(node['value'])}.{node['attr']}"
        if kind == "binop":
            return f"{self.expression(node['left'])} | {self.expression(node['right'])}"
        if kind == "subscript":
            parts = node["slice"]["elts"] if node["slice"]["type"] == "tuple" else [node["slice"]]
            inside = ", ".join(self.expression(item) for item in parts) or "()"
            return f"{self.expression(node['value'])}[{inside}]"
        if kind in {"tuple", "list"}:
            inside = ", ".join(self.expression(item) for item in node["elts"])
            return f"[{inside}]" if kind == "list" else f"({inside}{',' if len(node['elts']) == 1 else ''})"
        return _constant(node)

    def reference(self, identifier: str) -> str:
        """The text for a class of the package; ``typing.Any`` for a class that is not exported."""
        if identifier not in self.graph.places:
            self.imports.add("typing")
            return "typing.Any"
        module, name = self.graph.places[identifier]
        if module == self.module:
            return name
        self.imports.add(".".join(module))
        return f"{'.'.join(module)}.{name}"


def _dotted(node: Mapping[str, Any]) -> str:
    if node["type"] == "name":
        return str(node["id"])
    if node["type"] == "attribute":
        before = _dotted(node["value"])
        return f"{before}.{node['attr']}" if before else ""
    return ""


def _constant(node: Mapping[str, Any]) -> str:
    kind, value = node.get("kind"), node.get("value")
    if kind == "str":
        return repr(value)
    if kind in {"none", "bool"}:
        return str(value if kind == "bool" else None)
    return "..." if kind == "ellipsis" else str(value)


def _docstring(text: str | None) -> Iterator[str]:
    if not text or not text.strip():
        return
    escaped = text.strip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = [line.rstrip() for line in escaped.splitlines()]
    if len(lines) == 1 and not lines[0].endswith('"'):
        yield f'"""{lines[0]}"""'
        return
    yield f'"""{lines[0]}'
    yield from lines[1:]
    yield '"""'
