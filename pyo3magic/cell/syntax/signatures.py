"""Read from a plain function's signature which conversions Python's arguments and Rust's result need.

The signature alone decides: neither the function's body nor the types that its names stand for are looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .items import attributes_of, modifiers_of
from .literals import on_one_line, string_value
from .tree import COMMENTS, plain, text_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from .items import Item

__all__ = ["NUMBERS", "Parameter", "Result", "Signature", "error_of", "signature_of"]

NUMBERS = frozenset({
    "bool", "f32", "f64", *(f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64, "size")),
})  # fmt: skip
"""Rust's types of an array's elements, besides complex numbers."""

ParameterKind = Literal["plain", "python", "slice", "view", "strings", "texts"]
ResultKind = Literal["plain", "nothing", "vector", "array", "slice", "ndarray", "result", "option", "tuple", "iterator"]

_VIEW = re.compile(r"ArrayView(?P<mut>Mut)?(?P<dimensions>[0-6D])?")
_OWNED = re.compile(r"Array[0-6D]?")
_DIMENSIONS = re.compile(r"Ix([0-6]|Dyn)")
_COMPLEX = re.compile(r"(?:\w+::)*Complex(?:(?P<bits>32|64)|<(?:(?P<part>f32|f64))>)")
_PYTHON = re.compile(r"\b(?:Python|Bound|Borrowed|Py\w*)\b")
_PYTHON_ERROR = re.compile(r"\bPy(?:Result|Err)\b")
_LIFETIME = re.compile(r"'\w+\s*,?\s*")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: its name as written, with any ``r#``.
        type: its type as written, on one line.
        kind: ``slice`` for ``&[T]``, ``view`` for a view of ndarray, ``texts`` for ``&[&str]``, ``strings`` for
            ``&[String]``, ``python`` for PyO3's ``Python`` token, ``plain`` for everything that PyO3 converts.
        item: the type of a slice's or view's elements; rows are ``[f64; 3]``.
        complex: the float in a complex type of elements, else empty.
        is_exclusive: whether the function writes to the elements.
        is_optional: whether it is an ``Option``.
        dimensions: number of a view's dimensions; None for any number.
    """

    name: str
    type: str
    kind: ParameterKind = "plain"
    item: str = ""
    complex: str = ""
    is_exclusive: bool = False
    is_optional: bool = False
    dimensions: int | None = None

    @property
    def is_array(self) -> bool:
        """Whether the argument is an array: a slice or a view."""
        return self.kind not in {"plain", "python"}

    @property
    def has_memory(self) -> bool:
        """Whether the function may use the memory of Python's object."""
        return self.kind in {"slice", "view"}


@dataclass(frozen=True, slots=True)
class Result:
    """A result of a function, or a part of one.

    Attributes:
        kind: ``vector`` for ``Vec<T>`` and ``array`` for ``[T; N]``, each of numbers or rows of numbers, ``slice`` for
            ``&[T]``; ``ndarray`` for an array of that crate; ``nothing`` for ``()``.
        type: its type as written, on one line.
        item: the type of the elements.
        complex: the float in a complex type of elements, else empty.
        parts: the result's parts: of a tuple all, of others the one inside.
    """

    kind: ResultKind
    type: str = ""
    item: str = ""
    complex: str = ""
    parts: tuple[Result, ...] = ()

    @property
    def is_special(self) -> bool:
        """Whether PyO3 alone does not convert it, or not to an array."""
        return bool(set(self.kinds()) - {"plain", "nothing", "tuple", "option", "result"})

    def kinds(self) -> Iterator[str]:
        """Yield its kind and its parts' kinds."""
        yield self.kind
        for part in self.parts:
            yield from part.kinds()


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a function that needs a wrapper.

    Attributes:
        parameters: the parameters in order.
        result: the result.
        generics: the lifetime parameters as written, with ``<>``; else empty.
        attributes: the texts of the function's ``#[pyo3(...)]`` attributes, which belong to the wrapper.
        docs: the texts of its doc comments and ``#[doc]`` attributes.
        ndarray: the path of the crate ndarray.
    """

    parameters: tuple[Parameter, ...]
    result: Result
    generics: str = ""
    attributes: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    ndarray: str = "::ndarray"

    @property
    def takes_arrays(self) -> bool:
        """Whether an argument is an array."""
        return any(parameter.is_array for parameter in self.parameters)

    @property
    def uses_python(self) -> bool:
        """Whether a type in the signature is PyO3's, so that the function needs the interpreter lock."""
        texts = (*(parameter.type for parameter in self.parameters), self.result.type)
        return any(_PYTHON.search(text) for text in texts)


def signature_of(item: Item, text: bytes) -> Signature | None:
    """Return the signature of a plain function; None if ``#[pyfunction]`` on the function itself is enough.

    Args:
        item: the function.
        text: the source.
    """
    function = item.node
    listed = function.child_by_field_name("parameters")
    has_bounds = any(child.type == "where_clause" for child in function.children)
    if listed is None or "async" in modifiers_of(function) or has_bounds:
        return None
    found = [_parameter(node) for node in listed.named_children if node.type not in {*COMMENTS, "attribute_item"}]
    parameters = tuple(parameter for parameter in found if parameter is not None)
    if len(parameters) < len(found):
        return None
    takes_arrays = any(parameter.is_array for parameter in parameters)
    returned = function.child_by_field_name("return_type")
    result = _result(returned, in_arrays=takes_arrays) if returned else Result("nothing", "()")
    if not takes_arrays and not result.is_special and not _has_own_error(result):
        return None
    generics = function.child_by_field_name("type_parameters")
    return Signature(
        parameters,
        result,
        on_one_line(generics) if generics else "",
        tuple(on_one_line(found.node) for found in item.attributes if found.name == "pyo3"),
        tuple(_docs(item)),
        "::numpy::ndarray" if b"numpy::ndarray" in text else "::ndarray",
    )


def error_of(function: Node) -> Node | None:
    """Return the type of the error that a function returns, as written in its ``Result<T, E>``; None if it has none."""
    returned = function.child_by_field_name("return_type")
    arguments = _arguments(returned) if returned is not None and _last(returned) == "Result" else []
    return arguments[1] if len(arguments) > 1 else None


def _has_own_error(result: Result) -> bool:
    """Return whether the error of a result may be another one than PyO3's."""
    return result.kind == "result" and not _PYTHON_ERROR.search(result.type)


def _docs(item: Item) -> Iterator[str]:
    """Yield the text of each outer doc comment and ``#[doc = "..."]`` of an item."""
    if item.index is None:
        return
    for node in item.siblings[item.index :]:
        if node.start_byte >= item.node.start_byte:
            return
        if node.type in COMMENTS and (text := node.child_by_field_name("doc")) is not None:
            yield text_of(text).rstrip("\r\n")
        for attribute in attributes_of(node) if node.type == "attribute_item" else ():
            value = attribute.node.named_children[0].child_by_field_name("value")
            if attribute.name == "doc" and value is not None and value.type.endswith("string_literal"):
                yield string_value(value)


def _parameter(node: Node) -> Parameter | None:
    """Return a parameter; None if its pattern is no name, which PyO3 refuses."""
    pattern, kind = node.child_by_field_name("pattern"), node.child_by_field_name("type")
    if pattern is None or kind is None:
        return None
    if pattern.type == "mut_pattern":
        pattern = next((child for child in pattern.named_children if child.type == "identifier"), pattern)
    if pattern.type != "identifier":
        return None
    return _typed(text_of(pattern), kind)


def _typed(name: str, kind: Node) -> Parameter:
    written = on_one_line(kind)
    if _last(kind) == "Python":
        return Parameter(name, written, "python")
    inner, is_optional = kind, False
    arguments = _arguments(kind)
    if _last(kind) == "Option" and len(arguments) == 1:
        inner, is_optional = arguments[0], True
    if inner.type == "reference_type":
        target = inner.child_by_field_name("type")
        is_exclusive = any(child.type == "mutable_specifier" for child in inner.children)
        element = _element_of_slice(target)
        if element is not None:
            item = on_one_line(element)
            if number := _number(element, rows=True):
                return Parameter(name, written, "slice", item, number[1], is_exclusive, is_optional)
            if not is_exclusive and item == "String":
                return Parameter(name, written, "strings", item, is_optional=is_optional)
            if not is_exclusive and _LIFETIME.sub("", item).replace(" ", "") == "&str":
                return Parameter(name, written, "texts", item, is_optional=is_optional)
    elif (match := _VIEW.fullmatch(_last(inner))) and (arguments := _arguments(inner)):
        number = _number(arguments[0])
        dimensions = _view_dimensions(match["dimensions"], arguments)
        if number and dimensions is not None:
            item, is_exclusive = on_one_line(arguments[0]), match["mut"] is not None
            count = dimensions if dimensions >= 0 else None
            return Parameter(name, written, "view", item, number[1], is_exclusive, is_optional, count)
    return Parameter(name, written)


def _view_dimensions(suffix: str | None, arguments: list[Node]) -> int | None:
    """Return the number of a view's dimensions, -1 for any number; None if the type does not say it."""
    if suffix is None and len(arguments) > 1 and (match := _DIMENSIONS.fullmatch(_last(arguments[1]))):
        suffix = "D" if match[1] == "Dyn" else match[1]
    if suffix is None:
        return None
    return -1 if suffix == "D" else int(suffix)


def _result(node: Node, *, in_arrays: bool) -> Result:
    """Return a result; vectors of numbers are arrays in functions that take arrays."""
    written, name, arguments = on_one_line(node), _last(node), _arguments(node)

    def inside(*nodes: Node) -> tuple[Result, ...]:
        return tuple(_result(part, in_arrays=in_arrays) for part in nodes)

    if name in {"Result", "PyResult"}:
        return Result("result", written, parts=inside(arguments[0]) if arguments else (Result("nothing", "()"),))
    if name == "Option" and len(arguments) == 1:
        return _if_special(Result("option", written, parts=inside(arguments[0])))
    if node.type == "tuple_type":
        return _if_special(Result("tuple", written, parts=inside(*node.named_children)))
    if written.startswith("impl ") and (item := _iterated(node)) is not None:
        return Result("iterator", written, parts=inside(item))
    found = _array_result(node) if in_arrays or _OWNED.fullmatch(name) else None
    return found or Result("nothing" if node.type == "unit_type" else "plain", written)


def _array_result(node: Node) -> Result | None:
    """Return a result that becomes an array; None for everything else."""
    name, arguments = _last(node), _arguments(node)
    kind: ResultKind
    element: Node | None
    if name == "Vec" and len(arguments) == 1:
        kind, element = "vector", arguments[0]
        if text_of(element) == "u8":  # PyO3 makes `bytes` of it
            return None
    elif _OWNED.fullmatch(name) and arguments:
        kind, element = "ndarray", arguments[0]
    elif node.type == "array_type" and node.child_by_field_name("length"):
        kind, element = "array", node.child_by_field_name("element")
    elif node.type == "reference_type":
        kind, element = "slice", _element_of_slice(node.child_by_field_name("type"))
    else:
        return None
    number = _number(element, rows=kind != "ndarray") if element is not None else None
    return Result(kind, on_one_line(node), number[0], number[1]) if number else None


def _if_special(result: Result) -> Result:
    """Return a result, as a plain one if PyO3 converts all of its parts."""
    return result if result.is_special else Result("plain", result.type)


def _iterated(node: Node) -> Node | None:
    """Return the type of the items of an ``impl Iterator<Item = T>``; None for other traits."""
    for part in walk(node):
        if part.type == "generic_type" and _last(part) in {"Iterator", "DoubleEndedIterator", "ExactSizeIterator"}:
            arguments = part.child_by_field_name("type_arguments")
            for binding in arguments.named_children if arguments else ():
                if binding.type == "type_binding" and text_of(binding.child_by_field_name("name")) == "Item":
                    return binding.child_by_field_name("type")
    return None


def _element_of_slice(node: Node | None) -> Node | None:
    if node is None or node.type != "array_type" or node.child_by_field_name("length"):
        return None
    return node.child_by_field_name("element")


def _number(node: Node, *, rows: bool = False) -> tuple[str, str] | None:
    """Return a type of numbers as written, and the float in a complex one; None if it is no such type.

    Args:
        node: the type.
        rows: whether an array of numbers, ``[f64; 3]``, is one.
    """
    text = on_one_line(node)
    if text in NUMBERS:
        return text, ""
    if match := _COMPLEX.fullmatch(text.replace(" ", "")):
        return text, match["part"] or {"32": "f32", "64": "f64"}[match["bits"]]
    if rows and node.type == "array_type" and node.child_by_field_name("length"):
        element = node.child_by_field_name("element")
        return (text, "") if element is not None and text_of(element) in NUMBERS else None
    return None


def _last(node: Node) -> str:
    """Return the last name of a type's path, without its arguments."""
    path = node.child_by_field_name("type") if node.type == "generic_type" else node
    if path is None:
        return ""
    if path.type == "scoped_type_identifier":
        path = path.child_by_field_name("name")
    return plain(text_of(path)) if path is not None and path.type == "type_identifier" else ""


def _arguments(node: Node) -> list[Node]:
    """Return the types among a type's arguments."""
    arguments = node.child_by_field_name("type_arguments") if node.type == "generic_type" else None
    skipped = {"lifetime", "type_binding", *COMMENTS}
    return [child for child in arguments.named_children if child.type not in skipped] if arguments else []
