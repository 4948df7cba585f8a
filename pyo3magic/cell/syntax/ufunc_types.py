"""A cell's functions as NumPy ufuncs: their loops, and the types of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CoreArgument", "Number", "Ufunc", "UfuncLoop"]


@dataclass(frozen=True, slots=True)
class Number:
    """The type of an array's elements.

    Attributes:
        name: ``bool``, an integer or floating-point type of Rust, or ``Complex<f32>`` and ``Complex<f64>``.
        written: a complex type as the cell writes it, ``num_complex::Complex<f64>``; empty for other types.
    """

    name: str
    written: str = ""


@dataclass(frozen=True, slots=True)
class CoreArgument:
    """An argument of a function that becomes a generalized ufunc.

    Attributes:
        number: the type of its elements.
        form: a number, a slice, or a view of the crate ndarray.
        place: its place among the inputs and outputs of the signature.
        axes: the number of its core dimensions.
        is_output: whether the function writes to it.
        view: the view's type without lifetimes, ``ndarray::ArrayView2<f64>``; empty for other forms.
    """

    number: Number
    form: Literal["number", "slice", "view"]
    place: int
    axes: int = 0
    is_output: bool = False
    view: str = ""


@dataclass(frozen=True, slots=True)
class UfuncLoop:
    """One loop of a ufunc, for one set of types.

    Attributes:
        inputs: the types of the inputs.
        outputs: the types of the outputs.
        returns: the types of the numbers that the function returns; all outputs if it is elementwise.
        is_tuple: whether it returns them as a tuple.
        is_result: whether it returns a ``Result``.
        generic: the type that replaces the function's generic parameter; empty if it has none.
        arguments: the function's arguments, for a generalized ufunc.
    """

    inputs: tuple[Number, ...]
    outputs: tuple[Number, ...]
    returns: tuple[Number, ...]
    is_tuple: bool = False
    is_result: bool = False
    generic: str = ""
    arguments: tuple[CoreArgument, ...] = ()


@dataclass(frozen=True, slots=True)
class Ufunc:
    """A function that becomes a NumPy ufunc.

    Attributes:
        loops: its loops, in the order in which NumPy tries them.
        signature: the signature of a generalized ufunc; empty if the ufunc is elementwise.
        docs: its documentation; without documentation, its declaration in Rust.
        has_inline: whether it has an ``#[inline]`` attribute.
    """

    loops: tuple[UfuncLoop, ...]
    signature: str = ""
    docs: str = ""
    has_inline: bool = False
