"""Write the Rust that makes NumPy ufuncs of a cell's functions, with the module ``ufunc`` of the support crate.

A loop is an expression: ``elementwise(logistic)``, ``elementwise(mean::<f32>)``. Where types or errors have to be
converted, a closure surrounds the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import quote

if TYPE_CHECKING:
    from pyo3magic.cell.syntax import CoreArgument, Export, Number, UfuncLoop

__all__ = ["loop_expression", "raises", "ufunc_fields"]


def ufunc_fields(export: Export, module: str, *, parallel: bool, path: str) -> list[tuple[str, str]]:
    """Return the name and the Rust expression of each field of the struct ``Ufunc``.

    Args:
        export: an export of the kind ``ufunc``.
        module: the dotted name of the Python module where pickle finds the ufunc.
        parallel: whether long loops use all cores.
        path: the path of the Rust module ``ufunc``.
    """
    assert export.ufunc is not None  # noqa: S101 - the kind says so
    fields = [("name", quote(export.name)), ("module", quote(module)), ("doc", quote(export.ufunc.docs))]
    if export.ufunc.signature:
        fields.append(("signature", quote(export.ufunc.signature)))
    if parallel:
        fields.append(("parallel", "true"))
    loops = [loop_expression(export.rust_name, loop, path) for loop in export.ufunc.loops]
    return [*fields, ("loops", f"vec![{', '.join(loops)}]")]


def loop_expression(function: str, loop: UfuncLoop, path: str) -> str:
    """Return the expression that makes one loop.

    Args:
        function: the function's name in Rust.
        loop: the loop.
        path: the path of the Rust module ``ufunc``.
    """
    called = f"{function}::<{loop.generic}>" if loop.generic else function
    if loop.arguments:
        types = ", ".join(
            f"<{_type(number, path)} as {path}::Element>::TYPE" for number in (*loop.inputs, *loop.outputs)
        )
        values = ", ".join(_taken(argument, path) for argument in loop.arguments)
        outcome = _converted(f"{called}({values})", loop, path)
        return f"{path}::generalized(&[{types}], {len(loop.inputs)}, |core| core.give({outcome}))"
    if not loop.is_result and not any(number.written for number in (*loop.inputs, *loop.outputs)):
        return f"{path}::elementwise({called})"
    names = [f"x{index}" for index in range(1, len(loop.inputs) + 1)]
    parameters = ", ".join(f"{name}: {_type(number, path)}" for name, number in zip(names, loop.inputs, strict=True))
    values = ", ".join(_given(name, number) for name, number in zip(names, loop.inputs, strict=True))
    return f"{path}::elementwise(|{parameters}| {_converted(f'{called}({values})', loop, path)})"


def raises(export: Export) -> bool:
    """Return whether an export's loops need the traits in ``ufunc::exceptions``."""
    return export.ufunc is not None and any(loop.is_result for loop in export.ufunc.loops)


def _type(number: Number, path: str) -> str:
    return f"{path}::{number.name}" if number.written else number.name


def _given(name: str, number: Number) -> str:
    """Return the argument that the function takes, for one that the loop has."""
    return f"<{number.written}>::new({name}.re, {name}.im)" if number.written else name


def _taken(argument: CoreArgument, path: str) -> str:
    """Return the argument of a function of slices, taken out of ``core``."""
    kind, place = _type(argument.number, path), argument.place
    if argument.form == "number":
        if argument.number.written:
            return f"{{ let x = core.number::<{kind}>({place}); {_given('x', argument.number)} }}"
        return f"core.number::<{kind}>({place})"
    values = f"core.slice{'_mut' if argument.is_output else ''}::<{kind}>({place})"
    if argument.form == "slice":
        return values
    shape = f"core.shape::<{argument.axes}>({place})"
    return f'<{argument.view}>::from_shape({shape}, {values}).expect("the elements are next to each other")'


def _converted(call: str, loop: UfuncLoop, path: str) -> str:
    """Return what the loop returns, for what the function returns: exceptions, and this crate's complex numbers."""
    if loop.is_result:
        call += f".map_err(|error| (&&{path}::Raised(&error)).exception()(error))"
    if not any(number.written for number in loop.returns):
        return call
    names = [f"y{index}" for index in range(1, len(loop.returns) + 1)]
    parts = [
        f"{path}::Complex {{ re: {name}.re, im: {name}.im }}" if number.written else name
        for name, number in zip(names, loop.returns, strict=True)
    ]
    pattern, value = (f"({', '.join(names)})", f"({', '.join(parts)})") if loop.is_tuple else (names[0], parts[0])
    if loop.is_result:
        return f"{call}.map(|{pattern}| {value})"
    return f"{{ let {pattern} = {call}; {value} }}"
