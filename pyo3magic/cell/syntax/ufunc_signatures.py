"""Find the loops of the NumPy ufuncs that a cell's functions become, or the reasons why they cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from inspect import cleandoc
from typing import TYPE_CHECKING

from .core_signature import parse_signature
from .crate_attributes import doc_text
from .items import modifiers_of
from .literals import on_one_line
from .number_types import FLOATS, INTEGERS, Scope, last_segment, number_of, type_arguments, without_aliases
from .tree import COMMENTS, text_of
from .ufunc_types import CoreArgument, Number, Ufunc, UfuncLoop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tree_sitter import Node

    from .core_signature import CoreSignature
    from .items import Item

__all__ = ["UnfitError", "read_ufunc"]

_MOST = 10
"""The most inputs, and the most outputs, that the Rust side has code for (``ufunc/element.rs``)."""
_GENERIC = {"Float": FLOATS, "FloatCore": FLOATS, "Real": FLOATS, "PrimInt": INTEGERS}
"""Types of the loops by a bound of the generic parameter; all are traits of the crate num-traits."""
_VIEW = re.compile(r"ArrayView(Mut)?([1-6])")
_TAKEN = "a ufunc takes numbers: f32, f64, integers of 8 to 64 bits, bool and num_complex::Complex"


class UnfitError(Exception):
    """A function cannot be a ufunc; the text says why, after "it" or "its"."""


def read_ufunc(item: Item, signature: str, aliases: Mapping[str, Node], defined: frozenset[str]) -> Ufunc:
    """Read a top-level function as a ufunc.

    Args:
        item: the function.
        signature: the signature of a generalized ufunc, or an empty text.
        aliases: the cell's type aliases (`type_aliases`).
        defined: the names of the types that the cell defines.

    Raises:
        UnfitError: the function cannot be a ufunc.
        CellError: the signature is invalid.
    """
    function = item.node
    kinds = modifiers_of(function)
    for word, why in {
        "async": "it is `async`, and a loop cannot wait",
        "unsafe": "it is `unsafe`, and Python cannot uphold its safety requirements",
        "extern_modifier": "it is `extern`, for callers in C rather than NumPy",
    }.items():
        if word in kinds:
            raise UnfitError(why)
    core = parse_signature(signature) if signature else None
    loops = []
    for generics in _generics(function):
        scope = Scope(aliases, defined, generics)
        loop = _elementwise(function, scope) if core is None else _generalized(function, core, scope)
        loops.append(replace(loop, generic="".join(generics.values())))
    return Ufunc(tuple(loops), core.text if core else "", _docs(item), has_inline=item.has("inline"))


def _generics(function: Node) -> tuple[dict[str, str], ...]:
    """Return, for each loop, the type that replaces the generic parameter; without a parameter, one empty mapping."""
    parameters = function.child_by_field_name("type_parameters")
    bounds: dict[str, list[str]] = {}
    for child in parameters.named_children if parameters else ():
        if child.type in {"lifetime_parameter", *COMMENTS}:
            continue
        if child.type == "const_parameter":
            raise UnfitError("it has a `const` parameter, and a loop needs its value")
        declared = child.child_by_field_name("name") or child.child_by_field_name("left") or child
        bounds[text_of(declared)] = list(_names(child.child_by_field_name("bounds")))
    where = next((child for child in function.children if child.type == "where_clause"), None)
    for predicate in where.named_children if where else ():
        left = text_of(predicate.child_by_field_name("left"))
        if left in bounds:
            bounds[left] += _names(predicate.child_by_field_name("bounds"))
    if not bounds:
        return ({},)
    if len(bounds) > 1:
        raise UnfitError("it has several generic parameters; a ufunc's loops can differ in one")
    (name, traits), *_ = bounds.items()
    types = next((_GENERIC[trait] for trait in traits if trait in _GENERIC), None)
    if types is None:
        raise UnfitError(
            f"its generic parameter `{name}` has no bound that says which numbers it can be, as T: num_traits::Float"
        )
    return tuple({name: kind} for kind in types)


def _names(bounds: Node | None) -> Iterator[str]:
    """Yield the last segment of each trait's path."""
    for bound in bounds.named_children if bounds else ():
        yield text_of(bound).partition("<")[0].rpartition("::")[2].strip()


def _parameters(function: Node) -> list[tuple[str, Node]]:
    """Return the pattern and the type of each parameter."""
    node = function.child_by_field_name("parameters")
    found = []
    for child in node.named_children if node else ():
        kind = child.child_by_field_name("type")
        if child.type == "parameter" and kind is not None:
            found.append((text_of(child.child_by_field_name("pattern")), kind))
    if not found:
        raise UnfitError("it has no arguments, and a ufunc has at least one")
    if len(found) > _MOST:
        raise UnfitError(f"it has {len(found)} arguments; a ufunc here has at most {_MOST}")
    return found


def _elementwise(function: Node, scope: Scope) -> UfuncLoop:
    inputs = []
    for name, kind in _parameters(function):
        number = number_of(kind, scope)
        if number is None:
            inner = kind.child_by_field_name("type") if kind.type == "reference_type" else None
            if inner is not None and inner.type == "array_type":
                raise UnfitError(
                    f"its argument `{name}` has the type `{on_one_line(kind)}`; for functions of slices write a "
                    "signature, as --ufunc '(n)->()'"
                )
            raise UnfitError(f"its argument `{name}` has the type `{on_one_line(kind)}`; {_TAKEN}")
        inputs.append(number)
    returns, is_tuple, is_result = _returned(function, scope)
    if not returns:
        raise UnfitError("it returns nothing, and a ufunc has at least one output")
    return UfuncLoop(tuple(inputs), returns, returns, is_tuple, is_result)


def _returned(function: Node, scope: Scope) -> tuple[tuple[Number, ...], bool, bool]:
    """Return the numbers that a function returns, whether they are in a tuple, and whether that is in a ``Result``."""
    written = function.child_by_field_name("return_type")
    node = without_aliases(written, scope)
    is_result = False
    if node is not None and node.type == "generic_type" and last_segment(node) in {"Result", "PyResult"}:
        is_result, arguments = True, type_arguments(node)
        node = without_aliases(arguments[0], scope) if arguments else None
    if node is None or node.type == "unit_type":
        return (), False, is_result
    is_tuple = node.type == "tuple_type"
    parts = [child for child in node.named_children if child.type not in COMMENTS] if is_tuple else [node]
    numbers = []
    for part in parts:
        number = number_of(part, scope)
        if number is None:
            text = on_one_line(written) if written else ""
            more = (
                "; return f64::NAN or a Result"
                if text.startswith("Option")
                else f"; {_TAKEN.replace('takes', 'returns')}"
            )
            raise UnfitError(f"it returns `{text}`{more}")
        numbers.append(number)
    if len(numbers) > _MOST:
        raise UnfitError(f"it returns {len(numbers)} values; a ufunc here has at most {_MOST} outputs")
    return tuple(numbers), is_tuple, is_result


def _generalized(function: Node, core: CoreSignature, scope: Scope) -> UfuncLoop:
    inputs = list(enumerate(core.inputs))
    outputs = [(len(core.inputs) + index, axes) for index, axes in enumerate(core.outputs) if axes]
    numbers: dict[int, Number] = {}
    arguments = []
    for name, kind in _parameters(function):
        found = _core_argument(name, kind, scope)
        waiting = outputs if found.is_output else inputs
        if not waiting:
            what = "outputs with core dimensions" if found.is_output else "inputs"
            raise UnfitError(f"its argument `{name}` is one more than the {what} of {core.text}")
        place, axes = waiting.pop(0)
        _check_axes(name, found, axes, core)
        numbers[place] = found.number
        arguments.append(replace(found, place=place, axes=len(axes)))
    if inputs:
        raise UnfitError(f"it has fewer arguments than {core.text} has inputs")
    if outputs:
        raise UnfitError(
            f"an output of {core.text} with core dimensions needs an argument `&mut [T]` that the function writes to"
        )
    returns, is_tuple, is_result = _returned(function, scope)
    free = [len(core.inputs) + index for index, axes in enumerate(core.outputs) if not axes]
    if len(returns) != len(free):
        raise UnfitError(f"it returns {len(returns)} numbers, and {core.text} has {len(free)} outputs that are numbers")
    numbers |= dict(zip(free, returns, strict=True))
    ordered = tuple(numbers[place] for place in sorted(numbers))
    at = len(core.inputs)
    return UfuncLoop(ordered[:at], ordered[at:], returns, is_tuple, is_result, arguments=tuple(arguments))


def _core_argument(name: str, kind: Node, scope: Scope) -> CoreArgument:
    if number := number_of(kind, scope):
        return CoreArgument(number, "number", 0)
    inner = kind.child_by_field_name("type") if kind.type == "reference_type" else None
    is_output = any(child.type == "mutable_specifier" for child in kind.children)
    if inner is not None and inner.type == "array_type" and inner.child_by_field_name("length") is None:
        number = number_of(inner.child_by_field_name("element"), scope)
        if number is not None and not number.written:
            return CoreArgument(number, "slice", 0, is_output=is_output)
    view = _VIEW.fullmatch(last_segment(kind)) if kind.type == "generic_type" else None
    if view:
        elements = [argument for argument in type_arguments(kind) if argument.type != "lifetime"]
        number = number_of(elements[0], scope) if elements else None
        if number is not None and not number.written:
            path = f"{text_of(kind.child_by_field_name('type'))}<{number.name}>"
            return CoreArgument(number, "view", 0, int(view[2]), is_output=bool(view[1]), view=path)
    raise UnfitError(
        f"its argument `{name}` has the type `{on_one_line(kind)}`; a generalized ufunc takes numbers, slices of real "
        "numbers (&[f64], for outputs &mut [f64]) and ndarray's ArrayView1 to ArrayView6"
    )


def _check_axes(name: str, argument: CoreArgument, axes: tuple[str, ...], core: CoreSignature) -> None:
    if argument.form == "number" and axes:
        raise UnfitError(f"its argument `{name}` is a number, and ({','.join(axes)}) in {core.text} is a slice")
    if argument.form != "number" and not axes:
        raise UnfitError(f"its argument `{name}` is a slice, and () in {core.text} is a number")
    if argument.form == "view" and argument.axes != len(axes):
        raise UnfitError(
            f"its argument `{name}` has {argument.axes} axes, and ({','.join(axes)}) in {core.text} has {len(axes)}"
        )


def _docs(item: Item) -> str:
    """Return a function's documentation; without documentation, its declaration on one line."""
    lines = []
    node: Node | None = item.start
    while node is not None and node.start_byte < item.node.start_byte:
        if node.type in COMMENTS and node.child_by_field_name("outer"):
            lines.append(doc_text(node))
        elif node.type == "attribute_item":
            values = [
                found.child_by_field_name("value") for found in node.named_children if text_of(found).startswith("doc")
            ]
            lines += [text_of(value).strip('"') for value in values if value and value.type == "string_literal"]
        node = node.next_sibling
    if lines:
        return cleandoc("\n".join(lines))
    body = item.node.child_by_field_name("body")
    end = body.start_byte - item.node.start_byte if body else None
    declaration = (item.node.text or b"")[:end].decode()
    return " ".join(declaration.split())
