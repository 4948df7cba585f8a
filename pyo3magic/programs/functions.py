"""Where a cell has its functions: the path of each as the compiler writes it, and its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["Function", "functions_of"]

_SCOPES = frozenset({"mod_item", "trait_item", "function_item"})


@dataclass(frozen=True, slots=True)
class Function:
    """A function in a cell.

    Attributes:
        path: its name after those of the modules, traits and functions around it; ``impl`` stands for an impl block.
        file: the file, as the compiler is given it.
        line: its line there.
    """

    path: str
    file: str
    line: int

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("::")[2]

    def may_be(self, path: str) -> bool:
        """Whether the compiler may mean it: it leaves the front of a path out where it can, and a file has none."""
        return f"::{self.path}".endswith(f"::{path}") or f"::{path}".endswith(f"::{self.path}")


def functions_of(source: bytes, file: str) -> tuple[Function, ...]:
    """The functions in Rust source, in its order; those that are written in a macro's arguments, too."""
    import tree_sitter_rust
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_rust.language())).parse(source).root_node
    return tuple(sorted(_within(root, file), key=lambda item: item.line))


def _within(root: Node, file: str) -> Iterator[Function]:
    stack: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, around = stack.pop()
        inner = around
        if node.type in _SCOPES:
            inner = (*around, _text(node.child_by_field_name("name")))
            if node.type == "function_item":
                yield Function("::".join(inner), file, _line(node.child_by_field_name("name") or node))
        elif node.type == "impl_item":
            inner = (*around, "impl")
        elif node.type == "token_tree":
            for keyword, name in zip(node.children, node.children[1:], strict=False):
                if _text(keyword) == "fn" and name.type == "identifier":
                    yield Function("::".join((*around, _text(name))), file, _line(name))
        stack += [(child, inner) for child in reversed(node.children)]


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace").removeprefix("r#") if node is not None else ""
