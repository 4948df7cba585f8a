"""Find the places in Rust source that name other files: ``mod x;``, ``#[path]``, ``include!`` and its relatives.

See the Rust reference, "Modules", and the standard library, ``include!``, ``include_str!`` and ``include_bytes!``.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import COMMENTS, parse, plain, string_value, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node

__all__ = ["NamedFile", "RustSource", "absolute_paths", "named_files"]

_INCLUDES = frozenset({"include", "include_str", "include_bytes"})
_ITEMS = frozenset({"source_file", "declaration_list"})
_WORDS = re.compile(rb"mod\b|include")
"""What code that names a file contains."""
_LONGEST_PATH = 4096
"""Limit of paths on Linux, and above that of other systems: no file is in a folder with a longer path."""
_PATH = re.compile(r'\bpath\s*=\s*(?:r#*)?"([^"\\]+)"')
_MODULE = ["mod", "identifier", ";"]


@dataclass(frozen=True, slots=True)
class RustSource:
    """A Rust file that may name other files.

    Attributes:
        path: its path.
        data: its bytes.
        modules: the folder of its modules.
        in_place: whether it is compiled in place, and so are the files that it names.
        is_first: whether it is the source itself, and not a file that the source names.
    """

    path: Path
    data: bytes
    modules: Path
    in_place: bool = False
    is_first: bool = False

    def root(self) -> Node:
        """Return the root of its syntax tree.

        Raises:
            CellError: the text is so broken that reading it takes too long.
        """
        return (parse(self.data) if self.is_first else parse(self.data, name=str(self.path), lines_above=0)).root_node


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A place in the code that names a file.

    Attributes:
        at: the place.
        what: the name or path written there, for messages.
        paths: the possible paths of the file.
        modules: the folder of the file's own modules; None if it is not Rust.
        is_certain: whether the compiler reads the file regardless of macros and ``cfg``.
        is_absolute: whether the path is absolute.
        of_package: whether the path starts at the package's folder (CARGO_MANIFEST_DIR).
    """

    at: Node
    what: str
    paths: tuple[Path, ...]
    modules: Path | None = None
    is_certain: bool = False
    is_absolute: bool = False
    of_package: bool = False


def absolute_paths(data: bytes) -> tuple[str, ...]:
    """Return the absolute paths in a source that name files, as written.

    Args:
        data: the source, UTF-8.
    """
    home = Path("/")
    return tuple(
        named.what for named in named_files(RustSource(home / "lib.rs", data, home), home) if named.is_absolute
    )


def named_files(source: RustSource, package: Path) -> Iterator[NamedFile]:
    """Yield each place in a source that names a file. Code without the words for it is not looked at."""
    folder = source.path.parent
    words = [match.start() for match in _WORDS.finditer(source.data)]
    if not words:
        return
    stack = [(source.root(), folder, source.modules, True)]
    while stack:
        node, paths, modules, is_certain = stack.pop()
        children = [child for child in node.children if child.type not in COMMENTS]
        for index, attributes, certain in _with_attributes(node, children, words, is_certain=is_certain):
            child = children[index]
            if child.type == "mod_item":
                name = plain(text_of(child.child_by_field_name("name")))
                body = child.child_by_field_name("body")
                if body is None:
                    yield from _module(child, name, attributes, paths, modules, is_certain=certain)
                else:
                    given = _PATH.search(attributes)
                    within = modules / (given[1] if given else name)
                    if len(str(within)) <= _LONGEST_PATH:
                        stack.append((body, within, within, certain))
                continue
            stack.append((child, paths, modules, certain))
            following = children[index + 1 : index + 3]
            if child.type in {"identifier", "scoped_identifier"}:
                yield from _include(child, following, folder, package, is_certain=certain)
            elif [child.type, *(token.type for token in following)] == _MODULE and node.type == "token_tree":
                yield from _module(child, plain(text_of(following[0])), "", paths, modules, is_certain=False)


def _with_attributes(
    node: Node, children: Sequence[Node], words: Sequence[int], *, is_certain: bool
) -> Iterator[tuple[int, str, bool]]:
    """Yield the children of a node that have one of the words.

    Args:
        node: the node.
        children: its children without comments.
        words: the offsets of the words, sorted.
        is_certain: whether the compiler is sure to see the node.

    Yields:
        The child's index, the text of its attributes, and whether the compiler is sure to see it.
    """
    first = 0
    is_certain = is_certain and node.type not in {"token_tree", "macro_definition"}
    for index, child in enumerate(children):
        if child.type == "inner_attribute_item" and "cfg" in text_of(child):
            is_certain = False
        nearest = bisect_left(words, child.start_byte)
        if nearest < len(words) and words[nearest] < child.end_byte:
            attributes = "".join(map(text_of, children[first:index]))
            in_block = child.type == "mod_item" and node.type not in _ITEMS  # its file's path depends on the compiler
            yield index, attributes, is_certain and "cfg" not in attributes and not in_block
        if child.type != "attribute_item":
            first = index + 1


def _include(
    at: Node, following: Sequence[Node], folder: Path, package: Path, *, is_certain: bool
) -> Iterator[NamedFile]:
    """Yield the file that an ``include`` names, if ``at`` is one.

    Args:
        at: the name of a macro, or any other name.
        following: the two nodes after it.
        folder: the folder of the source, from which paths start.
        package: the folder for CARGO_MANIFEST_DIR.
        is_certain: whether the compiler is sure to see it.
    """
    macro = text_of(at).rpartition("::")[2].strip()
    if macro not in _INCLUDES or [token.type for token in following] != ["!", "token_tree"]:
        return
    written = _written_path(following[1])
    if written is not None:
        text, of_package = written
        target = Path(os.path.normpath(package / text.lstrip("/") if of_package else folder / text))
        is_absolute = not of_package and os.path.isabs(text)  # noqa: PTH117 - a text, not yet a path
        modules = target.parent if macro == "include" else None
        yield NamedFile(at, text, (target,), modules, is_certain, is_absolute, of_package)


def _module(
    at: Node, name: str, attributes: str, paths: Path, modules: Path, *, is_certain: bool
) -> Iterator[NamedFile]:
    """Yield the files that ``mod name;`` may refer to.

    Args:
        at: the item.
        name: the module's name.
        attributes: the text of its attributes.
        paths: the folder from which ``#[path]`` starts.
        modules: the module folder of the enclosing module.
        is_certain: whether the compiler is sure to see it.
    """
    given = [match[1] for match in _PATH.finditer(attributes)]
    for text in given:
        target = Path(os.path.normpath(paths / text))
        yield NamedFile(at, text, (target,), target.parent, is_certain, os.path.isabs(text))  # noqa: PTH117
    if not given or "cfg_attr" in attributes:
        candidates = (modules / f"{name}.rs", modules / name / "mod.rs")
        yield NamedFile(at, name, candidates, modules / name, is_certain)


def _written_path(tree: Node) -> tuple[str, bool] | None:
    """Return an ``include``'s literal path and whether it starts at CARGO_MANIFEST_DIR; None for other arguments."""
    tokens = [token for token in tree.children[1:-1] if token.type not in COMMENTS and token.type != ","]
    if len(tokens) == 3 and text_of(tokens[0]) == "concat" and tokens[2].type == "token_tree":  # noqa: PLR2004
        tokens = [token for token in tokens[2].children[1:-1] if token.type not in COMMENTS and token.type != ","]
    of_package = [text_of(token) for token in tokens[:2]] == ["env", "!"]
    if of_package:
        if '"CARGO_MANIFEST_DIR"' not in text_of(tokens[2]):
            return None
        tokens = tokens[3:]
    if not tokens or any(token.type not in {"string_literal", "raw_string_literal"} for token in tokens):
        return None
    return "".join(map(string_value, tokens)), of_package
