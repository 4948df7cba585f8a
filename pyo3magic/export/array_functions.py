"""Functions on arrays in an exported project: the Rust module they need, their wrappers, and their types in stubs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyo3magic.cell.syntax import plain
from pyo3magic.crate.array_wrappers import wrapper_lines
from pyo3magic.crate.package import array_files
from pyo3magic.errors import OptionError

from .rust_syntax import identifiers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyo3magic.cell.syntax import Export, Parameter, Result, Signature

    from .rust_syntax import Member

__all__ = ["array_types", "arrays_module", "check_stable_abi", "module_files", "wrapper"]

_FIRST_ABI3 = (3, 11)
"""The first Python whose stable ABI has the buffer protocol (C API, "Buffer Protocol")."""
_READABLE = {
    "::core::result::Result::": "",
    "::core::option::Option::": "",
    "::core::option::Option<": "Option<",
    "::std::vec::Vec::": "Vec::",
    "::pyo3::": "",
}
_NUMPY = {
    "bool": "bool_",
    "isize": "intp",
    "usize": "uintp",
    **{f"f{bits}": f"float{bits}" for bits in (32, 64)},
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
_PYTHON = {
    **dict.fromkeys((f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64, 128, "size")), "int"),
    **dict.fromkeys(("f32", "f64"), "float"),
    **dict.fromkeys(("String", "&str", "char"), "str"),
    "bool": "bool",
    "()": "None",
}


def arrays_module(members: Sequence[Member]) -> str:
    """Return a free name for the Rust module that wrappers call; empty if no cell needs one."""
    if not any(_signatures(member) for member in members):
        return ""
    taken = {member.module for member in members}.union(*(identifiers(member.cell.source) for member in members))
    return next(name for name in ("arrays", "python_arrays", "pyo3_arrays", "pyo3magic_arrays") if name not in taken)


def module_files(members: Sequence[Member]) -> dict[str, str]:
    """Return the path and text of each file of the Rust module that wrappers call."""
    name = arrays_module(members)
    return array_files(f"src/{name}/", members[0].pyo3) if name else {}


def check_stable_abi(members: Sequence[Member], abi3: tuple[int, int] | None) -> None:
    """Raise OptionError if a function takes arrays, and the stable ABI of that Python has no buffers."""
    names = [export.name for member in members for export, signature in _signatures(member) if signature.takes_arrays]
    if names and abi3 is not None and abi3 < _FIRST_ABI3:
        raise OptionError(
            f"{names[0]} takes arrays, and the stable ABI has the buffer protocol only since Python 3.11.",
            advice="Write --abi3 3.11, or leave out --abi3 to make a wheel for each Python version.",
        )


def wrapper(export: Export, signature: Signature, arrays: str, *, keep_gil: bool) -> Iterator[str]:
    """Yield the lines of a function's wrapper in the project's ``#[pymodule]``, with its documentation.

    Args:
        export: the function.
        signature: its signature.
        arrays: the name of the Rust module that wrappers call.
        keep_gil: whether the function runs with the interpreter lock held.
    """
    for text in signature.docs:
        yield from (f"///{line}".rstrip() for line in text.splitlines() or [""])
    yield from export.cfgs
    yield "#[pyfunction]"
    yield from signature.attributes
    function = f"super::{export.rust_name}"
    path = f"crate::{arrays}"
    for line in wrapper_lines(signature, name=export.rust_name, function=function, arrays=path, keep_gil=keep_gil):
        text = line
        for written, readable in _READABLE.items():
            text = re.sub(rf"(?<![\w>]){re.escape(written)}", readable, text)
        yield text


def array_types(member: Member) -> dict[str, tuple[dict[str, str], str]]:
    """Return Python's types of each function with a wrapper: by parameter, and of the result."""
    return {
        export.name: (
            {plain(item.name): _parameter(item) for item in signature.parameters if item.is_array},
            _result(signature.result),
        )
        for export, signature in _signatures(member)
    }


def _signatures(member: Member) -> list[tuple[Export, Signature]]:
    found = ((export, export.signature) for export in member.syntax.exports if member.syntax.main_module is None)
    return [(export, signature) for export, signature in found if signature is not None]


def _array(item: str, part: str) -> str:
    number = f"complex{2 * int(part[1:])}" if part else _NUMPY[re.sub(r"^\[\s*|\s*;.*$", "", item)]
    return f"numpy.typing.NDArray[numpy.{number}]"


def _parameter(parameter: Parameter) -> str:
    if not parameter.has_memory:
        kind = "collections.abc.Iterable[str]"
    elif parameter.is_exclusive:
        kind = f"{_array(parameter.item, parameter.complex)} | collections.abc.Buffer"
    else:
        kind = "numpy.typing.ArrayLike"
    return f"{kind} | None" if parameter.is_optional else kind


def _result(result: Result) -> str:
    """Return Python's type of a result; empty if PyO3 knows it better."""
    if result.kind in {"plain", "nothing"}:
        return _PYTHON.get(result.type, "")
    inner = [_result(part) or "typing.Any" for part in result.parts]
    if result.kind == "result":
        return _result(result.parts[0])
    if result.kind == "option":
        return f"{inner[0]} | None"
    if result.kind == "tuple":
        return f"tuple[{', '.join(inner)}]"
    if result.kind == "iterator":
        return f"collections.abc.Iterator[{inner[0]}]"
    return _array(result.item, result.complex)
