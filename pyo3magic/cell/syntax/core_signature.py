"""Parse the signature of a generalized ufunc, ``(m,n),(n)->(m)``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyo3magic.errors import CellError

__all__ = ["CoreSignature", "parse_signature"]

_ARGUMENT = r"\((?:\w+(?:,\w+)*)?\)"
_SIGNATURE = re.compile(rf"(?a:({_ARGUMENT}(?:,{_ARGUMENT})*)->({_ARGUMENT}(?:,{_ARGUMENT})*))")
_NAME = re.compile(r"(?a:[1-9]\d*|[^\W\d]\w*)")
_MOST = 10


@dataclass(frozen=True, slots=True)
class CoreSignature:
    """The core dimensions of each input and output; a name that is a number is a fixed length.

    Attributes:
        text: the signature without spaces.
        inputs: the names of each input's core dimensions.
        outputs: the names of each output's core dimensions.
    """

    text: str
    inputs: tuple[tuple[str, ...], ...]
    outputs: tuple[tuple[str, ...], ...]


def parse_signature(text: str) -> CoreSignature:
    """Parse a signature (NumPy manual, "Generalized universal function API").

    Raises:
        CellError: the text is not a signature, or has NumPy's ``?``, which no slice can express.
    """
    packed = re.sub(r"\s+", "", text)
    match = _SIGNATURE.fullmatch(packed)
    names = re.findall(r"\w+", packed)
    if match is None or not all(_NAME.fullmatch(name) for name in names):
        raise CellError(
            f"{text[:60]!r} is not the signature of a generalized ufunc.",
            advice="For example: --ufunc '(n),(n)->()' for functions of two slices that return a number, or "
            "--ufunc '(m,n),(n)->(m)'. Without a signature, functions of numbers become elementwise ufuncs.",
        )
    inputs, outputs = (
        tuple(tuple(re.findall(r"\w+", part)) for part in re.findall(_ARGUMENT, side)) for side in match.groups()
    )
    if max(len(inputs), len(outputs)) > _MOST:
        raise CellError(
            f"The signature {packed[:60]} has more than {_MOST} inputs or outputs.",
            advice="Combine some of them in one array.",
        )
    if new := next(
        (
            name
            for axes in outputs
            for name in axes
            if not name.isdigit() and not any(name in given for given in inputs)
        ),
        "",
    ):
        raise CellError(
            f"The length of {new} in {packed[:60]} is not that of any input.",
            advice="Name a dimension of an input, or write the length as a number: --ufunc '(n)->(3)'.",
        )
    return CoreSignature(packed, inputs, outputs)
