"""What an export needs to know of a cell's Rust: places to edit, exceptions, functions that are simple to call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from pyo3magic.cell import Cell
    from pyo3magic.cell.syntax import Syntax

__all__ = [
    "KEYWORDS",
    "Member",
    "after_inner_attributes",
    "bodiless",
    "crate_paths",
    "exception_bases",
    "exception_calls",
    "identifiers",
    "item_name",
    "line_end",
    "made_visible",
    "parse",
    "sample_calls",
    "top_level",
]

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
_ITEMS = (
    *("impl_item", "struct_item", "enum_item", "union_item", "trait_item", "mod_item", "function_item", "type_item"),
    *("const_item", "static_item", "macro_definition"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """One cell that is exported.

    Attributes:
        module: the name of the module it made.
        cell: the cell.
        syntax: what its Rust exports and uses.
        lock: text of the ``Cargo.lock`` it was built with.
    """

    module: str
    cell: Cell
    syntax: Syntax
    lock: str

    @property
    def pyo3(self) -> tuple[int, int]:
        """Major and minor version of the PyO3 it was built with."""
        from pyo3magic.crate.lock import locked_version

        version = locked_version(self.lock, "pyo3") or (0, 30)
        return version[0], version[1]


def sample_calls(member: Member) -> dict[str, tuple[str, ...]]:
    """Python's name of each exported function that plain arguments are enough for, and such arguments in Rust."""
    names = {export.rust_name: export.name for export in member.syntax.exports if export.kind == "function"}
    found = {}
    for node in top_level(parse(encode(member.cell.source))):
        parameters = node.child_by_field_name("parameters") if node.type == "function_item" else None
        if parameters is None or item_name(node) not in names:
            continue
        types = [child.child_by_field_name("type") for child in parameters.named_children if child.type == "parameter"]
        texts = [re.sub(r"\s+", "", (kind.text or b"").decode()) for kind in types if kind is not None]
        texts = [text for text in texts if not text.startswith("Python<")]
        if all(text in _SAMPLES for text in texts):
            found[names[item_name(node)]] = tuple(_SAMPLES[text] for text in texts)
    return found


def exception_bases(member: Member) -> dict[str, str]:
    """Python's name and base class of each exception that the cell makes with ``create_exception!``."""
    found = {}
    for _, name, base, *_ in exception_calls(parse(encode(member.cell.source))):
        found[(name[-1].text or b"").decode()] = (base[-1].text or b"").decode().removeprefix("Py")
    return found


def exception_calls(root: Node) -> Iterator[list[list[Node]]]:
    """The arguments of each ``create_exception!``: module, name, base, documentation, each as its tokens."""
    for node in top_level(root):
        macro = node.child_by_field_name("macro") if node.type == "macro_invocation" else None
        if macro is None or (macro.text or b"").rpartition(b"::")[2] != b"create_exception":
            continue
        tokens = next((child.children[1:-1] for child in node.children if child.type == "token_tree"), [])
        parts: list[list[Node]] = [[]]
        for token in tokens:
            if token.type == ",":
                parts.append([])
            elif token.type not in {"line_comment", "block_comment"}:
                parts[-1].append(token)
        if len(parts) > 2 and all(parts[:3]):  # noqa: PLR2004 - module, name, base
            yield parts


def identifiers(text: str) -> frozenset[str]:
    """Every name in a file, but not where ``create_exception!`` has Python's name of the module."""
    root = parse(encode(text))
    skipped = {token.start_byte for parts in exception_calls(root) for token in parts[0]}
    found, stack = set(), [root]
    while stack:
        node = stack.pop()
        stack.extend(node.children)
        if node.type in {"identifier", "type_identifier"} and node.start_byte not in skipped:
            found.add((node.text or b"").decode().removeprefix("r#"))
    return frozenset(found)


def line_end(text: bytes, end: int) -> int:
    """Past the line's end when nothing else stands on the line."""
    newline = text.find(b"\n", end)
    newline = len(text) - 1 if newline < 0 else newline
    return newline + 1 if not text[end:newline].strip() else end


def made_visible(root: Node, module: str) -> list[tuple[int, int, bytes]]:
    """``pub`` for the cell's own ``#[pymodule]``, which the crate's root or a profiling crate uses."""
    for node in top_level(root):
        is_module = node.type in {"function_item", "mod_item"} and item_name(node).removeprefix("r#") == module
        if is_module and not any(child.type == "visibility_modifier" for child in node.children):
            return [(node.start_byte, node.start_byte, b"pub ")]
    return []


def parse(text: bytes) -> Node:
    """The root of the syntax tree."""
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_rust.language())).parse(text).root_node


def top_level(root: Node) -> Iterator[Node]:
    """The nodes of a file, macro calls out of their statements."""
    for node in root.children:
        yield node.named_children[0] if node.type == "expression_statement" and node.named_child_count else node


def item_name(node: Node) -> str:
    """The name of an item, or nothing."""
    name = node.child_by_field_name("name")
    return (name.text or b"").decode() if name else ""


def crate_paths(root: Node) -> Iterator[int]:
    """Ends of every ``crate`` that begins a path; ``pub(crate)`` and ``$crate`` mean the same after the move."""
    stack = [root]
    while stack:
        node = stack.pop()
        stack.extend(node.children)
        if node.type != "crate" or node.parent is None or node.parent.type == "visibility_modifier":
            continue
        following = node.next_sibling
        if following is not None and following.type == "::":
            yield node.end_byte


def bodiless(text: str) -> str:
    """A Rust file whose functions do nothing, where that changes no type.

    Bodies stay that have items in them, that give a type its value (``const fn``), or that decide what the function's
    type is (``-> impl Trait``).
    """
    data = encode(text)
    edits: list[tuple[int, int]] = []
    queue = [parse(data)]
    while queue:
        node = queue.pop()
        body = node.child_by_field_name("body") if node.type == "function_item" else None
        if body is not None and not _decides(node, body):
            edits.append((body.start_byte, body.end_byte))
        else:
            queue.extend(node.children)
    for start, end in sorted(edits, reverse=True):
        data = data[:start] + b"{ ::core::panic!() }" + data[end:]
    return data.decode()


def _decides(function: Node, body: Node) -> bool:
    returned = function.child_by_field_name("return_type")
    modifiers = next((child for child in function.children if child.type == "function_modifiers"), None)
    is_const = modifiers is not None and any(child.type == "const" for child in modifiers.children)
    return is_const or (returned is not None and _has(returned, "abstract_type")) or _has(body, *_ITEMS)


def _has(node: Node, *kinds: str) -> bool:
    return node.type in kinds or any(_has(child, *kinds) for child in node.children)


def after_inner_attributes(text: str) -> int:
    """Offset in characters after the last inner attribute or inner doc comment, where items may begin."""
    data = encode(text)
    end = 0
    for node in parse(data).children:
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
