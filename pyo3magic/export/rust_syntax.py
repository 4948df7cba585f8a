"""Reads what an export needs from a cell's Rust: places to edit, exceptions, functions that are simple to call."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import encode, exception_arguments, items_of, parse, plain, text_of, walk
from pyo3magic.crate.lock import locked_version
from pyo3magic.crate.named_files import absolute_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tree_sitter import Node

    from pyo3magic.cell import Cell
    from pyo3magic.cell.syntax import Syntax

__all__ = [
    "KEYWORDS",
    "Edit",
    "Member",
    "after_inner_attributes",
    "bodiless",
    "crate_paths",
    "edited",
    "exception_bases",
    "exception_calls",
    "identifiers",
    "line_end",
    "made_visible",
    "sample_calls",
    "tree_of",
]

Edit = tuple[int, int, bytes]
"""Start, end and new text of a place in an encoded source."""

_SAMPLES = {
    **dict.fromkeys((f"{kind}{bits}" for kind in "iu" for bits in ("8", "16", "32", "64", "128", "size")), "20"),
    **dict.fromkeys(("f32", "f64"), "1.5"),
    **dict.fromkeys(("&str", "String"), '"some text"'),
    "bool": "true",
    "Vec<f64>": "vec![0.5_f64; 1000]",
    "Vec<i64>": "vec![7_i64; 1000]",
}

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen "
        "if impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true "
        "try type typeof unsafe unsized use virtual where while yield",
    )
)
"""Rust's keywords, reserved ones included (Rust reference, "Keywords")."""
_ITEMS = frozenset({
    *("impl_item", "struct_item", "enum_item", "union_item", "trait_item", "mod_item", "function_item", "type_item"),
    *("const_item", "static_item", "macro_definition"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One cell of an exported package.

    Attributes:
        module: the name of the module that was built from the cell.
        cell: the cell.
        syntax: what the cell's Rust exports and uses.
        lock: text of the ``Cargo.lock`` that the cell was built with.
        attached: content of the files that the cell names, by path in the cell's own package.
    """

    module: str
    cell: Cell
    syntax: Syntax
    lock: str
    attached: Mapping[str, bytes] = field(default_factory=dict, hash=False)

    @property
    def file(self) -> str:
        """Path of its Rust in a crate of several cells: one that names files has a folder of its own for them."""
        return f"src/{self.module}/mod.rs" if self.attached else f"src/{self.module}.rs"

    @property
    def pyo3(self) -> tuple[int, int]:
        """Major and minor version of the PyO3 that the cell was built with."""
        version = locked_version(self.lock, "pyo3") or (0, 30)
        return version[0], version[1]

    def absolute_paths(self) -> tuple[str, ...]:
        """The absolute paths by which its Rust names files."""
        texts = [data for name, data in self.attached.items() if name.endswith(".rs")]
        return tuple(path for text in (encode(self.cell.source), *texts) for path in absolute_paths(text))


def tree_of(text: str) -> Node:
    """The root of a Rust file's syntax tree."""
    return parse(encode(text)).root_node


def edited(data: bytes, edits: list[Edit]) -> bytes:
    """An encoded source with edits applied; their places do not overlap."""
    pieces, done = [], 0
    for start, end, new in sorted(edits):
        pieces += [data[done:start], new]
        done = end
    return b"".join([*pieces, data[done:]])


def sample_calls(member: Member) -> dict[str, tuple[str, ...]]:
    """Sample arguments, in Rust, for each exported function that takes only numbers, texts and vectors of numbers.

    Returns:
        Python's name of the function, and the arguments.
    """
    names = {export.rust_name: export.name for export in member.syntax.exports if export.kind == "function"}
    found = {}
    for item in items_of(tree_of(member.cell.source)):
        parameters = item.node.child_by_field_name("parameters") if item.node.type == "function_item" else None
        if parameters is None or item.name not in names:
            continue
        types = [child.child_by_field_name("type") for child in parameters.named_children if child.type == "parameter"]
        texts = [re.sub(r"\s+", "", text_of(kind)) for kind in types]
        texts = [text for text in texts if not text.startswith("Python<")]
        if all(text in _SAMPLES for text in texts):
            found[names[item.name]] = tuple(_SAMPLES[text] for text in texts)
    return found


def exception_bases(member: Member) -> dict[str, str]:
    """Python's name and base class of each exception that the cell makes with ``create_exception!``."""
    calls = exception_calls(tree_of(member.cell.source))
    return {text_of(name[-1]): text_of(base[-1]).removeprefix("Py") for _, name, base, *_ in calls}


def exception_calls(root: Node) -> Iterator[list[list[Node]]]:
    """The arguments of each complete ``create_exception!``: module, name, base, documentation, each as its tokens."""
    for item in items_of(root):
        arguments = exception_arguments(item.node)
        if len(arguments) > 2 and all(arguments[:3]):  # noqa: PLR2004 - module, name, base
            yield arguments


def identifiers(text: str) -> frozenset[str]:
    """Every name in a Rust file, except Python's name of the module in ``create_exception!``."""
    root = tree_of(text)
    skipped = {token.start_byte for arguments in exception_calls(root) for token in arguments[0]}
    names = (node for node in walk(root) if node.type in {"identifier", "type_identifier"})
    return frozenset(plain(text_of(node)) for node in names if node.start_byte not in skipped)


def line_end(text: bytes, end: int) -> int:
    """The offset past the line's end if only white space follows on the line, else ``end`` itself."""
    newline = text.find(b"\n", end)
    newline = len(text) - 1 if newline < 0 else newline
    return newline + 1 if not text[end:newline].strip() else end


def made_visible(root: Node, module: str) -> list[Edit]:
    """The edit that makes the cell's own ``#[pymodule]`` of that name ``pub``, for the crate's root and benchmarks."""
    for item in items_of(root):
        is_module = item.node.type in {"function_item", "mod_item"} and plain(item.name) == module
        if is_module and not any(child.type == "visibility_modifier" for child in item.node.children):
            return [(item.node.start_byte, item.node.start_byte, b"pub ")]
    return []


def crate_paths(root: Node) -> Iterator[int]:
    """Ends of every ``crate`` that begins a path; ``pub(crate)`` and ``$crate`` mean the same in a submodule."""
    for node in walk(root):
        if node.type != "crate" or node.parent is None or node.parent.type == "visibility_modifier":
            continue
        following = node.next_sibling
        if following is not None and following.type == "::":
            yield node.end_byte


def bodiless(text: str) -> str:
    """A Rust file with empty function bodies, where the body has no influence on types.

    A body stays if it contains items, gives a type its value (``const fn``), or decides the function's type
    (``-> impl Trait``).
    """
    edits: list[Edit] = []
    queue = [tree_of(text)]
    while queue:
        node = queue.pop()
        body = node.child_by_field_name("body") if node.type == "function_item" else None
        if body is not None and not _decides(node, body):
            edits.append((body.start_byte, body.end_byte, b"{ ::core::panic!() }"))
        else:
            queue.extend(node.children)
    return edited(encode(text), edits).decode()


def _decides(function: Node, body: Node) -> bool:
    returned = function.child_by_field_name("return_type")
    modifiers = next((child for child in function.children if child.type == "function_modifiers"), None)
    is_const = modifiers is not None and any(child.type == "const" for child in modifiers.children)
    is_hidden = returned is not None and any(node.type == "abstract_type" for node in walk(returned))
    return is_const or is_hidden or any(node.type in _ITEMS for node in walk(body))


def after_inner_attributes(text: str) -> int:
    """Offset in characters after the last inner attribute or inner doc comment, where items may begin."""
    data = encode(text)
    end = 0
    for node in parse(data).root_node.children:
        if node.type in {"line_comment", "block_comment"}:
            if node.child_by_field_name("outer"):
                break
            if node.child_by_field_name("inner"):
                end = line_end(data, node.end_byte)
        elif node.type == "inner_attribute_item":
            end = line_end(data, node.end_byte)
        else:
            break
    return len(data[:end].decode())
