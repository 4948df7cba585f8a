"""What a cell's Rust exports and uses, read from its syntax tree.

tree-sitter recovers from errors, so that any text has an answer; what is wrong with it is for rustc to say. All offsets
are bytes of the source encoded by :func:`encode`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Language, Node, Tree

__all__ = ["Export", "InnerAttribute", "Module", "Skipped", "Syntax", "analyse", "encode", "quote"]

Kind = Literal["function", "class", "exception", "constant"]

_PYO3 = frozenset({"pyfunction", "pyclass", "pymethods", "pymodule", "pymodule_export"})
_PYTHON_CFG = re.compile(r"Py_3_\d+|Py_GIL_DISABLED|Py_LIMITED_API|PyPy|GraalPy|RustPython|py_sys_config")
_COMMENTS = frozenset({"line_comment", "block_comment"})
_MOVABLE = _COMMENTS | {"inner_attribute_item"}
_SCOPED = frozenset({"scoped_identifier", "scoped_type_identifier"})
_NO_CRATE = frozenset({"std", "core", "alloc", "proc_macro", "test"})
_NUMBERS = frozenset({f"{kind}{bits}" for kind in "iu" for bits in (8, 16, 32, 64, 128, "size")} | {"f32", "f64"})
_TYPES = frozenset({"struct_item", "enum_item", "union_item", "type_item", "trait_item"})


@dataclass(frozen=True, slots=True)
class Export:
    """An item that the cell's module gives to Python.

    Attributes:
        kind: what it is to Python.
        rust_name: its name as written, with any ``r#``.
        name: its name in Python.
        cfgs: the texts of its ``#[cfg(...)]`` attributes, as written.
        type: a constant's type as written, else empty.
        implicit: a plain ``pub fn`` that still needs a ``#[pyfunction]``.
        start: where it starts, its attributes and outer doc comments included.
        at: where its name stands.
        attach: where an attribute for it can be written without moving any code: the end of the line before (before a
            comment there), None for the end of the line before the source, or ``start`` when there is no such place.
        markers: a constant's PyO3 attributes, which rustc only takes inside a ``#[pymodule]``.
    """

    kind: Kind
    rust_name: str
    name: str
    cfgs: tuple[str, ...] = ()
    type: str = ""
    implicit: bool = False
    start: int = 0
    at: int = 0
    attach: int | None = None
    markers: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A top-level ``pub fn`` that cannot be a Python function, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Module:
    """A ``#[pymodule]``: its Rust and Python names, its depth in Rust modules, the Python name of the one around it."""

    rust_name: str
    name: str
    depth: int = 0
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class InnerAttribute:
    """A crate-level ``#![...]`` or inner doc comment; ``text`` is the same as an attribute on one line."""

    start: int
    end: int
    text: str
    doc: str | None = None
    is_comment: bool = False


@dataclass(frozen=True, slots=True)
class Syntax:
    """What a cell's Rust exports and uses; made by :func:`analyse`.

    Attributes:
        exports: in the order of the source.
        skipped: the ``pub fn`` items that a cell without PyO3 attributes could not export.
        modules: every ``#[pymodule]``, in the order of the source.
        main_module: the Python name of the ``#[pymodule]`` to import, None when the cell has none.
        inner_attributes: crate-level attributes and doc comments, which rustc wants before any item.
        docs: the text of the crate-level documentation.
        crates: first segments of paths that may be crates or other cells, sorted.
        forbidden: the lints under ``#![forbid(...)]``.
        denies_missing_docs: a crate-level attribute is about ``missing_docs``.
    """

    exports: tuple[Export, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    modules: tuple[Module, ...] = ()
    main_module: str | None = None
    inner_attributes: tuple[InnerAttribute, ...] = ()
    docs: str = ""
    crates: tuple[str, ...] = ()
    forbidden: frozenset[str] = frozenset()
    denies_missing_docs: bool = False
    imports_prelude: bool = False
    uses_python_cfgs: bool = False
    uses_async: bool = False
    no_std: bool = False
    has_main: bool = False
    has_tests: bool = False
    is_empty: bool = False
    has_pyo3_items: bool = False

    @property
    def module_names(self) -> tuple[str, ...]:
        """The Python names of all ``#[pymodule]`` items."""
        return tuple(module.name for module in self.modules)

    @property
    def forbids_unsafe(self) -> bool:
        """Whether the cell has ``#![forbid(unsafe_code)]``."""
        return "unsafe_code" in self.forbidden


def encode(source: str) -> bytes:
    """The bytes that offsets count; what UTF-8 cannot say becomes ``?``."""
    return source.encode("utf-8", "replace")


def analyse(source: str) -> Syntax:
    """Read a cell's Rust, its front matter blanked. Never raises: broken code gets a best guess."""
    text = encode(source)
    root = _parse(text).root_node
    items = list(_items(root))
    uses = _Uses()
    uses.visit(root)
    inner = tuple(_inner_attributes(root))
    inner_words = [set(_words(node)) for node in root.children if node.type == "inner_attribute_item"]
    modules, exported = _modules(root)
    has_pyo3 = bool(modules) or any(item.has(*_PYO3) or _exception(item.node) for item in items)
    exports, skipped = [], []
    foreign = frozenset() if has_pyo3 else _rust_types(items)
    for item in items:
        export = _explicit(item) if has_pyo3 else _implicit(item, text, foreign)
        if isinstance(export, Skipped):
            skipped.append(export)
        elif export:
            exports.append(export)
    implicit = {export.start for export in exports if export.implicit}
    roots = [module for module in modules if module.parent is None]
    roots = [module for module in roots if module.depth == min(other.depth for other in roots)]
    mains = [module for module in roots if _plain(module.rust_name) not in exported | uses.wrapped] or roots
    return Syntax(
        exports=tuple(exports),
        skipped=tuple(skipped),
        modules=tuple(modules),
        main_module=mains[-1].name if mains else None,
        inner_attributes=inner,
        docs=cleandoc("\n".join(attribute.doc for attribute in inner if attribute.doc is not None)),
        crates=uses.crates(),
        forbidden=frozenset().union(*(words for words in inner_words if "forbid" in words)) - {"forbid", "cfg_attr"},
        denies_missing_docs=any("missing_docs" in words for words in inner_words),
        imports_prelude=any(
            ("pyo3", "prelude", "*") in _use_paths(item.node)
            for item in items
            if item.node.type == "use_declaration" and not item.cfgs()
        ),
        uses_python_cfgs=uses.python_cfgs,
        uses_async=any(_is_async(item, methods=methods, implicit=implicit) for item, methods in _functions(root)),
        no_std=any("no_std" in words for words in inner_words),
        has_main=any(item.node.type == "function_item" and item.name == "main" for item in items),
        has_tests=uses.tests,
        is_empty=all(node.type in _COMMENTS for node in root.children),
        has_pyo3_items=has_pyo3,
    )


@lru_cache(maxsize=1)
def _language() -> Language:
    import tree_sitter_rust
    from tree_sitter import Language

    return Language(tree_sitter_rust.language())


def _parse(text: bytes) -> Tree:
    from tree_sitter import Parser

    return Parser(_language()).parse(text)


def _text(node: Node | None) -> str:
    return (node.text or b"").decode() if node else ""


def _plain(name: str) -> str:
    return name.removeprefix("r#")


def _walk(node: Node) -> Iterator[Node]:
    """The node and all under it, in order; a stack, since source may nest deeper than Python recurses."""
    stack = [node]
    while stack:
        yield (node := stack.pop())
        stack.extend(reversed(node.children))


def _words(node: Node) -> Iterator[str]:
    return (_text(leaf) for leaf in _walk(node) if leaf.type == "identifier")


@dataclass(frozen=True, slots=True)
class _Attribute:
    """One attribute of an item; those inside a ``cfg_attr`` come one by one, with the condition they hang on."""

    node: Node
    name: str
    arguments: Node | None = None
    condition: str = ""

    def value(self, key: str) -> str | None:
        """The string given as ``key = "..."`` in the attribute's arguments."""
        tokens = self.arguments.children if self.arguments else []
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if _text(first) == key and second.type == "=" and third.type.endswith("string_literal"):
                return _string(third)
        return None


@dataclass(slots=True)
class _Item:
    """A node among its siblings, with the attributes and outer doc comments before it."""

    node: Node
    attributes: list[_Attribute] = field(default_factory=list)
    first: Node | None = None

    @property
    def name(self) -> str:
        return _text(self.node.child_by_field_name("name"))

    @property
    def at(self) -> int:
        name = self.node.child_by_field_name("name")
        return name.start_byte if name else self.node.start_byte

    @property
    def start(self) -> Node:
        return self.first or self.node

    def has(self, *names: str) -> bool:
        return any(attribute.name in names for attribute in self.attributes)

    def cfgs(self) -> tuple[str, ...]:
        return tuple(_one_line(item.node) for item in self.attributes if item.name == "cfg" and not item.condition)

    def python_name(self, *names: str) -> str:
        given = (item.value("name") for item in self.attributes if item.name in {"pyo3", *names})
        return next((name for name in given if name), _plain(self.name))


def _items(container: Node) -> Iterator[_Item]:
    """The items of a file, a ``mod`` or an ``impl``, each with what is written before it."""
    pending = _Item(container)
    stack = list(reversed(container.children))
    while stack:
        node = stack.pop()
        if node.type == "ERROR":
            stack.extend(reversed(node.children))
            continue
        if node.type == "attribute_item":
            pending.attributes.extend(_attributes(node))
        elif node.type in _COMMENTS:
            if not node.child_by_field_name("outer"):
                continue
        elif node.type == "expression_statement" and node.named_child_count:
            stack.append(node.named_children[0])
            continue
        else:
            pending.node = node
            yield pending
            pending = _Item(container)
            continue
        pending.first = pending.first or node


def _attributes(item: Node) -> Iterator[_Attribute]:
    for node in item.named_children:
        if node.type != "attribute" or not node.named_children:
            continue
        path, arguments = node.named_children[0], node.child_by_field_name("arguments")
        name = _text(path).rpartition("::")[2].strip()
        yield _Attribute(item, name, arguments)
        if name == "cfg_attr" and arguments:
            condition: str | None = None
            start, last = arguments.start_byte + 1, ""
            for token in [*arguments.children[1:-1], arguments.children[-1]]:
                if token.type in {",", ")"}:
                    if condition is None:
                        offset = arguments.start_byte
                        condition = (arguments.text or b"")[start - offset : token.start_byte - offset].decode().strip()
                    elif last:
                        yield _Attribute(item, last, None, condition)
                    last = ""
                elif token.type == "identifier":
                    last = _text(token)
                elif token.type == "token_tree" and condition is not None and last:
                    yield _Attribute(item, last, token, condition)
                    last = ""


def _exception(node: Node) -> Node | None:
    """The name in ``create_exception!(module, Name, ...)``."""
    if node.type != "macro_invocation":
        return None
    if _text(node.child_by_field_name("macro")).rpartition("::")[2].strip() != "create_exception":
        return None
    tree = next((child for child in node.children if child.type == "token_tree"), None)
    commas = 0
    for token in tree.children if tree else []:
        commas += token.type == ","
        if commas == 1 and token.type == "identifier":
            return token
    return None


def _explicit(item: _Item) -> Export | None:
    node, names = item.node, ("pyfunction", "pyclass", "pymodule_export")
    conditions = {found.condition for found in item.attributes if found.name in names and found.condition}
    cfgs = (*item.cfgs(), *(f"#[cfg({condition})]" for condition in sorted(conditions)))
    start = item.start.start_byte
    if name := _exception(node):
        return Export("exception", _text(name), _plain(_text(name)), cfgs, start=start, at=name.start_byte)
    if node.type == "function_item" and item.has("pyfunction"):
        return Export("function", item.name, item.python_name("pyfunction"), cfgs, start=start, at=item.at)
    if node.type in {"struct_item", "enum_item"} and item.has("pyclass"):
        return Export("class", item.name, item.python_name("pyclass"), cfgs, start=start, at=item.at)
    if node.type == "const_item" and item.has("pymodule_export"):
        marks = [found.node for found in item.attributes if found.name in {"pymodule_export", "pyo3"}]
        spans = tuple(sorted({(mark.start_byte, mark.end_byte) for mark in marks}))
        kind = _text(node.child_by_field_name("type"))
        return Export("constant", item.name, item.python_name(), cfgs, kind, start=start, at=item.at, markers=spans)
    return None


def _implicit(item: _Item, text: bytes, foreign: frozenset[str]) -> Export | Skipped | None:
    node = item.node
    visibility = next((child for child in node.children if child.type == "visibility_modifier"), None)
    if node.type != "function_item" or _text(visibility) != "pub" or item.name in {"main", ""}:
        return None
    if reason := _unfit(node) or _foreign_type(node, foreign):
        return Skipped(item.name, reason)
    return Export(
        "function",
        item.name,
        _plain(item.name),
        item.cfgs(),
        implicit=True,
        start=item.start.start_byte,
        at=item.at,
        attach=_attach(item.start, text),
    )


def _unfit(function: Node) -> str:
    """Why PyO3 could not wrap a function (PyO3 user guide, "Python functions"), else nothing."""
    generics = function.child_by_field_name("type_parameters")
    modifiers = next((child for child in function.children if child.type == "function_modifiers"), None)
    kinds = {child.type for child in modifiers.children} if modifiers else set()
    parameters = function.child_by_field_name("parameters")
    if any(
        child.type not in {"lifetime_parameter", *_COMMENTS} for child in (generics.named_children if generics else [])
    ):
        return "it has generic parameters, and Python needs one concrete function"
    if parameters and any(node.type == "abstract_type" for node in _walk(parameters)):
        return "it has an `impl Trait` argument, and Python needs concrete types"
    if parameters and any(_text(child.child_by_field_name("pattern")) == "_" for child in parameters.named_children):
        return "one of its arguments has no name"
    if "unsafe" in kinds:
        return "it is `unsafe`, and Python cannot promise what it asks for"
    if "extern_modifier" in kinds:
        return "it is `extern`, for callers in C rather than Python"
    return ""


def _rust_types(items: list[_Item]) -> frozenset[str]:
    """Types that a cell without PyO3 attributes defines and does not teach PyO3 to convert."""
    converted = {
        word
        for item in items
        if item.node.type == "impl_item" and "PyObject" in _text(item.node.child_by_field_name("trait"))
        for word in re.findall(r"\w+", _text(item.node.child_by_field_name("type")))
    }
    return frozenset(
        item.name
        for item in items
        if item.node.type in {"struct_item", "enum_item", "union_item", "trait_item"}
        and item.name not in converted
        and not any("PyObject" in _text(attribute.node) for attribute in item.attributes)
    )


def _foreign_type(function: Node, foreign: frozenset[str]) -> str:
    """Why a function whose signature has types of Rust's own is not exported, else nothing."""
    for part in ("parameters", "return_type"):
        node = function.child_by_field_name(part)
        for leaf in _walk(node) if node else ():
            if leaf.type == "type_identifier" and _text(leaf) in foreign:
                return f"its signature has `{_text(leaf)}`, which is no Python type (#[pyclass] would make it one)"
    return ""


def _attach(node: Node, text: bytes) -> int | None:
    """See ``Export.attach``."""
    if node.parent is None or node.parent.parent is not None:
        return node.start_byte
    start, before = node.start_byte, node.prev_sibling
    while True:
        newline = text.rfind(b"\n", 0, start)
        # Comments and crate-level attributes are no obstacle: the former may stand anywhere, the latter are moved away.
        while before and before.start_byte > newline and before.type in _MOVABLE:
            before = before.prev_sibling
        if before is None or before.end_byte <= newline + 1:
            break
        if before.start_byte > newline or before.type not in _MOVABLE:
            return node.start_byte
        start, before = before.start_byte, before.prev_sibling
    if newline < 0:
        return None
    place = newline - text[:newline].endswith(b"\r")
    return before.start_byte if before and before.type == "line_comment" and before.end_byte >= place else place


def _string(node: Node) -> str:
    """The value of a string literal; escapes as in the Rust reference, "Tokens"."""
    text = _text(node)
    if node.type == "raw_string_literal":
        return text.lstrip("r").strip("#")[1:-1]
    named = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}

    def unescape(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code:
            value = int(code.replace("_", ""), 16)
            return chr(value).encode("utf-8", "ignore").decode() if value <= sys.maxunicode else ""
        return "" if match[3][0] == "\n" else named.get(match[3], match[3])

    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F_]{1,8})\}|(\n\s*|.))", unescape, text[1:-1], flags=re.DOTALL)


def quote(text: str) -> str:
    """A Rust string literal on one line."""
    for character, escape in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.items():
        text = text.replace(character, escape)
    return f'"{text}"'


def _inner_attributes(root: Node) -> Iterator[InnerAttribute]:
    """Crate-level attributes and inner doc comments; they end where the first item starts."""
    for node in root.children:
        if node.type in _COMMENTS:
            if node.child_by_field_name("outer"):
                return
            if node.child_by_field_name("inner"):
                doc = _doc(node)
                end = node.start_byte + len((node.text or b"").rstrip(b"\r\n"))
                yield InnerAttribute(node.start_byte, end, f"#![doc = {quote(doc)}]", doc, is_comment=True)
        elif node.type == "inner_attribute_item":
            value = next((leaf for leaf in _walk(node) if leaf.type.endswith("string_literal")), None)
            is_doc = next(_words(node), "") == "doc" and any(leaf.type == "=" for leaf in _walk(node))
            doc_text = _string(value) if is_doc and value else None
            yield InnerAttribute(node.start_byte, node.end_byte, _one_line(node), doc_text)
        elif node.type != "shebang":
            return


def _doc(comment: Node) -> str:
    """The text of a doc comment without its markers (Rust reference, "Doc comments")."""
    text = _text(comment).replace("\r\n", "\n")
    if comment.type == "line_comment":
        return text[3:].rstrip("\n").removeprefix(" ")
    lines = text[3:].removesuffix("*/").split("\n")
    if len(lines) > 1 and all(line.lstrip().startswith("*") for line in lines[1:] if line.strip()):
        lines[1:] = [line.lstrip()[1:] for line in lines[1:]]
    return cleandoc("\n".join(lines)).rstrip()


def _one_line(node: Node) -> str:
    """The node's text without comments and line ends, and with one space wherever there were any."""
    parts, end = [], node.start_byte
    stack = [node]
    while stack:
        leaf = stack.pop()
        literal = leaf.type.endswith("string_literal")
        if leaf.children and not literal and leaf.type not in _COMMENTS:
            stack.extend(reversed(leaf.children))
            continue
        if leaf.type in _COMMENTS:
            continue
        text = _text(leaf)
        plain = literal and "\n" in text and not text.startswith(("b", "c"))
        parts += [" " * (leaf.start_byte > end), quote(_string(leaf)) if plain else text]
        end = leaf.end_byte
    return "".join(parts)


def _use_paths(declaration: Node) -> dict[tuple[str, ...], str]:
    """The paths that a ``use`` imports, with the name each binds; a glob ends in ``*`` and binds nothing."""
    paths: dict[tuple[str, ...], str] = {}
    stack: list[tuple[Node | None, tuple[str, ...]]] = [(declaration.child_by_field_name("argument"), ())]
    while stack:
        node, prefix = stack.pop()
        if node is None:
            continue
        if node.type == "use_list":
            stack += [(child, prefix) for child in node.named_children]
        elif node.type == "scoped_use_list":
            stack.append((node.child_by_field_name("list"), (*prefix, *_segments(node.child_by_field_name("path")))))
        elif node.type == "use_wildcard":
            segments = [segment for child in node.named_children for segment in _segments(child)]
            path = (*prefix, *segments, "*")
            paths[path] = ""
        elif node.type == "use_as_clause":
            path = (*prefix, *_segments(node.child_by_field_name("path")))
            paths[path] = _plain(_text(node.child_by_field_name("alias")))
        elif node.type not in _COMMENTS:
            path = (*prefix, *_segments(node))
            named = [segment for segment in path if segment != "self"]
            paths[path] = named[-1] if named else ""
    return paths


def _segments(path: Node | None) -> tuple[str, ...]:
    return tuple(_plain(part.strip()) for part in _text(path).split("::") if part.strip())


def _modules(root: Node) -> tuple[list[Module], set[str]]:
    """Every ``#[pymodule]`` outside function bodies, and the names that one of them exports with ``use``."""
    found: list[Module] = []
    exported: set[str] = set()
    stack: list[tuple[_Item, int, str | None]] = [(item, 0, None) for item in reversed(list(_items(root)))]
    while stack:
        item, depth, parent = stack.pop()
        if item.node.type == "use_declaration" and item.has("pymodule_export"):
            exported.update(path[-1] for path in _use_paths(item.node))
        if item.node.type in {"function_item", "mod_item"} and item.has("pymodule"):
            found.append(Module(item.name, item.python_name("pymodule"), depth, parent))
            inside = found[-1].name
        else:
            inside = parent or ""
        body = item.node.child_by_field_name("body")
        if item.node.type == "mod_item" and body:
            stack += [(inner, depth + 1, inside or None) for inner in reversed(list(_items(body)))]
    return found, exported


def _functions(root: Node) -> Iterator[tuple[_Item, bool]]:
    """The functions outside function bodies, and whether each is inside ``#[pymethods]``."""
    stack = [(item, False) for item in _items(root)]
    while stack:
        item, methods = stack.pop()
        body = item.node.child_by_field_name("body")
        if item.node.type == "function_item":
            yield item, methods
        elif body and (item.node.type == "mod_item" or item.has("pymethods")):
            stack += [(inner, item.has("pymethods")) for inner in _items(body)]


def _is_async(item: _Item, *, methods: bool, implicit: set[int]) -> bool:
    modifiers = next((child for child in item.node.children if child.type == "function_modifiers"), None)
    if not modifiers or all(child.type != "async" for child in modifiers.children):
        return False
    return methods or item.has("pyfunction") or item.start.start_byte in implicit


@dataclass(slots=True)
class _Uses:
    """What the whole tree mentions."""

    paths: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    wrapped: set[str] = field(default_factory=set)
    python_cfgs: bool = False
    tests: bool = False

    def visit(self, root: Node) -> None:
        """Collect from the root and all under it."""
        stack = [root]
        while stack:
            node = stack.pop()
            kind = node.type
            if kind != "use_declaration":
                stack.extend(node.children)
            if kind == "token_tree":
                self._tokens(node)
            elif kind == "use_declaration":
                self._use(node)
            elif kind in _SCOPED:
                self._path(node)
            elif kind == "mod_item" or (kind in _TYPES and node.parent == root):
                self.defined.add(_plain(_text(node.child_by_field_name("name"))))
            else:
                self._other(node)

    def _path(self, node: Node) -> None:
        first = node.child_by_field_name("path") or node.child_by_field_name("name")
        if first and first.type == "identifier":
            self.paths.add(_plain(_text(first)))

    def _other(self, node: Node) -> None:
        if node.type == "extern_crate_declaration":
            self.imported.add(_plain(_text(node.child_by_field_name("name"))))
            self.defined.add(_plain(_text(node.child_by_field_name("alias"))))
        elif node.type == "attribute_item":
            self.tests = self.tests or any(attribute.name == "test" for attribute in _attributes(node))
        elif node.type == "macro_invocation" and _text(node.child_by_field_name("macro")).endswith("wrap_pymodule"):
            self.wrapped.update(_plain(word) for word in list(_words(node))[-1:])

    def _tokens(self, tree: Node) -> None:
        tokens = tree.children
        for index, token in enumerate(tokens):
            if token.type != "identifier":
                continue
            name = _text(token)
            if _PYTHON_CFG.fullmatch(name):
                self.python_cfgs = True
            follows = index + 1 < len(tokens) and tokens[index + 1].type == "::"
            before = [token.type for token in tokens[max(index - 2, 0) : index]]
            if follows and before[-1:] != ["."] and (before[-1:] != ["::"] or before[0] in {"::", ","}):
                self.paths.add(_plain(name))
            if name == "wrap_pymodule" and index + 2 < len(tokens):
                self.wrapped.update(_plain(word) for word in list(_words(tokens[index + 2]))[-1:])

    def _use(self, node: Node) -> None:
        for path, bound in _use_paths(node).items():
            if path and path[0] not in {"self", "super", "crate", "*"}:
                self.imported.add(path[0])
            # `use shapes::{self}` and `use shapes::shapes` bind a name that their own path takes from a crate.
            if bound and path[0] != bound:
                self.defined.add(bound)

    def crates(self) -> tuple[str, ...]:
        """Names of modules by Rust's convention: a capital letter is a type's, except in a ``use``."""
        lower = {path for path in self.paths if not path[:1].isupper()} - _NUMBERS - {"str", "char", "bool"}
        known = self.defined | _NO_CRATE | {"", "self", "super", "crate", "Self"}
        return tuple(sorted((lower | self.imported) - known))
