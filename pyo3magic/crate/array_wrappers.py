"""Write the functions through which Python calls plain functions on arrays, errors and iterators.

A wrapper takes Python's objects, calls the person's function with slices or views of their memory, and converts the
result. What it calls is the Rust module ``arrays`` of the support crate, which an exported project has as a file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import plain, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyo3magic.cell.syntax import Parameter, Result, Signature

__all__ = ["ARRAYS", "FIRST_PYO3", "wrapper_lines"]

ARRAYS = "::pyo3magic_support::arrays"
"""The path of the Rust module that wrappers call, in a notebook."""
FIRST_PYO3 = (0, 23)
"""The first PyO3 with the traits that wrappers use."""

_ANY = "::pyo3::Bound<'_, ::pyo3::PyAny>"
_OBJECT = "::pyo3::Py<::pyo3::PyAny>"
_BORROWED = re.compile(r"[&']|\bimpl\b|\b_\b")


def wrapper_lines(
    signature: Signature, *, name: str, function: str, arrays: str = ARRAYS, keep_gil: bool = False
) -> Iterator[str]:
    """Yield the lines of a wrapper, from its ``fn`` to its closing brace.

    Args:
        signature: the function's signature.
        name: the wrapper's name in Rust.
        function: the path of the person's function.
        arrays: the path of the Rust module ``arrays``.
        keep_gil: whether the function runs with the interpreter lock held.
    """
    writer = _Writer(signature, arrays)
    listed = ", ".join([f"{writer.py}: ::pyo3::Python<'_>", *filter(None, map(_declared, signature.parameters))])
    yield f"fn {name}{signature.generics}({listed}) -> ::pyo3::PyResult<{writer.returned()}> {{"
    yield from (f"    {line}" for line in writer.body(function, keep_gil=keep_gil))
    yield "}"


def _declared(parameter: Parameter) -> str:
    """Return a parameter as the wrapper declares it; empty for PyO3's token, which every wrapper has."""
    if parameter.kind == "python":
        return ""
    if parameter.kind == "plain":
        return f"{parameter.name}: {parameter.type}"
    return f"{parameter.name}: {f'::core::option::Option<&{_ANY}>' if parameter.is_optional else f'&{_ANY}'}"


class _Writer:
    """Writes the body of one wrapper."""

    def __init__(self, signature: Signature, arrays: str) -> None:
        self.signature = signature
        self.arrays = arrays
        names = {parameter.name for parameter in signature.parameters}
        self.suffix = "_buffer"
        while any(f"{name}{self.suffix}" in names for name in names):
            self.suffix += "_"
        taken = {parameter.name for parameter in signature.parameters if parameter.kind != "python"}
        self.py = next(name for name in ("py", "python", "gil_token", "python_token") if name not in taken)

    def returned(self) -> str:
        """The type that the wrapper returns on success."""
        result = self.inner()
        converts = result.is_special or _BORROWED.search(result.type)
        return _OBJECT if converts else result.type

    def inner(self) -> Result:
        """The result without the ``Result`` around it."""
        result = self.signature.result
        return result.parts[0] if result.kind == "result" else result

    def body(self, function: str, *, keep_gil: bool) -> Iterator[str]:
        signature, arrays = self.signature, self.arrays
        if "result" in signature.result.kinds():
            yield f"use {arrays}::{{ViaDisplay as _, ViaError as _, ViaPyErr as _, ViaTrait as _}};"
        for parameter in signature.parameters:
            yield from self.taken(parameter)
        spans = [self.span(parameter) for parameter in signature.parameters if parameter.has_memory]
        if spans:
            yield f"let _claims = {arrays}::claim({self.py}, [{', '.join(spans)}])?;"
        for parameter in signature.parameters:
            yield from self.given(parameter)
        call = f"{function}({', '.join(map(self.passed, signature.parameters))})"
        if signature.result.kind == "result":
            call = self.caught(call)
        if signature.takes_arrays and not signature.uses_python and not keep_gil:
            call = f"{arrays}::released({self.py}, || {call})"
        result = self.inner()
        if signature.result.kind == "result":
            call += "?"
        if result.is_special:
            yield f"let result = {call};"
            yield f"{self.converted(result, 'result')}"
        elif _BORROWED.search(result.type):
            yield f"{arrays}::object({self.py}, {call})"
        else:
            yield f"::core::result::Result::Ok({call})"

    def buffer(self, parameter: Parameter) -> str:
        return f"{plain(parameter.name)}{self.suffix}"

    def taken(self, parameter: Parameter) -> Iterator[str]:
        """The lines that take an argument."""
        name, text = parameter.name, quote(plain(parameter.name))
        if parameter.kind == "slice":
            item = f"{self.arrays}::Pair<{parameter.complex}>" if parameter.complex else parameter.item
            call = f"{self.arrays}::Slice{'Mut' if parameter.is_exclusive else ''}::<{item}>::new({text}, {name})"
        elif parameter.kind == "view":
            item = f"{self.arrays}::Pair<{parameter.complex}>" if parameter.complex else parameter.item
            count = "None" if parameter.dimensions is None else f"Some({parameter.dimensions})"
            kind = "ViewMut" if parameter.is_exclusive else "View"
            call = f"{self.arrays}::{kind}::<{item}>::new({text}, {name}, ::core::option::Option::{count})"
        elif parameter.is_array:
            call = f"{self.arrays}::Strings::new({text}, {name})"
        else:
            return
        if parameter.is_optional:
            call = f"{name}.map(|{name}| {call}).transpose()"
        yield f"let {'mut ' if parameter.is_exclusive else ''}{self.buffer(parameter)} = {call}?;"

    def span(self, parameter: Parameter) -> str:
        buffer = self.buffer(parameter)
        if parameter.is_optional:
            return f"{buffer}.as_ref().map_or({self.arrays}::Span::none(), |buffer| buffer.span())"
        return f"{buffer}.span()"

    def given(self, parameter: Parameter) -> Iterator[str]:
        """The lines that make what the function gets of an argument."""
        if not parameter.is_array:
            return
        name, buffer = parameter.name, self.buffer(parameter)
        borrow = "as_mut" if parameter.is_exclusive else "as_ref"
        if not parameter.is_optional:
            yield f"let {name} = {self.value(parameter, buffer)};"
        elif parameter.kind == "slice":
            yield f"let {name} = {buffer}.{borrow}().map(|buffer| {self.value(parameter, 'buffer')});"
        else:
            some, none = "::core::option::Option::Some", "::core::option::Option::None"
            value = self.value(parameter, "buffer")
            yield f"let {name} = match {buffer}.{borrow}() {{ {some}(buffer) => {some}({value}), {none} => {none} }};"

    def value(self, parameter: Parameter, buffer: str) -> str:
        if parameter.kind == "strings":
            return f"{buffer}.owned()?"
        if parameter.kind == "texts":
            return f"{buffer}.borrowed()?"
        elements = f"{buffer}.get()"
        mut = parameter.is_exclusive
        if parameter.complex:
            function = f"complex_slice{'_mut' if mut else ''}"
            elements = f"{self.arrays}::{function}({elements}, <{parameter.item}>::new)"
        if parameter.kind == "slice":
            return elements
        crate, error = self.signature.ndarray, f"|error| {self.arrays}::argument_error({quote(parameter.name)}, error)"
        view = f"{crate}::ArrayView{'Mut' if mut else ''}"
        strides = f"{crate}::ShapeBuilder::strides({crate}::IxDyn(&shape), {crate}::IxDyn(&strides))"
        return (
            f"{{ let (shape, strides, reversed) = {buffer}.form(); "
            f"let mut view = {view}::from_shape({strides}, {elements}).map_err({error})?; "
            f"for axis in reversed {{ view.invert_axis({crate}::Axis(axis)); }} "
            f"view.into_dimensionality().map_err({error})? }}"
        )

    def passed(self, parameter: Parameter) -> str:
        if parameter.kind == "python":
            return self.py
        if parameter.kind in {"strings", "texts"}:
            return f"{parameter.name}.as_deref()" if parameter.is_optional else f"&{parameter.name}"
        return parameter.name

    def caught(self, result: str) -> str:
        """The text of a result whose error is an exception."""
        return f"{result}.map_err(|error| {{ {self.raised('error')} }})"

    def raised(self, error: str) -> str:
        return f"let exception = (&&&&{self.arrays}::Caught(&{error})).exception(); exception({error})"

    def converted(self, result: Result, value: str) -> str:
        """The text of a `PyResult` with a Python object of a result."""
        if result.kind in {"tuple", "option", "plain", "nothing"}:
            return f"{self.arrays}::object({self.py}, {self.part(result, value)})"
        return self.special(result, value)

    def part(self, result: Result, value: str) -> str:
        """The text of a value that PyO3 converts; it may return early with an error."""
        if not result.is_special:
            return value
        if result.kind == "tuple":
            names = [f"part_{number}" for number in range(len(result.parts))]
            listed = "".join(f"{name}, " for name in names)
            parts = "".join(f"{self.part(part, name)}, " for part, name in zip(result.parts, names, strict=True))
            return f"{{ let ({listed}) = {value}; ({parts}) }}"
        if result.kind == "option":
            some, none = "::core::option::Option::Some", "::core::option::Option::None"
            inner = self.part(result.parts[0], "value")
            return f"match {value} {{ {some}(value) => {some}({inner}), {none} => {none} }}"
        return f"{self.special(result, value)}?"

    def special(self, result: Result, value: str) -> str:
        arrays, new = self.arrays, f"<{result.item}>::new"
        if result.kind == "iterator":
            item = result.parts[0]
            inner = item.parts[0] if item.kind == "result" else item
            checked = f"{self.caught('item')}?" if item.kind == "result" else "item"
            converted = self.converted(inner, "item")
            return f"{arrays}::iterator({self.py}, {value}, |{self.py}, item| {{ let item = {checked}; {converted} }})"
        if result.kind == "ndarray":
            numbers = "array.into_raw_vec_and_offset()"
            if result.complex:
                numbers = f"{{ let (numbers, start) = {numbers}; ({arrays}::complex_vec(numbers, {new}), start) }}"
            return (
                f"{{ let array = {value}; let (shape, strides) = (array.shape().to_vec(), array.strides().to_vec()); "
                f"{arrays}::array_of({self.py}, {numbers}, &shape, &strides) }}"
            )
        if result.kind == "slice":
            value = f"{value}.to_vec()"
        elif result.kind == "array":
            value = f"::std::vec::Vec::from({value})"
        if result.complex:
            value = f"{arrays}::complex_vec({value}, {new})"
        return f"{arrays}::array({self.py}, {value})"
